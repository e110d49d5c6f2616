"""Commands over HTTP: a thin layer over ``Host.call`` with OpenAPI documents, authentication and problem details."""
