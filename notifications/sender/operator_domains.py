"""A mail server that the operator runs or rents: what it needs in DNS is said by the settings, and nobody is asked."""

from notifications.sender.port import Prepared
from notifications.sender.records import Purpose, Record, RecordType, spf_record
from todoenbalance.kit.mail_domain_settings import MailDomainSettings


class OperatorDomains:
    """Records by the settings. The mail server signs for whatever domain a mail is from."""

    def __init__(self, settings: MailDomainSettings) -> None:
        self._settings = settings

    async def prepare(self, domain: str, ref: str | None) -> Prepared:
        """A CNAME to the public key, and the mail server among those who may send."""
        del ref
        settings = self._settings
        name = f"{settings.dkim_selector}._domainkey.{domain}"
        records = [Record(Purpose.DKIM, RecordType.CNAME, name, settings.dkim_target)]
        if settings.spf_include:
            records.append(spf_record(domain, settings.spf_include))
        return Prepared(None, tuple(records))

    async def confirm(self, ref: str | None) -> bool:
        """There is nobody who would object."""
        del ref
        return True

    async def forget(self, ref: str) -> None:
        """There is nothing to forget."""
        del ref
