"""The mails about money that went back."""

from uuid import UUID

import pytest

from billing.payments.models import Payment, PaymentStatus, Refund, RefundStatus
from billing.refunds.events import REFUND_SETTLED
from billing.refunds.service import RefundCause
from tests.support.events import run_due_events
from tests.support.mails import assert_speaks, links_in, mails_of
from tests.support.practices import SignedIn, make_client, make_practice
from todoenbalance.kit import clock
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.outbox.publish import publish
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext
from todoenbalance.subscriptions import register_composers

REASON = "no se encontraba bien"


@pytest.fixture(autouse=True)
def composers() -> None:
    """As at start-up; doing it again changes nothing."""
    register_composers()


async def settle(
    runtime: Runtime,
    tenant: TenantContext,
    client: SignedIn,
    *,
    cause: str,
    status: RefundStatus = RefundStatus.SUCCEEDED,
    method: str = "sandbox",
) -> UUID:
    """A settled refund of 12.50 and its event; answers the payment's id."""
    now = clock.now()
    succeeded = status is RefundStatus.SUCCEEDED
    async with runtime.database.tenant(tenant) as session:
        payment = Payment(
            id=new_id(),
            payable_kind="appointment",
            payable_id=new_id(),
            client_id=client.id,
            method=method,
            status=PaymentStatus.PARTIALLY_REFUNDED if succeeded else PaymentStatus.SUCCEEDED,
            currency="EUR",
            amount_minor=4500,
            captured_minor=4500,
            refunded_minor=1250 if succeeded else 0,
            description="Primera visita",
            return_url="https://example.com/a",
            cancel_url="https://example.com/b",
            created_at=now,
            updated_at=now,
        )
        session.add(payment)
        await session.flush()  # the refund refers to it
        refund = Refund(
            id=new_id(),
            payment_id=payment.id,
            amount_minor=1250,
            status=status,
            cause=cause,
            reason=REASON,
            requested_by_kind="system",
            created_at=now,
            settled_at=now,
        )
        session.add(refund)
        await session.flush()  # the event names it
        await publish(session, REFUND_SETTLED, {"refund_id": str(refund.id)})
    await run_due_events(runtime, tenant)
    return payment.id


def owner_of(tenant: TenantContext) -> str:
    return f"owner@{tenant.slug}.example.com"


@pytest.mark.parametrize("language", ["es", "en"])
@pytest.mark.parametrize("cause", list(RefundCause))
async def test_the_client_hears_how_much_and_why(runtime: Runtime, cause: str, language: str) -> None:
    practice = await make_practice(runtime, locale=language)
    client = await make_client(runtime, practice)
    await settle(runtime, practice, client, cause=cause)
    [mail] = await mails_of(runtime, practice, client.email)
    assert ("12,50" if language == "es" else "12.50") in mail.subject
    assert_speaks(language, mail, practice.name, "Primera visita", "Carla Cliente")
    assert REASON not in mail.text + mail.html
    # A slot that was lost is the one case in which there is something left to do.
    assert bool(links_in(mail.text)) == (cause == RefundCause.LATE_SLOT_TAKEN)


@pytest.mark.parametrize(
    "cause", [RefundCause.LATE_SLOT_TAKEN, RefundCause.PAID_TWICE, RefundCause.APPOINTMENT_CANCELLED]
)
async def test_the_practice_hears_of_money_that_went_back_by_itself(
    runtime: Runtime, practice: TenantContext, cause: RefundCause
) -> None:
    client = await make_client(runtime, practice)
    payment_id = await settle(runtime, practice, client, cause=cause)
    mails = [mail for mail in await mails_of(runtime, practice, owner_of(practice)) if "12,50" in mail.subject]
    [mail] = mails
    assert_speaks("es", mail, practice.name, "Primera visita", "Carla Cliente")
    page, choices = links_in(mail.text)
    assert page == f"http://{practice.slug}.localhost:8000/admin/payments/{payment_id}"
    assert choices.startswith(f"http://{practice.slug}.localhost:8000/mail-preferences/")


async def test_the_practice_is_not_told_of_what_it_asked_for(runtime: Runtime, practice: TenantContext) -> None:
    client = await make_client(runtime, practice)
    await settle(runtime, practice, client, cause=RefundCause.STAFF)
    assert not [mail for mail in await mails_of(runtime, practice, owner_of(practice)) if "12,50" in mail.subject]


async def test_a_refund_that_failed_is_the_practices_concern_and_not_the_clients(
    runtime: Runtime, practice: TenantContext
) -> None:
    client = await make_client(runtime, practice)
    await settle(runtime, practice, client, cause=RefundCause.STAFF, status=RefundStatus.FAILED)
    assert await mails_of(runtime, practice, client.email) == []
    mails = await mails_of(runtime, practice, owner_of(practice))
    assert [mail.subject.startswith("No se ha podido devolver") for mail in mails if "12,50" in mail.subject] == [True]


async def test_money_that_was_paid_by_hand_does_not_go_back_through_a_bank(
    runtime: Runtime, practice: TenantContext
) -> None:
    client = await make_client(runtime, practice)
    await settle(runtime, practice, client, cause=RefundCause.STAFF, method="offline")
    [mail] = await mails_of(runtime, practice, client.email)
    assert "banco" not in mail.text
