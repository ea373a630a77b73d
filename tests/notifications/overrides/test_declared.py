"""What is declared of a mail is what its composer delivers and what our own words use. Real rows, real composers."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from jinja2 import Environment, meta
from sqlalchemy import select

from billing.accounts.models import PaymentAccount
from billing.cards.models import SavedCard
from billing.documents import mails as document_mails
from billing.packages import mails as package_mails
from billing.refunds import mails as refund_mails
from notifications import account_mails
from notifications.formats import LANGUAGES, When
from notifications.overrides.variables import COMMON, OverridableKind, Shape, Variable, overridable_kinds
from notifications.recipients import Recipient, find_reader
from notifications.rendering import builtin_source
from notifications.service import Composer, Notice, composed_kinds
from scheduling.appointments import changed_mails, fee_mails, mails, request_mails, series_mails, visit_mails
from scheduling.appointments.events import FEE_KIND
from scheduling.appointments.models import Appointment
from scheduling.catalogue.models import Service
from scheduling.waitlist import mail_kinds
from scheduling.waitlist import mails as waitlist_mails
from scheduling.waitlist.models import WaitlistEntry
from tenants.accounts.models import Dependant
from tests.support.checkout import make_desk
from tests.support.documents import issued_at, pay, refund, set_issuer
from tests.support.mail_variables import DOCUMENT, document
from tests.support.packages import give
from tests.support.terms import add_payment
from tests.support.waitlist import Line
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

MONDAY = datetime(2026, 3, 2, 8, tzinfo=UTC)
GUARDED = {"client_password_reset", "client_magic_link", "client_verification", "staff_invitation", "email_change_new"}
MODULES = ("appointment_facts", "appointment_terms")
COMPOSERS: Mapping[str, Composer] = {
    account_mails.CLIENT_WELCOME: account_mails.compose_welcome,
    mails.CONFIRMED: mails.compose_standing,
    mails.MOVED: mails.compose_standing,
    changed_mails.CHANGED: changed_mails.compose_changed,
    visit_mails.REMINDER: visit_mails.compose_reminder,
    mails.CANCELLED: mails.compose_cancelled,
    visit_mails.FOLLOW_UP: visit_mails.compose_follow_up,
    visit_mails.MISSED: visit_mails.compose_missed,
    request_mails.REQUESTED: request_mails.compose_requested,
    request_mails.APPROVED: request_mails.compose_approved,
    request_mails.DECLINED: request_mails.compose_declined,
    request_mails.UNANSWERED: request_mails.compose_unanswered,
    series_mails.SERIES: series_mails.compose_series,
    fee_mails.FEE_OWED: fee_mails.compose_fee_owed,
    fee_mails.FEE_CHARGED: fee_mails.compose_fee_charged,
    mail_kinds.JOINED: waitlist_mails.compose_joined,
    mail_kinds.OFFERED: waitlist_mails.compose_offered,
    mail_kinds.LAPSED: waitlist_mails.compose_lapsed,
    mail_kinds.OVER: waitlist_mails.compose_over,
    package_mails.BOUGHT: package_mails.compose_bought,
    package_mails.EXPIRING: package_mails.compose_expiring,
    refund_mails.REFUND_SETTLED: refund_mails.compose_settled,
    document_mails.DOCUMENT_ISSUED_MAIL: document_mails.compose_issued,
}


class Composing:
    """Runs composers in one transaction, and holds what they deliver against what is declared."""

    def __init__(self, session: TenantSession, runtime: Runtime) -> None:
        self.session = session
        self.runtime = runtime
        self.checked: set[str] = set()

    async def check(self, kind: str, subject_id: UUID, client_id: UUID, version: int | str = 0) -> None:
        await self.session.flush()
        reader = await find_reader(self.session, Recipient.client(client_id))
        assert reader is not None
        composed = await COMPOSERS[kind](self.session, self.runtime, Notice(kind, subject_id, version, reader))
        assert composed is not None, kind
        [declared] = [one for one in overridable_kinds() if one.kind == kind]
        names = {one.name for one in declared.variables}
        assert set(composed.values) == names, (kind, set(composed.values) ^ names)
        for one in declared.variables:
            assert is_like(composed.values[one.name], one), (kind, one.name, composed.values[one.name])
        self.checked.add(kind)


def is_like(value: Any, variable: Variable) -> bool:
    """Whether a real value has the shape of the example."""
    if value in (None, "", []):
        return variable.is_optional
    example = variable.example("es")
    if isinstance(example, list):
        return isinstance(value, list) and all(type(one) is type(example[0]) for one in value)
    if variable.choices and value not in variable.choices:
        return False
    same = isinstance(value, type(example)) and isinstance(value, bool) == isinstance(example, bool)
    return same and (variable.shape is not Shape.WHEN or isinstance(value, When))


def used_by(kind: OverridableKind, language: str) -> set[str]:
    """The variables that our own words take, apart from what every mail has."""
    environment = Environment()  # noqa: S701 - nothing is written, only read
    environment.filters["p"] = str
    sources = "".join(builtin_source(kind.kind, language))
    found = meta.find_undeclared_variables(environment.parse(sources))
    return found - {"facts", "button", "link", "links", "namespace"} - {one.name for one in COMMON}


def test_our_own_words_use_what_is_declared_and_examples_have_its_shape() -> None:
    for kind in overridable_kinds():
        names = {one.name for one in kind.variables}
        assert len(names) == len(kind.variables)
        for language in LANGUAGES:
            assert used_by(kind, language) <= names, kind.kind
            for one in kind.variables:
                assert is_like(one.example(language), replace(one, is_optional=False)), (kind.kind, one.name)
        said = {name.partition(".")[0] for group in kind.must_say for name in group}
        assert said <= names
        assert kind.must_say, kind.kind


def test_mails_that_guard_accounts_and_those_to_the_practice_are_ours_alone() -> None:
    open_to_practices = {one.kind for one in overridable_kinds()}
    assert open_to_practices == set(COMPOSERS)
    assert open_to_practices < composed_kinds()
    assert composed_kinds() > GUARDED
    assert not open_to_practices & GUARDED
    assert not any(one.endswith("_practice") or one.startswith(("staff_", "social_")) for one in open_to_practices)


@pytest.fixture
def monday_morning() -> Iterator[None]:
    """Two days before the day of the waiting list's practice."""
    with clock.at(MONDAY):
        yield


