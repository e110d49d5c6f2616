"""The bridge beside a Dapr sidecar: pub/sub and service invocation over its HTTP API and app channel."""
