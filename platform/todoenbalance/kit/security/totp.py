"""Authenticator apps: time-based one-time passwords (RFC 6238; SHA-1, six digits, 30 seconds: what every app knows)."""

import hmac
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, TypeVar

import pyotp
import segno
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from todoenbalance.kit import clock
from todoenbalance.kit.encryption import Vault
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.security.factor_errors import CodeNotRightError, NothingToActivateError
from todoenbalance.kit.security.factors import TotpColumns
from todoenbalance.kit.security.owners import FactorOwner

STEP_SECONDS = 30
DRIFT_STEPS = 1
"""A code of the step before or after counts too: clocks differ, and typing takes time (RFC 6238, 5.2)."""
SET_UP_WITHIN = timedelta(minutes=30)
_CODE = re.compile(r"[0-9]{6}")

TotpRow = TypeVar("TotpRow", bound=TotpColumns)


@dataclass(frozen=True, slots=True)
class TotpEnrolment:
    """What an authenticator app needs to know; shown once. ``qr_svg`` is the QR code of the URI as a ``data:`` URI."""

    secret: str
    otpauth_uri: str
    qr_svg: str


def is_totp_code(text: str) -> bool:
    """Whether it has the form of an app's code, spaces aside."""
    return _CODE.fullmatch(_without_spaces(text)) is not None


def _without_spaces(text: str) -> str:
    return "".join(text.split())


class Totp(Generic[TotpRow]):
    """One account's authenticator. Whatever changes something happens under the account's row lock."""

    def __init__(self, session: AsyncSession, model: type[TotpRow], vault: Vault, owner: FactorOwner) -> None:
        self._session = session
        self._model = model
        self._vault = vault
        self._owner = owner

    async def find_active(self) -> TotpRow | None:
        """The authenticator that counts, or None."""
        return await self._find(is_active=True)

    async def _find(self, *, is_active: bool) -> TotpRow | None:
        activated = self._model.activated_at
        statement = select(self._model).where(
            self._model.account_id == self._owner.account_id,
            activated.is_not(None) if is_active else activated.is_(None),
        )
        return (await self._session.scalars(statement, execution_options={"populate_existing": True})).one_or_none()

    async def find_pending(self) -> TotpEnrolment | None:
        """The one that is being set up, once more; None without one, or when it took too long."""
        row = await self._find(is_active=False)
        if row is None or row.created_at < clock.now() - SET_UP_WITHIN:
            return None
        return self._describe(self._vault.decrypt(row.secret, tenant_key=self._owner.vault_key))

    def _describe(self, secret: str) -> TotpEnrolment:
        uri = pyotp.TOTP(secret).provisioning_uri(name=self._owner.email, issuer_name=self._owner.issuer)
        return TotpEnrolment(secret, uri, segno.make(uri, error="m").svg_data_uri(scale=4, border=4, light="white"))

    async def enrol(self) -> TotpEnrolment:
        """A new secret, which counts for nothing until :meth:`activate`; an earlier authenticator goes on working."""
        await self._drop(is_active=False)
        secret = pyotp.random_base32()
        values: dict[str, Any] = {
            "id": new_id(),
            "account_id": self._owner.account_id,
            "secret": self._vault.encrypt(secret, tenant_key=self._owner.vault_key),
            "created_at": clock.now(),
        }
        self._session.add(self._model(**values))
        return self._describe(secret)

    async def activate(self, code: str) -> None:
        """Make the one that was set up count, in place of an earlier one, if ``code`` is its own.

        Raises :class:`NothingToActivateError`, :class:`CodeNotRightError`.
        """
        row = await self._find(is_active=False)
        if row is None or row.created_at < clock.now() - SET_UP_WITHIN:
            raise NothingToActivateError
        step = self._step_of(row, code)
        if step is None:
            raise CodeNotRightError
        await self._drop(is_active=True)
        row.activated_at = clock.now()
        row.last_step = step

    async def verify(self, code: str) -> bool:
        """Whether the active authenticator shows ``code`` now; a code, and any before it, works only once."""
        row = await self.find_active()
        step = self._step_of(row, code) if row is not None else None
        if row is None or step is None:
            return False
        row.last_step = step
        return True

    def _step_of(self, row: TotpRow, code: str) -> int | None:
        """The time step that ``code`` belongs to, None for a wrong code or one that is spent."""
        if not is_totp_code(code):
            return None
        given = _without_spaces(code).encode()
        totp = pyotp.TOTP(self._vault.decrypt(row.secret, tenant_key=self._owner.vault_key))
        now = int(clock.now().timestamp()) // STEP_SECONDS
        found: int | None = None
        for step in range(now - DRIFT_STEPS, now + DRIFT_STEPS + 1):
            if hmac.compare_digest(totp.generate_otp(step).encode(), given):
                found = step
        return found if found is not None and found > (row.last_step or 0) else None

    async def remove(self) -> bool:
        """Take the authenticator away; whether there was one."""
        await self._drop(is_active=False)
        return await self._drop(is_active=True)

    async def _drop(self, *, is_active: bool) -> bool:
        # At once, not with the next flush: the unique index must be free before another row takes the place.
        row = await self._find(is_active=is_active)
        if row is None:
            return False
        await self._session.execute(delete(self._model).where(self._model.id == row.id))
        return True
