"""The one place where settings choose who carries text messages."""

from notifications.texting.development import TextMailbox
from notifications.texting.gateway import Gateway
from notifications.texting.port import TextPort
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

STATUS_PATH = "/webhooks/texts/{practice}"


def text_port(runtime: Runtime, tenant: TenantContext) -> TextPort | None:
    """The adapter of the settings for a practice's messages; None where they are off."""
    settings = runtime.settings.texts
    if settings.adapter == "mailbox":
        return TextMailbox(runtime.database, tenant)
    if settings.adapter == "gateway":
        return Gateway(settings, runtime.settings.platform_url(STATUS_PATH.format(practice=tenant.key)))
    return None