@pytest.mark.usefixtures("monday_morning")
async def test_composers_deliver_what_is_declared(runtime: Runtime, practice: TenantContext) -> None:
    line = await Line.make(runtime, practice, price_minor=4500)
    entry = await line.join()
    desk = await make_desk(runtime, practice)
    await set_issuer(runtime, practice)
    payment = await pay(desk)
    refund_id = await refund(desk, payment.id)
    document = (await issued_at(desk))[0]
    package = await give(runtime, practice, desk.client.id, validity_days=30)
    async with runtime.database.tenant(practice) as session:
        composing = Composing(session, runtime)
        check = composing.check
        await check(account_mails.CLIENT_WELCOME, desk.client.id, desk.client.id)
        await check(refund_mails.REFUND_SETTLED, refund_id, desk.client.id)
        await check(document_mails.DOCUMENT_ISSUED_MAIL, document.id, desk.client.id)
        for kind in (package_mails.BOUGHT, package_mails.EXPIRING):
            await check(kind, package.id, desk.client.id)
        row = await session.get_one(Appointment, line.taken[0].id)
        child = Dependant(
            id=new_id(),
            client_id=row.client_id,
            first_name="Leo",
            last_name="Gil",
            relationship="child",
            created_at=clock.now(),
        )
        session.add(child)
        await session.flush()  # the appointment refers to it
        row.dependant_id = child.id
        for kind in (mails.CONFIRMED, mails.MOVED, changed_mails.CHANGED, visit_mails.REMINDER):
            await check(kind, row.id, row.client_id, row.version)
        row.status, row.cancelled_by = "cancelled", "staff"
        for kind in (mails.CANCELLED, request_mails.DECLINED):
            await check(kind, row.id, row.client_id, row.version)
        row.status, row.hold_kind, row.hold_expires_at = "held", "approval", clock.now() + timedelta(hours=5)
        await check(request_mails.REQUESTED, row.id, row.client_id, row.version)
        row.hold_kind, row.amount_due_minor = "payment", 4500
        await check(request_mails.APPROVED, row.id, row.client_id, row.version)
        row.status, row.hold_expires_at = "expired", None
        await check(request_mails.UNANSWERED, row.id, row.client_id, row.version)
        row.status = "no_show"
        await check(visit_mails.MISSED, row.id, row.client_id, row.version)
        row.status = "completed"
        (await session.get_one(Service, row.service_id)).follow_up_hours = 24
        with clock.at(row.ends_at + timedelta(hours=25)):
            await check(visit_mails.FOLLOW_UP, row.id, row.client_id, row.version)
        row.status, row.no_show_fee_minor = "no_show", 2000
        await check(fee_mails.FEE_OWED, row.id, row.client_id, row.version)
        await charge_fee(session, row)
        await check(fee_mails.FEE_CHARGED, row.id, row.client_id, row.version)
        series = await session.get_one(Appointment, line.taken[1].id)
        series.series_id = new_id()
        await check(series_mails.SERIES, series.series_id, series.client_id)
        await check_waiting(session, composing, entry.id, line.taken[2].id)
    assert composing.checked == set(COMPOSERS)


async def charge_fee(session: TenantSession, row: Appointment) -> None:
    now = clock.now()
    account = PaymentAccount(
        id=new_id(), provider="stripe", kind="own_keys", mode="test", status="active", created_at=now, updated_at=now
    )
    session.add(account)
    await session.flush()
    card = SavedCard(
        id=new_id(),
        client_id=row.client_id,
        account_id=account.id,
        status="active",
        customer_ref="c",
        method_ref="m",
        last_four="4242",
        consent_text="Sí",
        consent_locale="es",
        consented_at=now,
        created_at=now,
        updated_at=now,
    )
    session.add(card)
    await session.flush()
    paid = await add_payment(session, row.id, row.client_id, 2000)
    paid.payable_kind, paid.saved_card_id = FEE_KIND, card.id


async def check_waiting(session: TenantSession, composing: Composing, entry_id: UUID, offered_id: UUID) -> None:
    waiting = (await session.scalars(select(WaitlistEntry).where(WaitlistEntry.id == entry_id))).one()
    for kind in (mail_kinds.JOINED, mail_kinds.LAPSED):
        await composing.check(kind, waiting.id, waiting.client_id, waiting.offers)
    offered = await session.get_one(Appointment, offered_id)
    offered.status, offered.hold_kind, offered.hold_expires_at = "held", "offer", clock.now() + timedelta(hours=1)
    offered.client_id = waiting.client_id
    waiting.status, waiting.appointment_id = "offered", offered.id
    await composing.check(mail_kinds.OFFERED, offered.id, waiting.client_id)
    waiting.status, waiting.appointment_id = "over", None
    await composing.check(mail_kinds.OVER, waiting.id, waiting.client_id)


def test_the_document_lists_every_variable() -> None:
    assert DOCUMENT.read_text() == document(), "python -m tests.support.mail_variables"
