"""Refunds that wait for somebody at the practice: money to hand over, and what failed and is tried again."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.responses import Response

from admin_portal.pages.page import SignedIn
from admin_portal.refunds import HandoverRecord, hand_over, retry
from billing.payments import service as payments
from billing.refunds.by_hand import HandoverKind, list_to_hand_over, withdraw_refund
from notifications.formats import describe
from tenants.accounts.names import name_of
from tenants.accounts.permissions import Permission
from tenants.accounts.services.client_accounts import find_clients
from todoenbalance.kit.errors import NotFoundError, ProblemError
from todoenbalance.kit.pages.redirects import see_other

router = APIRouter(prefix="/refunds", include_in_schema=False)


def _(message: str) -> str:
    """Marks a sentence for the catalogue; it is translated when it is shown."""
    return message


HANDOVER_WORDS = {
    HandoverKind.CASH: _("Cash"),
    HandoverKind.TRANSFER: _("Bank transfer"),
    HandoverKind.CARD: _("Card at the desk"),
}


@router.get("")
async def show_refunds(
    page: SignedIn,
    cursor: Annotated[str | None, Query(max_length=500)] = None,
    problem: Annotated[str, Query(max_length=60)] = "",
) -> Response:
    """Money that was taken at the desk and is to be handed back, oldest first."""
    page.need(Permission.VIEW_PAYMENTS)
    rows, following = await list_to_hand_over(page.session, cursor=cursor)
    found = {row.id: await payments.get_payment(page.session, row.payment_id) for row in rows}
    clients = await find_clients(page.session, {one.client_id for one in found.values()})
    zone = page.tenant.timezone
    shown = []
    for row in rows:
        payment = found[row.id]
        client = clients.get(payment.client_id)
        name = name_of(client, page.locale) if client else "–"
        shown.append((row, payment, name, describe(row.created_at, zone, page.locale).day))
    return page.render(
        "refunds.html",
        refunds=shown,
        following=following,
        kinds=[(kind.value, page.t(words)) for kind, words in HANDOVER_WORDS.items()],
        can_record=page.may(Permission.RECORD_PAYMENTS),
        can_withdraw=page.may(Permission.REFUND_PAYMENTS),
        problem=page.t("This refund is not to be handed over any more.") if problem else None,
    )


@router.post("/{payment_id}/{refund_id}/{action}")
async def act(page: SignedIn, payment_id: UUID, refund_id: UUID, action: str) -> Response:
    """It was handed over, it is not after all, or what failed is tried again."""
    form = await page.read_form()
    page.need(Permission.RECORD_PAYMENTS if action == "handed-over" else Permission.REFUND_PAYMENTS)
    here = f"/admin/payments/{payment_id}" if action == "retry" else "/admin/refunds"
    page.need_fresh(here)
    try:
        async with page.session.begin_nested():
            if action == "handed-over":
                body = form.parse(HandoverRecord, {"kind": form.get("kind"), **form.optional("note")})
                await hand_over(page.session, page.staff, payment_id, refund_id, body, request_id=page.request_id)
            elif action == "retry":
                await retry(page.session, page.staff, payment_id, refund_id, request_id=page.request_id)
            elif action == "withdraw":
                refund = await withdraw_refund(page.session, refund_id)
                page.record("payment.refund_withdrawn", refund.payment_id, refund_id=str(refund_id))
            else:
                raise NotFoundError
    except NotFoundError:
        raise
    except ProblemError as problem:
        return see_other(f"{here}?problem={problem.code}")
    return see_other(here)
