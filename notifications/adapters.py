"""The one place where settings choose which adapter carries mail."""

from notifications.mailbox import Mailbox
from notifications.port import MailPort
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext


def mail_port(runtime: Runtime, tenant: TenantContext | None) -> MailPort:
    """The adapter of the settings, for a practice's mail or (without one) the platform's.

    Raises ``LookupError`` for a name that no adapter has; settings refuse the mailbox in production.
    """
    name = runtime.settings.mail.adapter
    if name == "mailbox":
        return Mailbox(runtime.database, tenant)
    raise LookupError(f"no mail adapter is called {name!r}")
