"""Which practice the work at hand is for: an explicit, immutable value, resolved once at the edge.

There is no default practice and no ambient one; what has no :class:`TenantContext` can't open a
tenant's transaction.
"""

import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

KEY_PATTERN = re.compile(r"^t_[a-z0-9]{10}$")
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"


class InvalidTenantKeyError(ValueError):
    """A name that is not a practice's key was about to become a schema's or role's name."""


@dataclass(frozen=True, slots=True)
class TenantContext:
    """One practice. ``key`` names its schema and its role and never changes; the slug may.

    What its plan says comes with it, since a practice's transaction can't read the shared schema: the platform's fee
    (``fee_fixed_minor`` in the practice's currency), what the plan ``withheld``, how many practitioners it allows. It
    owes money since ``past_due_since``, with consequences from ``restricted_from`` on (``tenants.plans`` decides
    which); None while it owes nothing.
    """

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
    plan: str = "standard"
    fee_basis_points: int = 0
    fee_fixed_minor: int = 0
    withheld: frozenset[str] = frozenset()
    practitioner_limit: int | None = None
    past_due_since: datetime | None = None
    restricted_from: datetime | None = None

    def __post_init__(self) -> None:
        check_key(self.key)

    @property
    def is_past_due(self) -> bool:
        """Whether it owes the platform money, be it still within the days of grace."""
        return self.past_due_since is not None


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
