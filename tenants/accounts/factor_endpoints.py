"""Second factors, "sudo" and sign-ins over HTTP, once for each kind of account that has them.

Everything that changes second factors needs a fresh sign-in, one made or confirmed with a factor where there is one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Depends

from tenants.accounts.factor_schemas import (
    Activated,
    Code,
    FactorsRead,
    MfaCode,
    MfaPasskey,
    MfaToken,
    MfaTokenIn,
    PasskeyAdded,
    PasskeyCreate,
    PasskeyPatch,
    PasskeyRead,
    RecoveryCodesRead,
    Sudo,
    TotpEnrolmentRead,
    to_token_answer,
)
from tenants.accounts.schemas import SessionList, SessionRead, TokenAnswer
from todoenbalance.kit.errors import NotAuthenticatedError, NotFoundError
from todoenbalance.kit.ratelimit import SECOND_FACTOR
from todoenbalance.kit.security.factor_errors import (
    CodeNotRightError,
    InvalidMfaTokenError,
    InvalidSecondFactorError,
    LastSecondFactorError,
    NoSecondFactorError,
    NotConfirmedError,
    NothingToActivateError,
    PasskeyKnownError,
    PasskeyRefusedError,
    SecondFactorMissingError,
    TooManyPasskeysError,
)
from todoenbalance.kit.security.lockout import AccountLockedError
from todoenbalance.kit.security.multi_factor import Caller, MultiFactor
from todoenbalance.kit.security.sign_ins import FreshSignInRequiredError
from todoenbalance.kit.security.totp import TotpEnrolment
from todoenbalance.kit.web.limits import limited
from todoenbalance.kit.web.problems import responses

Steps = MultiFactor[Any]
Someone = Caller[Any]


@dataclass(frozen=True, slots=True)
class Guards:
    """How one kind of account is let in; each is a dependency.

    ``steps``: the request's rules. ``signed_in``: a sign-in, second factor included where one is owed;
    ``incomplete``: also without. ``anyone``: the same, or None for a caller without a bearer token.
    """

    steps: Callable[..., Any]
    signed_in: Callable[..., Any]
    incomplete: Callable[..., Any]
    anyone: Callable[..., Any]


def second_step_router(guards: Guards) -> APIRouter:
    """The second step of signing in: ``/mfa``."""
    router = APIRouter(prefix="/mfa")
    refused = responses(InvalidMfaTokenError, InvalidSecondFactorError, AccountLockedError)

    @router.post("", responses=refused)
    async def give_code(body: MfaCode, steps: Annotated[Steps, Depends(guards.steps)]) -> TokenAnswer:
        """Finish signing in with an authenticator app's code or a recovery code. Each works once."""
        proven = await steps.finish(body.mfa_token, body.code)
        return to_token_answer(await steps.start(proven.account, proven.method, has_second_factor=True))

    @router.post("/passkey/options", responses=responses(InvalidMfaTokenError))
    async def ask_for_passkey(body: MfaTokenIn, steps: Annotated[Steps, Depends(guards.steps)]) -> dict[str, Any]:
        """What `navigator.credentials.get` needs (`publicKey`, as `parseRequestOptionsFromJSON` takes it)."""
        return await steps.sign_in_options(body.mfa_token)

    @router.post("/passkey", responses=refused)
    async def give_passkey(body: MfaPasskey, steps: Annotated[Steps, Depends(guards.steps)]) -> TokenAnswer:
        """Finish signing in with a passkey."""
        proven = await steps.finish(body.mfa_token, None, body.credential)
        return to_token_answer(await steps.start(proven.account, proven.method, has_second_factor=True))

    return router


