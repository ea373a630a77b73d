"""The port to whoever carries mail, as far as domains go: which records it wants, and whether it is content."""

from dataclasses import dataclass
from typing import Protocol

from notifications.sender.records import Record


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a carrier wants of a domain. ``ref``: its own id of it, if it has any. ``is_new``: it was made just now."""

    ref: str | None
    records: tuple[Record, ...]
    is_new: bool = False


class DomainsUnavailableError(Exception):
    """The carrier did not answer, or refused us. Nothing is known of the domain; ask again later."""


class DomainsRefusedError(DomainsUnavailableError):
    """The carrier refuses our key or what we ask: asking again soon changes nothing."""


class DomainAuthority(Protocol):
    """Signs for domains. Every method calls out and is called outside any transaction; all may be repeated, and raise
    :class:`DomainsUnavailableError`."""

    async def prepare(self, domain: str, ref: str | None) -> Prepared:
        """Have the carrier know the domain; ``ref``: by which it is known already, as far as we remember."""
        ...

    async def confirm(self, ref: str | None) -> bool:
        """Whether the carrier would sign for it now; it looks at DNS itself."""
        ...

    async def forget(self, ref: str) -> None:
        """Have the carrier sign for it no more. Harmless where it doesn't know it."""
        ...
