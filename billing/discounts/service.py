"""Using discount codes. A use counts from the moment of booking, under the code's lock, until it is released."""

from dataclasses import dataclass
from uuid import UUID

from billing.discounts.errors import DiscountNotUsableError, Refusal
from billing.discounts.models import DiscountCode, DiscountKind, DiscountRedemption, SubjectKind
from billing.discounts.repository import DiscountRepository
from billing.refunds.service import share_minor
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.money import Money

MAX_CODE = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What somebody wants to pay less for. ``service_id``: None for a package. ``is_first_visit`` is the caller's
    to know."""

    kind: SubjectKind
    client_id: UUID
    price: Money
    service_id: UUID | None = None
    is_first_visit: bool = False


def normalise(text: str) -> str:
    """A code as it is kept: in capitals, without spaces around it."""
    return text.strip().upper()


async def quote_discount(session: TenantSession, text: str, subject: Subject) -> int:
    """By how much (minor units) the code would lower this price now; nothing is written.

    Raises :class:`DiscountNotUsableError`.
    """
    code = await DiscountRepository(session).find_by_text(normalise(text))
    return await _judge(session, code, subject)


async def redeem(session: TenantSession, text: str, subject: Subject, subject_id: UUID) -> int:
    """Use the code for something that is being booked or bought; answers by how much its price is lowered.

    Raises :class:`DiscountNotUsableError`.
    """
    discounts = DiscountRepository(session)
    code = await discounts.find_by_text(normalise(text), for_update=True)
    amount = await _judge(session, code, subject)
    assert code is not None  # noqa: S101 - judged
    await discounts.add(
        DiscountRedemption(
            id=new_id(),
            code_id=code.id,
            client_id=subject.client_id,
            subject_kind=subject.kind,
            subject_id=subject_id,
            amount_minor=amount,
            created_at=clock.now(),
            released_at=None,
        )
    )
    return amount


async def _judge(session: TenantSession, code: DiscountCode | None, subject: Subject) -> int:
    if code is None or not code.active:
        raise DiscountNotUsableError(Refusal.UNKNOWN)
    refusal = _refusal_by_terms(code, subject)
    if refusal is None and await _is_used_up(session, code):
        refusal = Refusal.USED_UP
    if refusal is None and await _is_used_by(session, code, subject.client_id):
        refusal = Refusal.USED_BY_YOU
    if refusal is not None:
        raise DiscountNotUsableError(refusal)
    return worth_of(code, subject.price.amount)


def _refusal_by_terms(code: DiscountCode, subject: Subject) -> Refusal | None:
    now = clock.now()
    if subject.price.amount == 0:
        return Refusal.NOTHING_TO_PAY
    if code.valid_from is not None and now < code.valid_from:
        return Refusal.NOT_YET
    if code.valid_until is not None and now >= code.valid_until:
        return Refusal.OVER
    if not _is_for(code, subject):
        return Refusal.NOT_FOR_THIS
    if code.first_visit_only and not subject.is_first_visit:
        return Refusal.FIRST_VISIT_ONLY
    if subject.price.amount < code.minimum_minor:
        return Refusal.BELOW_MINIMUM
    return None


def _is_for(code: DiscountCode, subject: Subject) -> bool:
    if subject.price.currency != code.currency:
        return False
    if subject.kind is SubjectKind.PACKAGE:
        return code.for_packages and code.service_ids is None
    return code.for_appointments and (code.service_ids is None or subject.service_id in code.service_ids)


async def _is_used_up(session: TenantSession, code: DiscountCode) -> bool:
    limit = code.total_limit
    return limit is not None and await DiscountRepository(session).count_uses(code.id) >= limit


async def _is_used_by(session: TenantSession, code: DiscountCode, client_id: UUID) -> bool:
    limit = code.client_limit
    return limit is not None and await DiscountRepository(session).count_uses(code.id, client_id) >= limit


def worth_of(code: DiscountCode, price_minor: int) -> int:
    """By how much the code lowers a price: never below nothing; of a share, half a unit to the client, and at least
    one."""
    if code.kind == DiscountKind.PERCENT:
        assert code.percent is not None  # noqa: S101 - by the table's check
        return min(max(share_minor(price_minor, code.percent), 1), price_minor)
    assert code.amount_minor is not None  # noqa: S101 - by the table's check
    return min(code.amount_minor, price_minor)


async def release(session: TenantSession, kind: SubjectKind, subject_id: UUID) -> None:
    """What a code was used for came to nothing: somebody else may use it. Harmless to repeat."""
    redemption = await DiscountRepository(session).find_redemption(kind, subject_id)
    if redemption is not None and redemption.released_at is None:
        redemption.released_at = clock.now()
        await DiscountRepository(session).flush()


async def redeem_again(session: TenantSession, kind: SubjectKind, subject_id: UUID) -> bool:
    """Take a released use up again, for something that stands after all; false if the limits don't allow it.

    That a code has run out meanwhile does not count: it was used in time.
    """
    discounts = DiscountRepository(session)
    redemption = await discounts.find_redemption(kind, subject_id)
    if redemption is None or redemption.released_at is None:
        return True
    code = await discounts.find(redemption.code_id, for_update=True)
    assert code is not None  # noqa: S101 - referred to
    if await _is_used_up(session, code) or await _is_used_by(session, code, redemption.client_id):
        return False
    redemption.released_at = None
    await discounts.flush()
    return True


async def code_of(session: TenantSession, kind: SubjectKind, subject_id: UUID) -> str | None:
    """The code that is in use for something, or None."""
    redemption = await DiscountRepository(session).find_redemption(kind, subject_id)
    if redemption is None or redemption.released_at is not None:
        return None
    code = await DiscountRepository(session).find(redemption.code_id)
    return None if code is None else code.code
