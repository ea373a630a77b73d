"""As whom a mail goes out now; asked for each mail, when it is made."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from notifications.recipients import find_contact_address
from notifications.sender.authorities import offers_own_addresses
from notifications.sender.models import MailSender
from notifications.sender.repository import MailSenderRepository
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.settings import Settings

TRUSTED_FOR: Final = timedelta(days=3)
"""So long what a check found is believed; the next one comes within a day, unless something went wrong with it."""


@dataclass(frozen=True, slots=True)
class Sender:
    """What a mail's ``From`` and ``Reply-To`` say. ``reply_to`` None: answers go to the sender's address.

    ``is_own``: the address is the practice's.
    """

    name: str
    address: str
    reply_to: str | None
    is_own: bool

    @property
    def domain(self) -> str:
        """Of the address."""
        return self.address.rpartition("@")[2]


def sender_of(session: TenantSession, settings: Settings, row: MailSender | None, contact: str | None) -> Sender:
    """By the practice's choices. An address of its own counts only while its domain is verified, that was looked at
    lately, and the operator has arranged for such."""
    own = row.address if row is not None and _is_verified(row) and offers_own_addresses(settings) else None
    return Sender(
        name=(row.name if row else None) or " ".join(session.tenant.name.split()),
        address=own or settings.mail.sender_address,
        reply_to=(row.reply_to if row else None) or contact,
        is_own=own is not None,
    )


def _is_verified(row: MailSender) -> bool:
    return row.verified_at is not None and row.checked_at is not None and clock.now() - row.checked_at < TRUSTED_FOR


async def find_sender(session: TenantSession, settings: Settings) -> Sender:
    """As whom the practice's mails go out at this moment."""
    row = await MailSenderRepository(session).find()
    return sender_of(session, settings, row, await find_contact_address(session))
