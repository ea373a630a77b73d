"""Sending mails in a practice's own words.

Whatever a practice wrote, the mail goes out: words that can't be written for it give way to the built-in ones, which
is logged and shown to the practice.
"""

from typing import Any

from notifications.formats import language_of
from notifications.look import Look
from notifications.overrides.models import MailTemplate, MailTemplateTest
from notifications.overrides.problems import TemplateRefusedError, Trouble
from notifications.overrides.repository import MailTemplateRepository
from notifications.overrides.sandbox import Draft, write
from notifications.overrides.variables import OverridableKind, find_kind
from notifications.rendering import Rendered, render_mail
from tenants.settings.models import PracticeSettings
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.logs import get_logger

TEST_KIND = "mail_template_test"
_MARK = {"es": "[Prueba] ", "en": "[Test] "}
_DRAFT = "draft"
_log = get_logger("notifications.overrides")


def values_of_test(test: MailTemplateTest) -> dict[str, Any]:
    """What the composer of tests gives to :func:`render_for_reader`."""
    return {_DRAFT: test}


async def render_for_reader(
    session: TenantSession, kind: str, template: str | None, locale: str, values: dict[str, Any]
) -> Rendered:
    """The mail of ``kind`` for a reader: in the practice's words where it has some that work, else in ours.

    ``template``: another of our templates than the kind's, which practices don't write.
    """
    look, name = await look_of(session), session.tenant.name
    if kind == TEST_KIND:
        return _written_test(values, locale, name, look)
    declared = find_kind(kind) if template in (None, kind) else None
    own = await MailTemplateRepository(session).find(kind, language_of(locale)) if declared else None
    if declared is not None and own is not None:
        rendered = await _written(session, own, declared, locale, values, look)
        if rendered is not None:
            return rendered
    return render_mail(template or kind, locale, name, values, look.accent)


async def _written(
    session: TenantSession, own: MailTemplate, kind: OverridableKind, locale: str, values: dict[str, Any], look: Look
) -> Rendered | None:
    """None if these words can't be written with these values; that is noted, and nothing of the values."""
    try:
        return write(Draft(own.subject, own.body), kind, locale, session.tenant.name, values, look)
    except TemplateRefusedError as refusal:
        trouble = refusal.troubles[0]
    except Exception as error:
        trouble = Trouble("body", "template_failed", None, {"reason": type(error).__name__})
    _log.warning("mail_template_failed", kind=kind.kind, language=own.language, code=trouble.code, part=trouble.part)
    await MailTemplateRepository(session).note_failure(own, clock.now(), trouble.stored())
    return None


def _written_test(values: dict[str, Any], locale: str, practice_name: str, look: Look) -> Rendered:
    test: MailTemplateTest = values[_DRAFT]
    declared = find_kind(test.kind)
    given = {name: value for name, value in values.items() if name != _DRAFT}
    if declared is not None:
        examples = given | next(declared.examples(test.language)) | {"can_reply": given["can_reply"]}
        marked = Draft(test.subject, test.body)
        try:
            written = write(marked, declared, test.language, practice_name, examples, look)
        except TemplateRefusedError:
            pass
        else:
            return Rendered(_MARK[test.language] + written.subject, written.text, written.html)
    title = declared.title[language_of(locale)] if declared is not None else test.kind
    return render_mail(TEST_KIND, locale, practice_name, given | {"title": title}, look.accent)


async def look_of(session: TenantSession) -> Look:
    """The practice's colour. Its logo is not in mails: loading it would tell its host who reads what."""
    settings = await session.get(PracticeSettings, 1)
    return Look.of(settings.branding.get("primary_colour") if settings else None)
