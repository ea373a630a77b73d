"""Mails in a practice's own words: reading, checking, keeping and trying them."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid5

from notifications.formats import LANGUAGES
from notifications.overrides.builtin import builtin_draft
from notifications.overrides.models import MailTemplate, MailTemplateTest
from notifications.overrides.problems import Trouble
from notifications.overrides.repository import MailTemplateRepository
from notifications.overrides.sandbox import Draft, check, write
from notifications.overrides.sending import TEST_KIND, look_of, values_of_test
from notifications.overrides.variables import OverridableKind, find_kind, overridable_kinds
from notifications.recipients import Recipient
from notifications.rendering import Rendered
from notifications.service import ComposedMail, Notice, announce, register_composer
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.retention import Retention
from todoenbalance.kit.runtime import Runtime

TESTS = Retention(
    MailTemplateTest,
    "drafts of mails that staff sent to themselves",
    timedelta(days=1),
    lambda before: MailTemplateTest.created_at < before,
)
_NAMESPACE = UUID("6f0c4f57-1c39-4a0e-9d0a-3f7f0a1f2c55")


@dataclass(frozen=True, slots=True)
class MailState:
    """One kind of mail in one language: the words that hold now, and whose they are."""

    kind: OverridableKind
    language: str
    draft: Draft
    is_own: bool
    updated_at: datetime | None = None
    failed_at: datetime | None = None
    failure: Trouble | None = None

    @property
    def builtin(self) -> Draft:
        """Our own words for it."""
        return builtin_draft(self.kind.kind, self.language)

    @property
    def id(self) -> UUID:
        """What the audit trail calls it."""
        return template_id(self.kind.kind, self.language)


def template_id(kind: str, language: str) -> UUID:
    """The same before and after it is given up and written anew, so that the audit trail tells of one thing."""
    return uuid5(_NAMESPACE, f"{kind}:{language}")


def _state(kind: OverridableKind, language: str, row: MailTemplate | None) -> MailState:
    if row is None:
        return MailState(kind, language, builtin_draft(kind.kind, language), is_own=False)
    failure = Trouble(**row.failure) if row.failure else None
    draft = Draft(row.subject, row.body)
    return MailState(kind, language, draft, True, row.updated_at, row.failed_at, failure)


def _declared(kind: str, language: str) -> OverridableKind:
    """Raises :class:`NotFoundError` for a mail that practices don't write, or a language that we don't."""
    found = find_kind(kind)
    if found is None or language not in LANGUAGES:
        raise NotFoundError
    return found


async def list_mail_states(session: TenantSession) -> Sequence[MailState]:
    """Every mail that a practice may write, in each language."""
    rows = {(row.kind, row.language): row for row in await MailTemplateRepository(session).all()}
    return [
        _state(kind, language, rows.get((kind.kind, language)))
        for kind in overridable_kinds()
        for language in LANGUAGES
    ]


async def get_mail_state(session: TenantSession, kind: str, language: str) -> MailState:
    """One of them. Raises :class:`NotFoundError`."""
    declared = _declared(kind, language)
    return _state(declared, language, await MailTemplateRepository(session).find(kind, language))


async def preview(session: TenantSession, kind: str, language: str, draft: Draft) -> Rendered:
    """The draft with everything that there is to say, in the practice's colour.

    Raises :class:`TemplateRefusedError` if it could not be saved, and :class:`NotFoundError`.
    """
    declared = _declared(kind, language)
    look, name = await look_of(session), session.tenant.name
    # In a thread: what is compiled for the first time takes a moment, and other requests don't wait for it.
    await asyncio.to_thread(check, draft, declared, language, name)
    values = next(declared.examples(language))
    return await asyncio.to_thread(write, draft, declared, language, name, values, look)


async def save(session: TenantSession, kind: str, language: str, draft: Draft) -> MailState:
    """Send the practice's words from now on. Raises as :func:`preview` does."""
    declared = _declared(kind, language)
    await asyncio.to_thread(check, draft, declared, language, session.tenant.name)
    row = await MailTemplateRepository(session).put(
        template_id(kind, language),
        kind=kind,
        language=language,
        subject=draft.subject,
        body=draft.body,
        updated_at=clock.now(),
    )
    return _state(declared, language, row)


async def return_to_builtin(session: TenantSession, kind: str, language: str) -> bool:
    """Send the built-in words from now on; whether the practice had others. Raises :class:`NotFoundError`."""
    _declared(kind, language)
    return await MailTemplateRepository(session).remove(kind, language)


async def send_test(session: TenantSession, staff_id: UUID, kind: str, language: str, draft: Draft) -> None:
    """Queue the draft, with example values and marked as a test, for the member of staff. Raises as :func:`preview`."""
    declared = _declared(kind, language)
    await asyncio.to_thread(check, draft, declared, language, session.tenant.name)
    test = MailTemplateTest(
        id=new_id(), kind=kind, language=language, subject=draft.subject, body=draft.body, created_at=clock.now()
    )
    MailTemplateRepository(session).add_test(test)
    await announce(session, TEST_KIND, subject_id=test.id, version=0, recipients=[Recipient.staff(staff_id)])


async def compose_test(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail | None:
    """The draft that somebody wants to see in their own mail program; None once it is forgotten."""
    del runtime
    test = await MailTemplateRepository(session).find_test(notice.subject_id)
    return ComposedMail(values_of_test(test)) if test is not None else None


def register_test_mail() -> None:
    """Register the composer of tests; called at start-up. Doing it again changes nothing."""
    register_composer(TEST_KIND, compose_test)