def second_factors_router(guards: Guards) -> APIRouter:
    """One's own second factors: ``/mfa``."""
    router = APIRouter(prefix="/mfa")

    async def fresh(
        caller: Annotated[Someone, Depends(guards.incomplete)], steps: Annotated[Steps, Depends(guards.steps)]
    ) -> Someone:
        await steps.need_fresh(caller)
        return caller

    fresh.who_may_call = "Needs a fresh sign-in."  # type: ignore[attr-defined]  # read by kit.web.contract

    @dataclass(frozen=True, slots=True)
    class Enrolling:
        caller: Someone | None
        mfa_token: str

    async def enrolling(
        caller: Annotated[Someone | None, Depends(guards.anyone)],
        steps: Annotated[Steps, Depends(guards.steps)],
        mfa_token: Annotated[MfaToken | None, Body(embed=True)] = None,
    ) -> Enrolling:
        if caller is not None:
            await steps.need_fresh(caller)
            return Enrolling(caller, "")
        if mfa_token is None:
            raise NotAuthenticatedError
        return Enrolling(None, mfa_token)

    @router.get("", responses=responses())
    async def read_factors(
        caller: Annotated[Someone, Depends(guards.incomplete)], steps: Annotated[Steps, Depends(guards.steps)]
    ) -> FactorsRead:
        """What one has."""
        factors = steps.factors_of(caller.account)
        totp = await factors.totp.find_active()
        return FactorsRead(
            is_compulsory=await steps.is_compulsory(),
            totp_activated_at=totp.activated_at if totp is not None else None,
            passkeys=[PasskeyRead.model_validate(row) for row in await factors.passkeys.list_all()],
            recovery_codes_left=await factors.recovery_codes.count_left(),
        )

    @router.post(
        "/enrol",
        response_model=TotpEnrolmentRead,
        responses=responses(NotAuthenticatedError, InvalidMfaTokenError, FreshSignInRequiredError),
    )
    async def enrol(
        who: Annotated[Enrolling, Depends(enrolling)], steps: Annotated[Steps, Depends(guards.steps)]
    ) -> TotpEnrolment:
        """Begin to set up an authenticator app; one that works already goes on working until the new one is active.

        Signed in (and fresh), or with the `mfa_token` of a sign-in that answered `enrolment_required`.
        """
        caller = who.caller or await steps.enrol_at_the_door(who.mfa_token)
        return await steps.enrol(caller.account)

    @router.post(
        "/activate",
        responses=responses(
            NotAuthenticatedError,
            InvalidMfaTokenError,
            FreshSignInRequiredError,
            NothingToActivateError,
            CodeNotRightError,
        ),
    )
    async def activate(
        who: Annotated[Enrolling, Depends(enrolling)],
        steps: Annotated[Steps, Depends(guards.steps)],
        code: Annotated[Code, Body(embed=True)],
    ) -> Activated:
        """Make the app count, with a code that it shows. With `mfa_token` this finishes the sign-in too."""
        if who.caller is not None:
            return Activated.of(await steps.activate(who.caller.account, code, who.caller.sign_in), None)
        proven, codes = await steps.activate_at_the_door(who.mfa_token, code)
        return Activated.of(codes, await steps.start(proven.account, proven.method, has_second_factor=True))

    @router.delete("/totp", status_code=204, responses=responses(NoSecondFactorError, LastSecondFactorError))
    async def remove_totp(
        caller: Annotated[Someone, Depends(fresh)], steps: Annotated[Steps, Depends(guards.steps)]
    ) -> None:
        """Take the authenticator app away."""
        await steps.remove_totp(caller.account)

    @router.post("/recovery-codes", responses=responses(SecondFactorMissingError))
    async def renew_recovery_codes(
        caller: Annotated[Someone, Depends(fresh)], steps: Annotated[Steps, Depends(guards.steps)]
    ) -> RecoveryCodesRead:
        """New recovery codes; the old ones are useless from now on."""
        return RecoveryCodesRead(recovery_codes=await steps.renew_recovery_codes(caller.account))

    @router.post("/passkeys/options", responses=responses(TooManyPasskeysError))
    async def ask_for_new_passkey(
        caller: Annotated[Someone, Depends(fresh)], steps: Annotated[Steps, Depends(guards.steps)]
    ) -> dict[str, Any]:
        """What `navigator.credentials.create` needs (`publicKey`, as `parseCreationOptionsFromJSON` takes it)."""
        return await steps.factors_of(caller.account).passkeys.registration_options()

    @router.post(
        "/passkeys",
        status_code=201,
        responses=responses(PasskeyRefusedError, PasskeyKnownError, TooManyPasskeysError),
    )
    async def add_passkey(
        body: PasskeyCreate,
        caller: Annotated[Someone, Depends(fresh)],
        steps: Annotated[Steps, Depends(guards.steps)],
    ) -> PasskeyAdded:
        """Keep a passkey. It works on this host alone."""
        row, codes = await steps.add_passkey(caller.account, body.credential, body.name, caller.sign_in)
        return PasskeyAdded.of(row, codes)

    @router.patch("/passkeys/{passkey_id}", response_model=PasskeyRead, responses=responses(NotFoundError))
    async def rename_passkey(
        passkey_id: UUID,
        body: PasskeyPatch,
        caller: Annotated[Someone, Depends(guards.signed_in)],
        steps: Annotated[Steps, Depends(guards.steps)],
    ) -> Any:
        """Call a passkey something else."""
        return await steps.rename_passkey(caller.account, passkey_id, body.name)

    @router.delete("/passkeys/{passkey_id}", status_code=204, responses=responses(NotFoundError, LastSecondFactorError))
    async def remove_passkey(
        passkey_id: UUID,
        caller: Annotated[Someone, Depends(fresh)],
        steps: Annotated[Steps, Depends(guards.steps)],
    ) -> None:
        """Forget a passkey."""
        await steps.remove_passkey(caller.account, passkey_id)

    return router


