"""The mail to the owners that the month's text messages, or the part of them that codes may have, are used up."""

from pathlib import Path

from notifications.composing import ComposedMail, Notice, register_composer
from notifications.rendering import register_templates
from notifications.texting.choices import month_of, read_quota
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.runtime import Runtime

LIMIT_REACHED = "text_limit_reached"
ALL_VERSION, CODES_VERSION = "{month:%Y-%m}", "{month:%Y-%m}-codes"
"""Of what the mail tells: that the limit is used up, or the part of it that codes may have. Once a month each."""
SETTINGS_PATH = "/admin/texts"


async def compose(session: TenantSession, runtime: Runtime, notice: Notice) -> ComposedMail | None:
    """What the limit is; nothing where texts are off, or in another month."""
    now = {version.format(month=month_of(session)) for version in (ALL_VERSION, CODES_VERSION)}
    if not runtime.settings.texts.is_on or notice.version not in now:
        return None
    quota = await read_quota(session, runtime.settings)
    if not quota.is_on:
        return None
    values = {
        "limit": quota.limit,
        "is_codes": str(notice.version).endswith("-codes"),
        "can_raise": quota.limit < quota.most,
        "page_url": runtime.settings.practice_url(session.tenant.slug, SETTINGS_PATH),
    }
    return ComposedMail(values)


def register_text_mails() -> None:
    """Register composer and templates of this module; called at start-up."""
    register_templates(Path(__file__).parent / "templates")
    register_composer(LIMIT_REACHED, compose)
