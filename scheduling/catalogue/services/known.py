"""Whether what is referred to is there."""

from collections.abc import Collection, Sequence
from uuid import UUID

from todoenbalance.kit.errors import InvalidInputError


def check_known(ids: Sequence[UUID], known: Collection[UUID], field: str) -> None:
    """Raises :class:`InvalidInputError` at the place in ``field`` of the first id that is not known."""
    for position, one in enumerate(ids):
        if one not in known:
            raise InvalidInputError(["body", field, position], f"there is no {one}", "unknown_id")
