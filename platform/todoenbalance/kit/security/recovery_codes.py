"""Recovery codes: for the day the telephone is lost. Ten at a time, shown once, each used once.

A code has 60 random bits. That is too few for a plain digest to stand against whoever reads the table (ASVS 5,
6.5.2 asks for a password hash below 112 bits), so it is scrypt, cheap by a password's standards. The salt is the
account's id, not each row's own: one hash finds the code among ten.
"""

import asyncio
import hashlib
import secrets
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from todoenbalance.kit import clock
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.security.factors import RecoveryCodeColumns

COUNT = 10
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base 32: what is misread is read as what was meant."""
_MISREAD = str.maketrans("oil", "011")
_GROUPS, _GROUP_LENGTH = 3, 4
_SALT = b"todoenbalance.recovery-code:"
_cost = 2**13

RecoveryCodeRow = TypeVar("RecoveryCodeRow", bound=RecoveryCodeColumns)


def new_recovery_code() -> str:
    """Like ``7k2m-q0xd-9trf``."""
    groups = ("".join(secrets.choice(_ALPHABET) for _ in range(_GROUP_LENGTH)) for _ in range(_GROUPS))
    return "-".join(groups)


def hash_recovery_codes_cheaply() -> None:
    """From now on, scrypt with the least work it can do: for tests, which make thousands of codes."""
    global _cost
    _cost = 2


async def hash_recovery_code(code: str, account_id: UUID) -> str:
    """What is stored of a code. Takes some 20 ms of processor time, in a thread: have no connection in hand."""
    plain = "".join(letter for letter in code.lower() if letter.isalnum()).translate(_MISREAD)
    return await asyncio.to_thread(_hash, plain, account_id)


def _hash(plain: str, account_id: UUID) -> str:
    salt = _SALT + account_id.bytes
    return hashlib.scrypt(plain.encode(), salt=salt, n=_cost, r=8, p=1, dklen=32).hex()


async def make_recovery_codes(account_id: UUID) -> dict[str, str]:
    """A new set: each code and what is stored of it. Takes a while; have no connection in hand."""
    codes = [new_recovery_code() for _ in range(COUNT)]
    return {code: await hash_recovery_code(code, account_id) for code in codes}


class RecoveryCodes(Generic[RecoveryCodeRow]):
    """One account's codes. Whatever changes something happens under the account's row lock."""

    def __init__(self, session: AsyncSession, model: type[RecoveryCodeRow], account_id: UUID) -> None:
        self._session = session
        self._model = model
        self._account_id = account_id

    async def count_left(self) -> int:
        """How many there are still to be used."""
        statement = (
            select(func.count())
            .select_from(self._model)
            .where(self._model.account_id == self._account_id, self._model.used_at.is_(None))
        )
        return (await self._session.scalar(statement)) or 0

    async def replace(self, hashes: list[str]) -> None:
        """Store a new set; the old one is useless from now on."""
        await self.remove()
        for code_hash in hashes:
            values: dict[str, Any] = {
                "id": new_id(),
                "account_id": self._account_id,
                "code_hash": code_hash,
                "created_at": clock.now(),
            }
            self._session.add(self._model(**values))

    async def remove(self) -> None:
        """Throw all of them away."""
        await self._session.execute(delete(self._model).where(self._model.account_id == self._account_id))

    async def spend(self, code_hash: str) -> bool:
        """Whether it is one of the codes and unused; it is used then."""
        statement = select(self._model).where(
            self._model.account_id == self._account_id,
            self._model.code_hash == code_hash,
            self._model.used_at.is_(None),
        )
        row = (await self._session.scalars(statement, execution_options={"populate_existing": True})).one_or_none()
        if row is None:
            return False
        row.used_at = clock.now()
        return True
