"""Signing in by two steps, and proving once more who one is: the rules, for whichever kind of account.

After the password comes the second factor. Between the two the caller holds a token (a JWT of its own audience,
so no bearer token, and no bearer token is one) that names the account and is bound to its password as it is now.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from todoenbalance.kit.database import give_connection_back
from todoenbalance.kit.errors import NotAuthenticatedError
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.security.devices import Device
from todoenbalance.kit.security.factor_errors import (
    InvalidMfaTokenError,
    InvalidSecondFactorError,
    NoSecondFactorError,
    NotConfirmedError,
    SecondFactorMissingError,
)
from todoenbalance.kit.security.lockout import Lockout
from todoenbalance.kit.security.passkeys import Answer
from todoenbalance.kit.security.recovery_codes import make_recovery_codes
from todoenbalance.kit.security.second_factors import FactorKind, Given, SecondFactors
from todoenbalance.kit.security.sign_ins import (
    EndReason,
    FreshSignInRequiredError,
    SignInColumns,
    SignInMethod,
    check_fresh,
)
from todoenbalance.kit.security.tokens import AccessClaims, InvalidTokenError
from todoenbalance.kit.security.totp import TotpEnrolment

SECOND_STEP_WITHIN = timedelta(minutes=5)


class Account(Protocol):
    """What an account of any kind has. ``Any``: mypy does not look through SQLAlchemy's ``Mapped`` in a protocol."""

    id: Any
    email: Any
    hashed_password: Any
    is_active: Any


class Tokens(Protocol):
    """What a sign-in answers; ``expires_in`` in seconds."""

    @property
    def access_token(self) -> str: ...
    @property
    def refresh_token(self) -> str: ...
    @property
    def expires_in(self) -> int: ...
    @property
    def session_id(self) -> UUID: ...


AccountT = TypeVar("AccountT", bound=Account)
CallerT = TypeVar("CallerT", bound=Account, covariant=True)


@dataclass(frozen=True, slots=True)
class SecondStep:
    """The password was right; ``methods`` say what to give next. Without any, one must be set up first."""

    token: str
    methods: list[FactorKind]

    @property
    def needs_enrolment(self) -> bool:
        """Whether a second factor is compulsory and there is none yet."""
        return not self.methods


@dataclass(frozen=True, slots=True)
class Proven(Generic[AccountT]):
    """An account whose owner has given the password (or what stood for it) and a second factor."""

    account: AccountT
    method: SignInMethod


class Caller(Protocol[CallerT]):
    """Someone who is signed in, and the sign-in by which they act."""

    @property
    def account(self) -> CallerT: ...
    @property
    def sign_in(self) -> SignInColumns: ...


class FactorNews(StrEnum):
    """What the owner of an account is told of its second factors."""

    ADDED = "added"
    REMOVED = "removed"
    RESET = "reset"
    RECOVERY_CODE_USED = "recovery_code_used"


