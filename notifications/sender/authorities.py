"""The one place where settings choose who signs for practices' domains."""

from notifications.sender.operator_domains import OperatorDomains
from notifications.sender.port import DomainAuthority
from notifications.sender.sendgrid_domains import SendGridDomains
from todoenbalance.kit.settings import Settings


def offers_own_addresses(settings: Settings) -> bool:
    """Whether practices may send from addresses of their own here."""
    if settings.mail.adapter == "sendgrid":
        return bool(settings.providers.sendgrid.domains_api_key.get_secret_value())
    return bool(settings.mail.domains.dkim_selector)


def domain_authority(settings: Settings) -> DomainAuthority | None:
    """Who signs for the mail adapter of the settings; None where the operator has not arranged it."""
    if not offers_own_addresses(settings):
        return None
    if settings.mail.adapter == "sendgrid":
        return SendGridDomains(settings.providers.sendgrid)
    return OperatorDomains(settings.mail.domains)
