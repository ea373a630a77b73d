"""Which practice the work at hand is for: an explicit, immutable value, resolved once at the edge.

There is no default practice and no ambient one; what has no :class:`TenantContext` can't open a
tenant's transaction.
"""

import re
import secrets
from dataclasses import dataclass
from uuid import UUID

KEY_PATTERN = re.compile(r"^t_[a-z0-9]{10}$")
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"


class InvalidTenantKeyError(ValueError):
    """A name that is not a practice's key was about to become a schema's or role's name."""


@dataclass(frozen=True, slots=True)
class TenantContext:
    """One practice. ``key`` names its schema and its role and never changes; the slug may."""

    id: UUID
    key: str
    slug: str
    name: str
    status: str
    country: str
    timezone: str
    locale: str
    currency: str
    hostname: str = ""

    def __post_init__(self) -> None:
        check_key(self.key)


def check_key(key: str) -> str:
    """``key`` itself if it has the one form a key may have.

    Raises :class:`InvalidTenantKeyError`: a schema's name can't be a bound parameter everywhere, so
    nothing of another form may come near a statement.
    """
    if not KEY_PATTERN.fullmatch(key):
        raise InvalidTenantKeyError(key)
    return key


def new_key() -> str:
    """A fresh key: ``t_`` and ten characters that are hard to confuse (50 bits)."""
    return "t_" + "".join(secrets.choice(_ALPHABET) for _ in range(10))
