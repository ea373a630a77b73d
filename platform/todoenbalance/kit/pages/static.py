"""Style sheet, script and icon, served from our own host with names that change with their content."""

import hashlib
from functools import lru_cache
from pathlib import Path
from urllib.parse import parse_qs

from fastapi import FastAPI
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

_FOLDER = Path(__file__).parent / "static"
_YEAR_SECONDS = 31_536_000


class _VersionedFiles(StaticFiles):
    """Files that a browser may keep for good when it asked for this very version."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        asked = parse_qs(scope["query_string"].decode("latin-1")).get("v", [""])[0]
        kept = response.status_code == 200 and asked == _version(path)
        response.headers["Cache-Control"] = f"public, max-age={_YEAR_SECONDS}, immutable" if kept else "no-cache"
        return response


@lru_cache(maxsize=32)
def _version(name: str) -> str | None:
    path = _FOLDER / name
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12] if path.is_file() else None


def static_url(name: str) -> str:
    """Where a static file is, version included. Raises ``FileNotFoundError``."""
    version = _version(name)
    if version is None:
        raise FileNotFoundError(name)
    return f"/static/{name}?v={version}"


def install_static_files(app: FastAPI) -> None:
    """Serve them under ``/static/``."""
    app.mount("/static", _VersionedFiles(directory=_FOLDER), name="static")
