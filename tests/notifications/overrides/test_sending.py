"""A practice's words reach its clients; words that stop working never cost a mail."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from notifications.models import EmailStatus
from notifications.overrides.models import MailTemplate, MailTemplateTest
from notifications.overrides.sandbox import Draft
from notifications.overrides.service import get_mail_state, return_to_builtin, save, send_test
from scheduling.appointments.services.booking import book_appointment
from tenants.accounts.models import StaffRole
from tenants.privacy.retention import clean_practice
from tests.support.events import run_due_events
from tests.support.mails import logs_of, mails_of
from tests.support.practices import make_client, make_practice, make_staff_member
from tests.support.scheduling import make_offer, set_practice
from todoenbalance.kit import clock
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext
from todoenbalance.subscriptions import register_personal_data_sources

KIND = "appointment_confirmed"
WORDS = Draft(
    "Nos vemos el {{ when.day }}",
    "Querida {{ first_name }}:\n\nTrae ropa cómoda.\n\n{{ appointment_details }}\n{{ appointment_actions }}\n",
)


async def confirmed(runtime: Runtime, tenant: TenantContext, **client: Any) -> tuple[str, str, str]:
    """Subject, text and HTML of what a new client is told of a new booking."""
    offer = await make_offer(runtime, tenant, name="Visita <b>")
    account = await make_client(runtime, tenant, **client)
    starts_at = (clock.now() + timedelta(days=3)).replace(hour=9, minute=0, second=0, microsecond=0)
    async with runtime.database.tenant(tenant) as session:
        await book_appointment(session, client_id=account.id, service_id=offer.service_id, starts_at=starts_at)
    await run_due_events(runtime, tenant)
    [mail] = await mails_of(runtime, tenant, account.email)
    return mail.subject, mail.text, mail.html


async def test_own_words_are_sent_in_their_language_by_their_practice_until_they_are_given_up(
    runtime: Runtime, practice: TenantContext
) -> None:
    await set_practice(runtime, practice, branding={"primary_colour": "#aa2255"})
    async with runtime.database.tenant(practice) as session:
        await save(session, KIND, "es", WORDS)
    subject, text, html = await confirmed(runtime, practice)
    assert subject.startswith("Nos vemos el ")
    assert text.startswith("Querida Carla:\n\nTrae ropa cómoda.\n\nQué: Visita <b>\n")
    assert "Trae ropa cómoda.</p>" in html
    assert "Visita &lt;b&gt;" in html
    assert "#aa2255" in html
    assert "Trae ropa" not in (await confirmed(runtime, practice, locale="en"))[1]
    assert "Trae ropa" not in (await confirmed(runtime, await make_practice(runtime)))[1]
    async with runtime.database.tenant(practice) as session:
        assert await return_to_builtin(session, KIND, "es")
        assert not await return_to_builtin(session, KIND, "es")
    assert "Tu cita está confirmada" in (await confirmed(runtime, practice))[1]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("{{ gone }} {{ cancel_url }} {{ when.day }} {{ when.time }}", "template_unknown_variable"),
        ("{{ when.day }} {{ when.time }}", "template_missing"),
        ("{{ button(service, 'x') }}\n{{ cancel_url }} {{ when.day }} {{ when.time }}", "template_link"),
        ("{% if", "template_syntax"),
    ],
)
async def test_words_that_stop_working_give_way_to_ours_and_it_is_told(
    runtime: Runtime, practice: TenantContext, body: str, code: str
) -> None:
    async with runtime.database.tenant(practice) as session:
        await save(session, KIND, "es", WORDS)
        # As an older release, with other variables, may have taken it.
        await session.execute(update(MailTemplate).values(body=body))
    subject, text, _html = await confirmed(runtime, practice)
    assert subject.startswith("Cita confirmada: Visita")
    assert "Tu cita está confirmada" in text
    [log] = await logs_of(runtime, practice, KIND)
    assert log.status == EmailStatus.SENT
    async with runtime.database.tenant(practice) as session:
        state = await get_mail_state(session, KIND, "es")
        assert state.failure is not None
        assert state.failure.code == code
        assert state.failed_at is not None
        assert "Visita" not in str(state.failure)
        assert "Carla" not in state.failure.sentence("es")
        assert (await save(session, KIND, "es", WORDS)).failure is None


async def test_a_test_goes_to_who_asked_is_marked_and_its_draft_is_forgotten(
    runtime: Runtime, practice: TenantContext
) -> None:
    member = await make_staff_member(runtime, practice, StaffRole.OWNER)
    async with runtime.database.tenant(practice) as session:
        await send_test(session, member.id, KIND, "es", WORDS)
        await send_test(session, member.id, KIND, "en", Draft("See {{ service }}", WORDS.body))
    await run_due_events(runtime, practice)
    first, second = await mails_of(runtime, practice, member.email)
    assert first.subject == "[Prueba] Nos vemos el martes, 3 de marzo de 2026"
    assert first.text.startswith("Querida Ana:\n\nTrae ropa cómoda.")
    assert second.subject == "[Test] See First visit"
    async with runtime.database.tenant(practice) as session:
        assert (await session.scalars(select(MailTemplate))).all() == []
        assert len((await session.scalars(select(MailTemplateTest))).all()) == 2
    async with runtime.database.tenant(practice) as session:
        await send_test(session, member.id, KIND, "es", WORDS)
        await session.flush()
        await session.execute(update(MailTemplateTest).values(body="{{ gone }}"))
    await run_due_events(runtime, practice)
    assert "ya no se puede escribir" in " ".join((await mails_of(runtime, practice, member.email))[-1].text.split())
    register_personal_data_sources()
    with clock.at(clock.now() + timedelta(days=2)):
        await clean_practice(runtime.database, practice)
    async with runtime.database.tenant(practice) as session:
        assert (await session.scalars(select(MailTemplateTest))).all() == []
