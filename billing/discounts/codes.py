"""Making, changing and showing discount codes: the staff's side."""

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from billing.discounts.errors import CodeTakenError
from billing.discounts.models import DiscountCode, DiscountKind, DiscountRedemption
from billing.discounts.repository import DiscountRepository
from billing.discounts.schemas import DiscountCreate, DiscountPatch
from billing.discounts.service import normalise
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import InvalidInputError, NotFoundError
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.money import MoneySchema


async def create_code(session: TenantSession, new: DiscountCreate) -> DiscountCode:
    """A new code. Raises :class:`CodeTakenError`, :class:`InvalidInputError`."""
    fields = {name: getattr(new, name) for name in DiscountCreate.model_fields}
    currency = session.tenant.currency
    code = DiscountCode(id=new_id(), currency=currency, created_at=clock.now(), **_columns(session, fields))
    _check(code)
    try:
        async with session.begin_nested():
            await DiscountRepository(session).add(code)
    except IntegrityError as error:
        raise CodeTakenError from error
    return code


async def change_code(session: TenantSession, code_id: UUID, patch: DiscountPatch) -> DiscountCode:
    """Change some fields; what was booked with it stays as it is. Raises as :func:`create_code`,
    :class:`NotFoundError`."""
    code = await DiscountRepository(session).find(code_id, for_update=True)
    if code is None:
        raise NotFoundError
    try:
        async with session.begin_nested():
            for name, value in _columns(session, patch.changes()).items():
                setattr(code, name, value)
            _check(code)
            await DiscountRepository(session).flush()
    except IntegrityError as error:
        raise CodeTakenError from error
    return code


async def get_code(session: TenantSession, code_id: UUID) -> DiscountCode:
    """A code by id. Raises :class:`NotFoundError`."""
    code = await DiscountRepository(session).find(code_id)
    if code is None:
        raise NotFoundError
    return code


async def list_codes(
    session: TenantSession, *, active: bool | None = None, limit: int = 50, cursor: str | None = None
) -> tuple[list[DiscountCode], str | None]:
    """A page of codes, newest first."""
    return await DiscountRepository(session).page(active=active, limit=limit, cursor=cursor)


async def count_uses(session: TenantSession, code_ids: Collection[UUID]) -> dict[UUID, int]:
    """How often each of these codes is in use; those that are not are left out."""
    return await DiscountRepository(session).uses_of(code_ids) if code_ids else {}


async def list_redemptions(
    session: TenantSession, code_id: UUID, *, limit: int = 50, cursor: str | None = None
) -> tuple[list[DiscountRedemption], str | None]:
    """Who used a code, newest first. Raises :class:`NotFoundError`."""
    await get_code(session, code_id)
    return await DiscountRepository(session).page_redemptions(code_id, limit=limit, cursor=cursor)


def _columns(session: TenantSession, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of the API as columns; money has to be of the practice's currency."""
    columns = dict(fields)
    if "code" in columns:
        columns["code"] = normalise(columns["code"])
    for field, column in (("amount", "amount_minor"), ("minimum", "minimum_minor")):
        if field in columns:
            money: MoneySchema | None = columns.pop(field)
            if money is not None and money.currency != session.tenant.currency:
                raise InvalidInputError(
                    ["body", field, "currency"], f"the practice's currency is {session.tenant.currency}", "currency"
                )
            columns[column] = 0 if money is None and field == "minimum" else money and money.amount
    return columns


def _check(code: DiscountCode) -> None:
    """What the table's checks would say, in words."""
    is_percent = code.kind == DiscountKind.PERCENT
    if is_percent and (code.percent is None or code.amount_minor is not None):
        raise InvalidInputError(["body", "percent"], "a share has a percent and no amount", "worth")
    if not is_percent and (not code.amount_minor or code.percent is not None):
        raise InvalidInputError(["body", "amount"], "an amount of money has an amount and no percent", "worth")
    if code.valid_from is not None and code.valid_until is not None and code.valid_from >= code.valid_until:
        raise InvalidInputError(["body", "valid_until"], "must be later than valid_from", "validity")
    if not code.for_appointments and not code.for_packages:
        raise InvalidInputError(["body", "for_appointments"], "it has to be for something", "for_nothing")
