"""A document as one self-contained page: its style within, its QR code as SVG, nothing fetched, no script."""

import base64
import hashlib
from functools import lru_cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from billing.documents.rendering.view import View

_HERE = Path(__file__).parent


@lru_cache(maxsize=1)
def _style() -> str:
    return (_HERE / "document.css").read_text().strip()


@lru_cache(maxsize=1)
def _template() -> Template:
    loader = FileSystemLoader(_HERE)
    made = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return made.get_template("document.html")


def render_html(view: View) -> str:
    """The page."""
    return _template().render(d=view, style=Markup(_style()))  # noqa: S704 - a file of ours


@lru_cache(maxsize=1)
def security_policy() -> str:
    """The page may use its own style, known by its hash, and nothing else."""
    hashed = base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{hashed}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
