"""Everything that may be asked of someone besides the password: authenticator app, passkeys, recovery codes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from todoenbalance.kit.encryption import Vault
from todoenbalance.kit.security.factor_errors import InvalidSecondFactorError, LastSecondFactorError
from todoenbalance.kit.security.factors import PasskeyColumns, RecoveryCodeColumns, TotpColumns
from todoenbalance.kit.security.links import OneTimeTokenColumns
from todoenbalance.kit.security.owners import FactorOwner, RelyingParty
from todoenbalance.kit.security.passkeys import Answer, ChallengeTable, Passkeys
from todoenbalance.kit.security.recovery_codes import RecoveryCodes, hash_recovery_code
from todoenbalance.kit.security.totp import Totp, is_totp_code


class FactorKind(StrEnum):
    """What was given as the second factor."""

    TOTP = "totp"
    PASSKEY = "passkey"
    RECOVERY_CODE = "recovery_code"


@dataclass(frozen=True, slots=True)
class FactorTables:
    """The tables of one kind of account; ``token_values`` go into each of its one-time tokens."""

    totp: type[TotpColumns]
    recovery_codes: type[RecoveryCodeColumns]
    passkeys: type[PasskeyColumns]
    one_time_tokens: type[OneTimeTokenColumns]
    token_values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Given:
    """What someone gave as their second factor: a code, or what their passkey answered."""

    code: str | None = None
    recovery_hash: str | None = None
    passkey: Answer | None = None

    @classmethod
    async def of(cls, account_id: UUID, code: str | None, passkey: Answer | None = None) -> "Given":
        """The slow part of checking it, for which no connection should be in hand."""
        if code is not None and not is_totp_code(code):
            return cls(code, await hash_recovery_code(code, account_id), passkey)
        return cls(code, None, passkey)


class SecondFactors:
    """One account's second factors, as one host asks for them.

    Whatever changes something, checking a factor included, happens under the account's row lock.
    """

    def __init__(
        self, session: AsyncSession, tables: FactorTables, vault: Vault, owner: FactorOwner, party: RelyingParty
    ) -> None:
        self.owner = owner
        self.totp: Totp[Any] = Totp(session, tables.totp, vault, owner)
        self.recovery_codes: RecoveryCodes[Any] = RecoveryCodes(session, tables.recovery_codes, owner.account_id)
        challenges = ChallengeTable(tables.one_time_tokens, tables.token_values)
        self.passkeys: Passkeys[Any] = Passkeys(session, tables.passkeys, challenges, owner, party)

    async def methods(self) -> list[FactorKind]:
        """What the account can give; empty without a second factor."""
        found = [FactorKind.TOTP] if await self.totp.find_active() is not None else []
        if await self.passkeys.list_all():
            found.append(FactorKind.PASSKEY)
        if found and await self.recovery_codes.count_left():
            found.append(FactorKind.RECOVERY_CODE)
        return found

    async def exist(self) -> bool:
        """Whether there is one; recovery codes alone are none."""
        return bool(await self.methods())

    async def check(self, given: Given) -> FactorKind:
        """Which factor it was that was given. Raises :class:`InvalidSecondFactorError`."""
        if given.passkey is not None:
            await self.passkeys.verify(given.passkey)
            return FactorKind.PASSKEY
        if given.code is not None and await self.exist():
            if given.recovery_hash is None and await self.totp.verify(given.code):
                return FactorKind.TOTP
            if given.recovery_hash is not None and await self.recovery_codes.spend(given.recovery_hash):
                return FactorKind.RECOVERY_CODE
        raise InvalidSecondFactorError

    async def tidy(self, *, is_compulsory: bool) -> None:
        """After one was removed: without a factor the recovery codes are for nothing.

        Raises :class:`LastSecondFactorError` if there is none left and one is compulsory: the caller rolls back.
        """
        if await self.exist():
            return
        if is_compulsory:
            raise LastSecondFactorError
        await self.recovery_codes.remove()

    async def remove_all(self) -> None:
        """Forget every one of them, for someone who has lost them."""
        await self.totp.remove()
        await self.passkeys.remove_all()
        await self.recovery_codes.remove()
