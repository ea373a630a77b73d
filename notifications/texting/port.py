"""The port through which text messages leave, and what may go wrong there."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from notifications.catalogue import Channel


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


class TextRejectedError(Exception):
    """The gateway will never take this message. Final. The reason is stored: it quotes neither number nor text."""


class TextUnavailableError(Exception):
    """The gateway did not answer, or said later. The same message may be handed over again.

    ``delay_seconds``: after how long, if the gateway said so.
    """

    def __init__(self, reason: str, delay_seconds: float | None = None) -> None:
        super().__init__(reason)
        self.delay_seconds = delay_seconds


class TextPort(Protocol):
    """Carries text messages out of the system."""

    async def send(self, message: TextMessage) -> str:
        """Hand ``message`` over and answer the gateway's reference for it, which may be empty.

        Called outside any transaction, and again with the same ``message.id`` after a crash or an unknown outcome:
        whoever carries it drops the repeat. Raises :class:`TextRejectedError` (final) or
        :class:`TextUnavailableError` (try again).
        """
        ...
