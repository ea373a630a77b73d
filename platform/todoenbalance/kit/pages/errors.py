"""Failures as a page, for browsers."""

from starlette.requests import Request
from starlette.responses import HTMLResponse

from todoenbalance.kit.pages.environment import Pages
from todoenbalance.kit.web.context import find_context

_pages = Pages()
_PROGRAMS = ("/api", "/webhooks", "/dev", "/healthz", "/readyz", "/metrics")


def _(message: str) -> str:
    """Marks a sentence for the catalogue; it is translated when it is shown."""
    return message


_HEADINGS = {
    403: _("This is not for you"),
    404: _("There is no such page"),
    405: _("This can't be done here"),
}
_OTHER, _OURS = _("This did not work"), _("Something went wrong on our side")


def wants_page(request: Request) -> bool:
    """Whether a browser asks for a page: it names HTML, and the path is none that programs use."""
    path = request.url.path
    if any(path == prefix or path.startswith(f"{prefix}/") for prefix in _PROGRAMS):
        return False
    accepted = (part.partition(";")[0].strip().lower() for part in request.headers.get("accept", "").split(","))
    return "text/html" in accepted


def error_page(request: Request, status: int, detail: str) -> HTMLResponse:
    """A page that says ``detail`` and leads back."""
    context = find_context(request.scope)
    locale = context.locale if context else "en"
    heading = _HEADINGS.get(status, _OURS if status >= 500 else _OTHER)
    values = {
        "heading": _pages.translate(locale, heading),
        "detail": detail,
        "request_id": context.request_id if context and status >= 500 else None,
        "owner": context.tenant.name if context and context.tenant else "TODOenBALANCE",
        "home": "/admin" if request.url.path.startswith("/admin") else "/",
    }
    html = _pages.render("problem.html", locale, values)
    return HTMLResponse(html, status, headers={"Cache-Control": "no-store"})
