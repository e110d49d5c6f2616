"""The API documents as a page that needs no internet: FastAPI's own loads its scripts from a public CDN."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

DOCS = "/docs"
DOCS_FILES = f"{DOCS}/files"


def add_docs(app: FastAPI) -> None:
    """Serve the page at ``/docs``, with the scripts that the package fastapi-offline ships."""
    app.mount(DOCS_FILES, StaticFiles(packages=[("fastapi_offline", "static")]), name="docs-files")
    app.add_api_route(DOCS, _page, include_in_schema=False)


async def _page(request: Request) -> HTMLResponse:
    root = request.scope.get("root_path", "")
    return get_swagger_ui_html(
        openapi_url=f"{root}{request.app.openapi_url}",
        title=request.app.title,
        swagger_js_url=f"{root}{DOCS_FILES}/swagger-ui-bundle.js",
        swagger_css_url=f"{root}{DOCS_FILES}/swagger-ui.css",
        swagger_favicon_url=f"{root}{DOCS_FILES}/favicon.png",
    )
