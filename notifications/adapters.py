"""The one place where settings choose which adapter carries mail."""

from notifications.mailbox import Mailbox
from notifications.port import MailPort, SuppressionLists
from notifications.sendgrid import SendGrid, SendGridLists
from notifications.smtp import Smtp
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext


def mail_port(runtime: Runtime, tenant: TenantContext | None) -> MailPort:
    """The adapter of the settings, for a practice's mail or (without one) the platform's.

    Raises ``LookupError`` for a name that no adapter has; settings refuse the mailbox in production.
    """
    settings = runtime.settings
    name = settings.mail.adapter
    if name == "mailbox":
        return Mailbox(runtime.database, tenant)
    if name == "sendgrid":
        return SendGrid(settings.providers.sendgrid, tenant)
    if name == "smtp":
        return Smtp(settings.mail.smtp, local_hostname=settings.base_domain)
    raise LookupError(f"no mail adapter is called {name!r}")


def suppression_lists(runtime: Runtime, tenant: TenantContext | None) -> SuppressionLists | None:
    """The provider's own lists of addresses that it drops; None for a channel that has none (SMTP, the mailbox)."""
    del tenant  # one account carries everybody's mail
    settings = runtime.settings
    return SendGridLists(settings.providers.sendgrid) if settings.mail.adapter == "sendgrid" else None
