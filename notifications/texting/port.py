"""The port through which text messages leave, and what may go wrong there."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from notifications.catalogue import Channel
from notifications.handing_over import RejectedError, UnavailableError


@dataclass(frozen=True, slots=True)
class TextMessage:
    """One message to one number (E.164), ready to send.

    ``id`` is the message's own and stays the same when it is tried again: it is the idempotency key at the gateway.
    """

    id: UUID
    channel: Channel
    to: str
    text: str
    language: str


class TextRejectedError(RejectedError):
    """The gateway will never take this message."""


class TextUnavailableError(UnavailableError):
    """The gateway did not answer, or said later."""


class TextPort(Protocol):
    """Carries text messages out of the system."""

    async def send(self, message: TextMessage) -> str:
        """Hand ``message`` over and answer the gateway's reference for it, which may be empty.

        Called outside any transaction, and again with the same ``message.id`` after a crash or an unknown outcome:
        whoever carries it drops the repeat. Raises :class:`TextRejectedError` (final) or
        :class:`TextUnavailableError` (try again).
        """
        ...
