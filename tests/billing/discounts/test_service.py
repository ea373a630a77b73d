"""Codes: what they are worth, whom they serve, and that their limits are exact."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.discounts.errors import CodeTakenError, DiscountNotUsableError, Refusal
from billing.discounts.models import DiscountCode, DiscountKind, SubjectKind
from billing.discounts.service import Subject, quote_discount, redeem, redeem_again, release, worth_of
from tests.support.packages import make_code
from todoenbalance.kit import clock
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.money import Money, MoneySchema
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

SERVICE = new_id()


def subject(client_id: UUID | None = None, amount: int = 4500, **more: Any) -> Subject:
    """An appointment of that price."""
    values: dict[str, Any] = {
        "kind": SubjectKind.APPOINTMENT,
        "service_id": SERVICE,
        "price": Money(amount, "EUR"),
    } | more
    return Subject(client_id=client_id or new_id(), **values)


async def refusal_of(runtime: Runtime, practice: TenantContext, text: str, wanted: Subject) -> Refusal | None:
    """Why the code does not serve; None if it does."""
    async with runtime.database.tenant(practice) as session:
        try:
            await quote_discount(session, text, wanted)
        except DiscountNotUsableError as error:
            return error.reason
    return None


@pytest.mark.parametrize("text", ["verano26", " VERANO26 ", "Verano26"])
async def test_capitals_and_spaces_make_no_difference(runtime: Runtime, practice: TenantContext, text: str) -> None:
    await make_code(runtime, practice, "Verano26")
    assert await refusal_of(runtime, practice, text, subject()) is None
    with pytest.raises(CodeTakenError):
        await make_code(runtime, practice, "VERANO26")


@pytest.mark.parametrize(
    ("fields", "more", "reason"),
    [
        ({"active": False}, {}, Refusal.UNKNOWN),
        ({"valid_from": clock.now() + timedelta(days=1)}, {}, Refusal.NOT_YET),
        ({"valid_until": clock.now() - timedelta(days=1)}, {}, Refusal.OVER),
        ({"first_visit_only": True}, {}, Refusal.FIRST_VISIT_ONLY),
        ({"first_visit_only": True}, {"is_first_visit": True}, None),
        ({"minimum": MoneySchema.of(4501, "EUR")}, {}, Refusal.BELOW_MINIMUM),
        ({"minimum": MoneySchema.of(4500, "EUR")}, {}, None),
        ({"service_ids": [new_id()]}, {}, Refusal.NOT_FOR_THIS),
        ({"service_ids": [SERVICE]}, {}, None),
        ({}, {"kind": SubjectKind.PACKAGE, "service_id": None}, Refusal.NOT_FOR_THIS),
        ({"for_packages": True}, {"kind": SubjectKind.PACKAGE, "service_id": None}, None),
        ({}, {"amount": 0}, Refusal.NOTHING_TO_PAY),
    ],
)
async def test_its_terms_decide(
    runtime: Runtime, practice: TenantContext, fields: dict[str, Any], more: dict[str, Any], reason: Refusal | None
) -> None:
    await make_code(runtime, practice, "CODIGO", **fields)
    assert await refusal_of(runtime, practice, "CODIGO", subject(**more)) is reason
    assert await refusal_of(runtime, practice, "OTRO", subject()) is Refusal.UNKNOWN


async def test_twenty_at_once_use_it_as_often_as_it_may_be(runtime: Runtime, practice: TenantContext) -> None:
    await make_code(runtime, practice, "TRES", total_limit=3)

    async def use() -> str:
        async with runtime.database.tenant(practice) as session:
            try:
                await redeem(session, "tres", subject(), new_id())
            except DiscountNotUsableError as error:
                return error.reason
            return "used"

    assert Counter(await asyncio.gather(*(use() for _ in range(20)))) == {"used": 3, Refusal.USED_UP: 17}


async def test_a_client_uses_it_as_often_as_they_may_and_what_came_to_nothing_counts_no_more(
    runtime: Runtime, practice: TenantContext
) -> None:
    await make_code(runtime, practice, "UNO", client_limit=1)
    client, first, second = new_id(), new_id(), new_id()
    async with runtime.database.tenant(practice) as session:
        assert await redeem(session, "UNO", subject(client), first) == 450
    assert await refusal_of(runtime, practice, "UNO", subject(client)) is Refusal.USED_BY_YOU
    assert await refusal_of(runtime, practice, "UNO", subject()) is None
    async with runtime.database.tenant(practice) as session:
        for _ in range(2):
            await release(session, SubjectKind.APPOINTMENT, first)
        await redeem(session, "UNO", subject(client), second)
        # What had let it go stands after all: its use is somebody else's by now.
        assert not await redeem_again(session, SubjectKind.APPOINTMENT, first)
        await release(session, SubjectKind.APPOINTMENT, second)
        assert await redeem_again(session, SubjectKind.APPOINTMENT, first)


async def test_another_practice_does_not_know_it(
    runtime: Runtime, practice: TenantContext, other_practice: TenantContext
) -> None:
    await make_code(runtime, practice, "NUESTRO")
    assert await refusal_of(runtime, other_practice, "NUESTRO", subject()) is Refusal.UNKNOWN


@given(price=st.integers(1, 10**9), percent=st.integers(1, 100), amount=st.integers(1, 10**9))
def test_it_never_lowers_a_price_below_nothing_and_always_lowers_it(price: int, percent: int, amount: int) -> None:
    share = DiscountCode(kind=DiscountKind.PERCENT, percent=percent)
    fixed = DiscountCode(kind=DiscountKind.AMOUNT, amount_minor=amount)
    for code in (share, fixed):
        assert 1 <= worth_of(code, price) <= price
    if percent == 100:
        assert worth_of(share, price) == price
