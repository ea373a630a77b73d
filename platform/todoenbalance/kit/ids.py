"""Identifiers: UUIDv7 (RFC 9562, 5.7), whose order is the order of creation."""

from uuid import UUID

from uuid_utils.compat import uuid7


def new_id() -> UUID:
    """A fresh UUIDv7; rows made later sort later, which keyset pagination relies on."""
    return uuid7()
