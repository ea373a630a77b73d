"""The port through which mail leaves, and what may go wrong there."""

from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from notifications.handing_over import RejectedError, UnavailableError


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that travels with a mail; ``content_type`` with its parameters, as it goes on the wire."""

    filename: str
    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Mail:
    """One message to one recipient, ready to send.

    ``id`` is the message's own and stays the same when it is tried again: adapters hand it to the provider
    wherever that has a field for it. ``headers`` are extra ones; addresses and subject are not among them.
    ``is_own_sender``: the sender's address is the practice's own, so a refusal of it says nothing about the platform.
    """

    id: UUID
    to: str
    subject: str
    text: str
    html: str
    sender_name: str
    sender_address: str
    reply_to: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    attachments: tuple[Attachment, ...] = ()
    is_own_sender: bool = False


class MailRejectedError(RejectedError):
    """The provider will never take this message (bad address, refused content)."""


class MailUnavailableError(UnavailableError):
    """The provider did not answer, or said later."""


class SenderRefusedError(MailUnavailableError):
    """The provider takes no mail from the practice's own address. From another sender it may take the same mail."""


class MailPort(Protocol):
    """Carries mail out of the system."""

    async def send(self, mail: Mail) -> str:
        """Hand ``mail`` over and answer the provider's reference for it.

        Called outside any transaction. It may be called again with the same ``mail.id`` after a crash or an
        unknown outcome; an adapter whose provider can recognise a repeat must let it do so. A provider that
        can't may deliver such a message twice, never zero times.
        Raises :class:`MailRejectedError` (final), :class:`MailUnavailableError` (try again) or, of a mail with
        ``is_own_sender`` alone, :class:`SenderRefusedError`.
        """
        ...


class SuppressionLists(Protocol):
    """A provider's own lists of addresses to which it sends nothing."""

    async def forget(self, address: str, *, complained: bool) -> None:
        """Take ``address`` off them; off the list of complaints only if it is lifted that its reader ``complained``.

        Called outside any transaction. Again, or for an address that is on none, it changes nothing.
        Raises :class:`MailRejectedError` (final: our key may not do it) or :class:`MailUnavailableError` (try again).
        """
        ...