class MultiFactor(ABC, Generic[AccountT]):
    """One request's steps, over one kind of account; subclasses say how that kind is kept.

    What changes something takes the account's row lock first.
    """

    def __init__(self, session: AsyncSession, runtime: Runtime, device: Device, request_id: str | None) -> None:
        self.session = session
        self.runtime = runtime
        self.device = device
        self.request_id = request_id

    # ---- what the kinds differ in

    @property
    @abstractmethod
    def mfa_audience(self) -> str:
        """The audience of tokens between the two steps."""

    @abstractmethod
    def factors_of(self, account: AccountT) -> SecondFactors:
        """The account's second factors on this host."""

    @abstractmethod
    async def lock(self, account_id: UUID) -> AccountT | None:
        """The account's row, locked and fresh."""

    @abstractmethod
    async def is_compulsory(self) -> bool:
        """Whether everybody of this kind needs a second factor."""

    @abstractmethod
    async def check_password(self, account: AccountT, password: str) -> AccountT:
        """The account, locked. Raises ``NotAuthenticatedError`` for a wrong password, and counts it."""

    @abstractmethod
    async def start(
        self, account: AccountT, method: SignInMethod = SignInMethod.PASSWORD, *, has_second_factor: bool = False
    ) -> Tokens:
        """Begin a sign-in, under the account's lock, and record it."""

    @abstractmethod
    async def confirm(self, sign_in: SignInColumns, *, has_second_factor: bool) -> None:
        """Note that the owner of a sign-in has just proved who they are."""

    @abstractmethod
    async def list_sessions(self, account: AccountT) -> list[Any]:
        """The account's sign-ins that stand, the one last used first."""

    @abstractmethod
    async def revoke_session(self, account: AccountT, session_id: UUID) -> None:
        """End one of the account's sign-ins. Raises ``NotFoundError`` for anyone else's."""

    @abstractmethod
    async def end_sessions(self, account: AccountT, reason: EndReason, *, besides: UUID | None = None) -> None:
        """End the account's sign-ins, ``besides`` one; under its lock."""

    @abstractmethod
    def record(self, account: AccountT, action: str, **detail: Any) -> None:
        """A line of the audit trail on what the account's owner did with it."""

    @abstractmethod
    async def announce(self, account: AccountT, news: FactorNews) -> None:
        """Have the owner told of a change of their second factors (ASVS 5, 6.3.7), where there is a way."""

    @abstractmethod
    def lockout(self) -> Lockout:
        """The count of failures."""

    @abstractmethod
    async def on_locked(self, account: AccountT) -> None:
        """Too many wrong codes in a row: record it, and have people told."""

    # ---- the first step, and the second

    async def begin(self, account: AccountT, method: SignInMethod = SignInMethod.PASSWORD) -> SecondStep | None:
        """What comes after the password, None if nothing does. The account's password has been checked just now."""
        methods = await self.factors_of(account).methods()
        if not methods and not await self.is_compulsory():
            return None
        token = self.runtime.signer.issue(
            account.id, self.mfa_audience, SECOND_STEP_WITHIN, pwd=self._fingerprint(account), method=method
        )
        return SecondStep(token, methods)

    def _fingerprint(self, account: AccountT) -> str:
        """Changes with the password, so that what was begun with the old one can't be finished."""
        return self.runtime.signer.digest(f"mfa:{account.id}:{account.hashed_password or ''}")

    async def first_step(self, mfa_token: str) -> Proven[AccountT]:
        """Whose first step it was, the account locked. Raises :class:`InvalidMfaTokenError`."""
        claims = self._verify(mfa_token)
        account = await self.lock(claims.subject)
        if account is None or not account.is_active or claims.extra.get("pwd") != self._fingerprint(account):
            raise InvalidMfaTokenError
        return Proven(account, SignInMethod(claims.extra["method"]))

    def _verify(self, mfa_token: str) -> AccessClaims:
        try:
            return self.runtime.signer.verify(mfa_token, self.mfa_audience)
        except InvalidTokenError as invalid:
            raise InvalidMfaTokenError from invalid

    async def finish(self, mfa_token: str, code: str | None, passkey: Answer | None = None) -> Proven[AccountT]:
        """The second step.

        Raises :class:`InvalidMfaTokenError`, :class:`InvalidSecondFactorError`, ``AccountLockedError``.
        """
        given = await Given.of(self._verify(mfa_token).subject, code, passkey)
        first = await self.first_step(mfa_token)
        await self._check_factor(first.account, given)
        return first

    async def _check_factor(self, account: AccountT, given: Given) -> FactorKind:
        """Under the account's lock. Raises :class:`InvalidSecondFactorError`, ``AccountLockedError``."""
        lockout, subject = self.lockout(), f"mfa:{account.id}"
        await lockout.check(subject)
        factors = self.factors_of(account)
        try:
            kind = await factors.check(given)
        except InvalidSecondFactorError:
            if await lockout.failed(subject):
                await self.on_locked(account)
            raise
        await lockout.succeeded(subject)
        if kind is FactorKind.RECOVERY_CODE:
            await self.session.flush()  # what is left is counted by a query
            left = await factors.recovery_codes.count_left()
            self.record(account, "second_factor.recovery_code_used", left=left)
            await self.announce(account, FactorNews.RECOVERY_CODE_USED)
        return kind

    async def sign_in_options(self, mfa_token: str) -> dict[str, Any]:
        """For a passkey as the second step. Raises :class:`InvalidMfaTokenError`."""
        first = await self.first_step(mfa_token)
        return await self.factors_of(first.account).passkeys.assertion_options()

    # ---- once more ("sudo")

    async def sudo(
        self, caller: Caller[AccountT], password: str, code: str | None, passkey: Answer | None = None
    ) -> None:
        """Prove once more who one is: the password, and a second factor where there is one.

        Raises :class:`NotConfirmedError`, ``AccountLockedError``.
        """
        await give_connection_back(self.session)
        given = await Given.of(caller.account.id, code, passkey)
        try:
            account = await self.check_password(caller.account, password)
            has_factor = await self.factors_of(account).exist()
            if has_factor:
                await self._check_factor(account, given)
        except NotAuthenticatedError as wrong:
            raise NotConfirmedError from wrong
        await self.confirm(caller.sign_in, has_second_factor=has_factor)
        self.record(account, "sign_in.confirmed")

    async def sudo_options(self, caller: Caller[AccountT]) -> dict[str, Any]:
        """For a passkey as the second factor of :meth:`sudo`."""
        return await self.factors_of(caller.account).passkeys.assertion_options()

    async def need_fresh(self, caller: Caller[AccountT]) -> None:
        """What changes the second factors needs a fresh sign-in, and one with the factor where there is one.

        Raises :class:`FreshSignInRequiredError`.
        """
        check_fresh(caller.sign_in, timedelta(minutes=self.runtime.settings.auth.fresh_minutes))
        if caller.sign_in.second_factor_at is None and await self.factors_of(caller.account).exist():
            # Signed in before there was a factor, here or elsewhere: the password alone must not change it.
            raise FreshSignInRequiredError

    # ---- setting up and taking away

    async def enrol(self, account: AccountT) -> TotpEnrolment:
        """A secret for an authenticator app; it counts once :meth:`activate` has seen a code of it."""
        await self.lock(account.id)
        return await self.factors_of(account).totp.enrol()

    async def reset(self, account: AccountT) -> None:
        """Forget every second factor of an account and end its sign-ins, for someone who has lost theirs.

        Under the account's lock; the caller records who did it. Raises :class:`NoSecondFactorError`.
        """
        factors = self.factors_of(account)
        if not await factors.exist():
            raise NoSecondFactorError
        await factors.remove_all()
        await self.lockout().clear(f"mfa:{account.id}")
        await self.end_sessions(account, EndReason.REVOKED)
        await self.announce(account, FactorNews.RESET)

    async def enrol_at_the_door(self, mfa_token: str) -> Proven[AccountT]:
        """Whose first step it was, if they must and may set up their first factor before they get in.

        Raises :class:`InvalidMfaTokenError`, also for someone who has a factor: they are to give it.
        """
        first = await self.first_step(mfa_token)
        if await self.factors_of(first.account).exist():
            raise InvalidMfaTokenError
        return first

    async def activate_at_the_door(self, mfa_token: str, code: str) -> tuple[Proven[AccountT], list[str]]:
        """Make the app that was set up by :meth:`enrol_at_the_door` count; answers whose, and recovery codes.

        Raises :class:`InvalidMfaTokenError`, ``NothingToActivateError``, ``CodeNotRightError``.
        """
        codes = await make_recovery_codes(self._verify(mfa_token).subject)
        first = await self.enrol_at_the_door(mfa_token)
        await self.factors_of(first.account).totp.activate(code)
        return first, await self._added(first.account, FactorKind.TOTP, codes, None)

    async def activate(self, account: AccountT, code: str, sign_in: SignInColumns) -> list[str]:
        """Make the app that was set up count, in place of an earlier one.

        Answers new recovery codes if this is the account's first factor; earlier ones go on to be good. Raises
        ``NothingToActivateError``, ``CodeNotRightError``.
        """
        factors = self.factors_of(account)
        codes = await self._codes_if_first(factors)
        await self.lock(account.id)
        was_first = not await factors.exist()
        await factors.totp.activate(code)
        return await self._added(account, FactorKind.TOTP, codes if was_first else {}, sign_in)

    async def add_passkey(
        self, account: AccountT, passkey: Answer, name: str, sign_in: SignInColumns
    ) -> tuple[Any, list[str]]:
        """Keep a new passkey; answers it, and new recovery codes if it is the account's first factor.

        Raises ``PasskeyRefusedError``, ``PasskeyKnownError``, ``TooManyPasskeysError``.
        """
        factors = self.factors_of(account)
        codes = await self._codes_if_first(factors)
        await self.lock(account.id)
        was_first = not await factors.exist()
        row = await factors.passkeys.register(passkey, name)
        return row, await self._added(account, FactorKind.PASSKEY, codes if was_first else {}, sign_in)

    async def _codes_if_first(self, factors: SecondFactors) -> dict[str, str]:
        if await factors.exist():
            return {}
        await give_connection_back(self.session)
        return await make_recovery_codes(factors.owner.account_id)

    async def _added(
        self, account: AccountT, kind: FactorKind, codes: dict[str, str], sign_in: SignInColumns | None
    ) -> list[str]:
        if codes:
            await self.factors_of(account).recovery_codes.replace(list(codes.values()))
        if sign_in is not None:
            await self.confirm(sign_in, has_second_factor=True)
        self.record(account, "second_factor.added", kind=kind)
        await self.announce(account, FactorNews.ADDED)
        return list(codes)

    async def renew_recovery_codes(self, account: AccountT) -> list[str]:
        """A new set; the old one is useless. Raises :class:`SecondFactorMissingError` without a factor."""
        factors = self.factors_of(account)
        if not await factors.exist():
            raise SecondFactorMissingError
        await give_connection_back(self.session)
        codes = await make_recovery_codes(account.id)
        await self.lock(account.id)
        await factors.recovery_codes.replace(list(codes.values()))
        self.record(account, "second_factor.recovery_codes_renewed")
        return list(codes)

    async def remove_totp(self, account: AccountT) -> None:
        """Take the authenticator app away. Raises :class:`NoSecondFactorError`, ``LastSecondFactorError``."""
        await self.lock(account.id)
        factors = self.factors_of(account)
        if not await factors.totp.remove():
            raise NoSecondFactorError
        await self._removed(account, factors, FactorKind.TOTP)

    async def remove_passkey(self, account: AccountT, passkey_id: UUID) -> None:
        """Forget a passkey. Raises ``NotFoundError``, ``LastSecondFactorError``."""
        await self.lock(account.id)
        factors = self.factors_of(account)
        await factors.passkeys.remove(passkey_id)
        await self._removed(account, factors, FactorKind.PASSKEY)

    async def _removed(self, account: AccountT, factors: SecondFactors, kind: FactorKind) -> None:
        await self.session.flush()  # what is left is counted by a query
        await factors.tidy(is_compulsory=await self.is_compulsory())
        self.record(account, "second_factor.removed", kind=kind)
        await self.announce(account, FactorNews.REMOVED)

    async def rename_passkey(self, account: AccountT, passkey_id: UUID, name: str) -> Any:
        """Call a passkey something else. Raises ``NotFoundError``."""
        row = await self.factors_of(account).passkeys.get(passkey_id)
        row.name = name
        return row

    # ---- sign-ins

    async def end_session(self, caller: Caller[AccountT], session_id: UUID) -> None:
        """End one of one's own sign-ins. Raises ``NotFoundError`` for anyone else's."""
        await self.revoke_session(caller.account, session_id)
        self.record(caller.account, "sign_in.revoked", sign_in=str(session_id))

    async def end_others(self, caller: Caller[AccountT]) -> None:
        """End every sign-in of one's own but this one."""
        await self.lock(caller.account.id)
        await self.end_sessions(caller.account, EndReason.REVOKED, besides=caller.sign_in.id)
        self.record(caller.account, "sign_in.others_revoked")
