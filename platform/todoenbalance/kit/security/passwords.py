"""Password hashes: argon2id for new ones; bcrypt ones brought from elsewhere verify and are upgraded.

Hashing takes tens of milliseconds of processor time by design, so it always runs in a thread.
"""

import asyncio

from pwdlib import PasswordHash
from pwdlib.exceptions import UnknownHashError
from pwdlib.hashers.argon2 import Argon2Hasher
from pwdlib.hashers.base import ensure_bytes
from pwdlib.hashers.bcrypt import BcryptHasher

MIN_LENGTH = 10
MAX_LENGTH = 128

_BCRYPT_BYTES = 72


class _ImportedBcryptHasher(BcryptHasher):
    """Bcrypt reads 72 bytes; the libraries that made the imported hashes dropped the rest, ours would raise."""

    def verify(self, password: str | bytes, hash: str | bytes) -> bool:  # noqa: A002 - the base class's name
        return super().verify(ensure_bytes(password)[:_BCRYPT_BYTES], hash)


_hash = PasswordHash((Argon2Hasher(), _ImportedBcryptHasher()))
_decoy = _hash.hash("decoy of equal cost")


def hash_cheaply() -> None:
    """From now on, argon2id with the least work it can do: for tests, which sign in thousands of times.

    What was hashed at the usual cost still verifies, and is told to be outdated.
    """
    global _hash, _decoy
    _hash = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1), _ImportedBcryptHasher()))
    _decoy = _hash.hash("decoy of equal cost")


async def hash_password(password: str) -> str:
    """The argon2id hash to store."""
    return await asyncio.to_thread(_hash.hash, password)


async def verify_password(password: str, hashed: str | None) -> tuple[bool, str | None]:
    """Whether the password is right, and a new hash to store if the old one is outdated.

    Without an account (``hashed`` is None) the same work is done against a decoy, so an unknown account
    answers as slowly as a wrong password.
    """
    try:
        right, upgraded = await asyncio.to_thread(_hash.verify_and_update, password, hashed or _decoy)
    except UnknownHashError:
        return False, None
    return (right, upgraded) if hashed else (False, None)
