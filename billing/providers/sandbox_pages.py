"""The sandbox provider's own page on a practice's host: approve or decline, by hand or by a program.

It stands for another company's site: no sign-in of ours, no cookie, no CSRF token; knowing the order's
random name is what lets one see it.
"""

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Form, Response

from billing.payments.models import SandboxOrder
from billing.providers import sandbox
from billing.providers.port import ObjectNotFoundError
from billing.providers.sandbox import SandboxOutcome, WebhookMode
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.money import Money
from todoenbalance.kit.pages.environment import Pages
from todoenbalance.kit.web.dependencies import LocaleDep, RuntimeDep, TenantDep, TenantSessionDep

router = APIRouter(prefix="/sandbox", include_in_schema=False)

_pages = Pages(Path(__file__).parent)

_TEXTS = {
    "en": {
        "title": "Pretend payment",
        "notice": "Test page: no money moves.",
        "payee": "To",
        "concept": "For",
        "amount": "Amount",
        "approve": "Approve the payment",
        "decline": "Decline",
        "back": "Back to the practice",
        "captured": "This payment has been made already.",
        "declined": "This payment was declined. Start a new one.",
        "cancelled": "This payment was called off or has expired, so it can't be made any more.",
    },
    "es": {
        "title": "Pago de prueba",
        "notice": "Página de pruebas: no se mueve dinero.",
        "payee": "Para",
        "concept": "Concepto",
        "amount": "Importe",
        "approve": "Aprobar el pago",
        "decline": "Rechazar",
        "back": "Volver a la consulta",
        "captured": "Este pago ya está hecho.",
        "declined": "Este pago se rechazó. Empieza uno nuevo.",
        "cancelled": "Este pago se anuló o ha caducado, así que ya no se puede hacer.",
    },
}


@router.get("/pay/{order_id}")
async def show_order(
    order_id: str, runtime: RuntimeDep, tenant: TenantDep, session: TenantSessionDep, locale: LocaleDep
) -> Response:
    """What is to be paid, and two buttons while it can be."""
    order = await sandbox.find_order(session, order_id) if sandbox.is_sandbox_available(runtime.settings) else None
    if order is None:
        raise NotFoundError
    return _page(order, tenant.name, locale)


@router.post("/pay/{order_id}")
async def decide(
    order_id: str,
    runtime: RuntimeDep,
    tenant: TenantDep,
    session: TenantSessionDep,
    locale: LocaleDep,
    outcome: Annotated[SandboxOutcome, Form()],
    webhook: Annotated[WebhookMode, Form()] = WebhookMode.NORMAL,
    delay_seconds: Annotated[int, Form(ge=0, le=3600)] = 5,
    force: Annotated[str, Form(pattern="^(|late)$")] = "",
) -> Response:
    """What the buttons do: 303 to where the practice wants its client back, or 409 with a sentence.

    `webhook` is `late` (by `delay_seconds`), `duplicate` or `drop`; `force=late` captures although the
    order was called off, as a slow provider does.
    """
    if not sandbox.is_sandbox_available(runtime.settings):
        raise NotFoundError
    try:
        decision = await sandbox.decide(
            session, order_id, outcome, webhook, is_forced=force == "late", delay_seconds=delay_seconds
        )
    except ObjectNotFoundError as error:
        raise NotFoundError from error
    order = decision.order
    if decision.refused_because is not None:
        return _page(order, tenant.name, locale, status=409)
    target = order.return_url if outcome is SandboxOutcome.APPROVE else order.cancel_url
    return Response(status_code=303, headers={"Location": target, "Cache-Control": "no-store"})


def _page(order: SandboxOrder, practice_name: str, locale: str, *, status: int = 200) -> Response:
    texts = _TEXTS[locale]
    values = {
        "t": texts,
        "owner": practice_name,
        "description": order.description,
        "amount": Money(order.amount_minor, order.currency).format(locale),
        "can_pay": order.status == "open",
        "message": texts.get(order.status),
        "way_back": order.return_url if order.status == "captured" else order.cancel_url,
    }
    html = _pages.render("sandbox_pay.html", locale, values)
    return Response(html, status, {"Content-Security-Policy": _policy(order), "Cache-Control": "no-store"}, "text/html")


def _policy(order: SandboxOrder) -> str:
    """The page's Content-Security-Policy.

    Browsers hold the redirect that answers a form to ``form-action`` as well (Chromium does), so the two
    ways back are named; they were checked when the payment was made.
    """
    origins = {f"{url.scheme}://{url.netloc}" for url in map(urlsplit, (order.return_url, order.cancel_url))}
    targets = " ".join(["'self'", *sorted(origins)])
    return f"default-src 'self'; form-action {targets}; base-uri 'none'; object-src 'none'; frame-ancestors 'none'"
