"""Charging a kept card while the client is away."""

from enum import StrEnum
from uuid import UUID

from billing.cards import service as cards
from billing.payments import checking
from billing.payments import service as payments
from billing.payments.errors import AlreadyPaidError, MethodNotOfferedError
from billing.payments.models import Payment, PaymentStatus
from billing.payments.payables import payable_kind
from billing.payments.repository import PaymentRepository
from billing.providers.port import OutcomeUnknownError
from billing.providers.registry import refusal_of
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import ProblemError
from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

_log = get_logger("billing.cards")


class Charge(StrEnum):
    """``made``: the money is here, or on its way. ``none``: nothing is owed. ``no_card``: there is none that works.

    ``refused``: the bank refused, or wants to ask the client, who has to pay in another way.
    """

    MADE = "made"
    NONE = "none"
    NO_CARD = "no_card"
    REFUSED = "refused"


async def charge_kept_card(
    runtime: Runtime, tenant: TenantContext, kind: str, payable_id: UUID, client_id: UUID, *, locale: str, home: str
) -> Charge:
    """Charge what a client owes to the card that they had kept, once. Safe to repeat: it goes on where it was.

    ``home``: the absolute address of the page about it. A card that was refused for it is not tried again. Raises the
    port's ``OutcomeUnknownError``: repeat it later.
    """
    async with runtime.database.tenant(tenant) as session:
        opened = await _open(session, runtime, kind, payable_id, client_id, locale, home)
    if isinstance(opened, Charge):
        return opened
    try:
        await checking.check_payment(runtime, tenant, opened.id)
    except MethodNotOfferedError as error:
        _log.warning("kept_card_not_charged", payment_id=str(opened.id), code=error.code)
        return Charge.NO_CARD
    async with runtime.database.tenant(tenant) as session:
        payment = await payments.get_payment(session, opened.id)
    if payment.status == PaymentStatus.REQUIRES_ACTION:  # nobody is there to act: an answer was lost
        raise OutcomeUnknownError("answer_lost")
    return _result(payment)


async def _open(
    session: TenantSession, runtime: Runtime, kind: str, payable_id: UUID, client_id: UUID, locale: str, home: str
) -> Charge | Payment:
    await payments.lock_opening(session, payable_id)
    for payment in await PaymentRepository(session).list_of_payable(kind, payable_id):
        if payment.saved_card_id is not None:
            return payment if payment.status == PaymentStatus.REQUIRES_ACTION else _result(payment)
    card = await cards.find_chargeable(session, runtime.settings, client_id)
    if card is None:
        return Charge.NO_CARD
    try:
        payable = await payable_kind(kind).claim(session, payable_id, client_id=client_id)
        if refusal_of(cards.METHOD, payable.amount) is not None:
            return Charge.NO_CARD
        manner = payments.Manner(cards.METHOD, home, home, locale=locale, saved_card_id=card.id)
        return await payments.open_payment(session, runtime.settings, payable, manner)
    except AlreadyPaidError:
        return Charge.NONE
    except ProblemError as error:
        _log.info("kept_card_not_charged", code=error.code)
        return Charge.NONE


def _result(payment: Payment) -> Charge:
    return Charge.REFUSED if payment.status in (PaymentStatus.FAILED, PaymentStatus.CANCELLED) else Charge.MADE
