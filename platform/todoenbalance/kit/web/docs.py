"""The docs page: Swagger UI from a package, so that no browser asks a third party for it."""

import importlib.util
from pathlib import Path

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="stylesheet" href="{base}/assets/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="{base}/assets/swagger-ui-bundle.js"></script>
<script src="{base}/start.js"></script>
</body>
</html>
"""
_START = """SwaggerUIBundle({{url: "{openapi_url}", dom_id: "#swagger-ui", deepLinking: true,
  presets: [SwaggerUIBundle.presets.apis], layout: "BaseLayout"}});
"""
# Swagger UI styles its own elements inline and shows images from data addresses.
_POLICY = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none';"
    " base-uri 'none'; frame-ancestors 'none'"
)


def install_docs(app: FastAPI, docs_url: str) -> None:
    """Serve Swagger UI for ``app`` at ``docs_url``."""
    page = _PAGE.format(title=app.title, base=docs_url)
    start = _START.format(openapi_url=app.openapi_url)

    async def docs(_request: Request) -> Response:
        return HTMLResponse(page, headers={"Content-Security-Policy": _POLICY})

    async def start_script(_request: Request) -> Response:
        return Response(start, media_type="text/javascript")

    app.add_route(docs_url, docs, include_in_schema=False)
    app.add_route(f"{docs_url}/start.js", start_script, include_in_schema=False)
    app.mount(f"{docs_url}/assets", StaticFiles(directory=_assets()), name="swagger-ui")


def _assets() -> Path:
    """The folder of Swagger UI's files in the package `fastapi-offline`, whose code is not used."""
    found = importlib.util.find_spec("fastapi_offline")
    if found is None or not found.submodule_search_locations:
        raise FileNotFoundError("the package fastapi-offline is not installed")
    return Path(next(iter(found.submodule_search_locations))) / "static"