def sudo_router(guards: Guards) -> APIRouter:
    """Proving once more who one is: ``/sudo``."""
    router = APIRouter(prefix="/sudo")

    @router.post("", status_code=204, responses=responses(NotConfirmedError, AccountLockedError))
    async def confirm(
        body: Sudo,
        caller: Annotated[Someone, Depends(guards.incomplete)],
        steps: Annotated[Steps, Depends(guards.steps)],
    ) -> None:
        """Sensitive acts are allowed for a while then. `code` or `credential` where there is a second factor."""
        await steps.sudo(caller, body.password, body.code, body.credential)

    @router.post("/passkey/options")
    async def ask_for_passkey(
        caller: Annotated[Someone, Depends(guards.incomplete)], steps: Annotated[Steps, Depends(guards.steps)]
    ) -> dict[str, Any]:
        """What `navigator.credentials.get` needs, for `credential`."""
        return await steps.sudo_options(caller)

    return router


def sessions_router(guards: Guards) -> APIRouter:
    """One's own sign-ins: ``/sessions``."""
    router = APIRouter(prefix="/sessions")

    @router.get("")
    async def list_sessions(
        caller: Annotated[Someone, Depends(guards.signed_in)], steps: Annotated[Steps, Depends(guards.steps)]
    ) -> SessionList:
        """Where one is signed in, the one last used first."""
        rows = await steps.list_sessions(caller.account)
        return SessionList(items=[SessionRead.of(row, caller.sign_in.id) for row in rows])

    @router.delete("/{session_id}", status_code=204, responses=responses(NotFoundError))
    async def end_session(
        session_id: UUID,
        caller: Annotated[Someone, Depends(guards.signed_in)],
        steps: Annotated[Steps, Depends(guards.steps)],
    ) -> None:
        """End one of one's own sign-ins, at once."""
        await steps.end_session(caller, session_id)

    @router.post("/end-others", status_code=204)
    async def end_others(
        caller: Annotated[Someone, Depends(guards.signed_in)], steps: Annotated[Steps, Depends(guards.steps)]
    ) -> None:
        """Sign out everywhere but here."""
        await steps.end_others(caller)

    return router


def include_second_factors(router: APIRouter, guards: Guards) -> None:
    """Add all of it to a router of sign-ins."""
    for part in (second_step_router, second_factors_router, sudo_router):
        router.include_router(part(guards), dependencies=[Depends(limited(SECOND_FACTOR))])
    router.include_router(sessions_router(guards))
