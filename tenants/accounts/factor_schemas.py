"""What goes in and out of second factors: of staff, and of operators."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from tenants.accounts.schemas import TokenAnswer
from todoenbalance.kit.security.factors import PasskeyColumns
from todoenbalance.kit.security.multi_factor import SecondStep, Tokens
from todoenbalance.kit.security.passwords import MAX_LENGTH
from todoenbalance.kit.security.second_factors import FactorKind
from todoenbalance.kit.text import check_name

MfaToken = Annotated[str, Field(min_length=1, max_length=2000)]
Code = Annotated[str, StringConstraints(strip_whitespace=True, min_length=6, max_length=40)]
CurrentPassword = Annotated[str, Field(max_length=MAX_LENGTH, json_schema_extra={"format": "password"})]
Credential = Annotated[
    dict[str, Any], Field(description="What `navigator.credentials` answered, as `PublicKeyCredential.toJSON` has it.")
]
PasskeyName = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), AfterValidator(check_name)
]


class MfaRequired(BaseModel):
    """The password was right. Take ``mfa_token`` on within five minutes; it is no bearer token.

    ``enrolment_required``: a second factor is compulsory and there is none yet: set one up with ``mfa_token``.
    """

    mfa_required: Literal[True] = True
    mfa_token: str
    methods: list[FactorKind]
    enrolment_required: bool

    @classmethod
    def of(cls, step: SecondStep) -> "MfaRequired":
        """In the API's form."""
        return cls(mfa_token=step.token, methods=step.methods, enrolment_required=step.needs_enrolment)


class MfaCode(BaseModel):
    """The second step by a code: an app's six digits, or a recovery code."""

    model_config = ConfigDict(extra="forbid")

    mfa_token: MfaToken
    code: Code


class MfaTokenIn(BaseModel):
    """The token of a first step."""

    model_config = ConfigDict(extra="forbid")

    mfa_token: MfaToken


class MfaPasskey(BaseModel):
    """The second step by a passkey."""

    model_config = ConfigDict(extra="forbid")

    mfa_token: MfaToken
    credential: Credential


class TotpEnrolmentRead(BaseModel):
    """For an authenticator app, shown once; ``qr_svg`` is a ``data:`` URI. It counts once a code is confirmed."""

    model_config = ConfigDict(from_attributes=True)

    secret: str
    otpauth_uri: str
    qr_svg: str


class RecoveryCodesRead(BaseModel):
    """Codes for the day that everything else is lost. Shown once; each works once."""

    recovery_codes: list[str]


class Activated(RecoveryCodesRead):
    """The factor counts now. Recovery codes come with the first one; tokens where ``mfa_token`` was sent."""

    access_token: str | None = None
    token_type: Literal["bearer"] | None = None
    expires_in: int | None = None
    refresh_token: str | None = None

    @classmethod
    def of(cls, codes: list[str], tokens: Tokens | None) -> "Activated":
        """In the API's form."""
        if tokens is None:
            return cls(recovery_codes=codes)
        return cls(recovery_codes=codes, **to_token_answer(tokens).model_dump())


class PasskeyRead(BaseModel):
    """One passkey."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    is_backed_up: bool
    created_at: datetime
    last_used_at: datetime | None


class PasskeyAdded(PasskeyRead):
    """A passkey just made; recovery codes come with the first second factor."""

    recovery_codes: list[str]

    @classmethod
    def of(cls, row: PasskeyColumns, codes: list[str]) -> "PasskeyAdded":
        """In the API's form."""
        return cls(**PasskeyRead.model_validate(row).model_dump(), recovery_codes=codes)


class PasskeyCreate(BaseModel):
    """A passkey that ``navigator.credentials.create`` made, and what to call it."""

    model_config = ConfigDict(extra="forbid")

    name: PasskeyName
    credential: Credential


class PasskeyPatch(BaseModel):
    """Another name for a passkey."""

    model_config = ConfigDict(extra="forbid")

    name: PasskeyName


class FactorsRead(BaseModel):
    """One's own second factors. ``totp_activated_at``: null without an authenticator app."""

    is_compulsory: bool
    totp_activated_at: datetime | None
    passkeys: list[PasskeyRead]
    recovery_codes_left: int


class Sudo(BaseModel):
    """Once more who one is: the password, and a second factor where the account has one."""

    model_config = ConfigDict(extra="forbid")

    password: CurrentPassword
    code: Code | None = None
    credential: Credential | None = None


def to_token_answer(tokens: Tokens) -> TokenAnswer:
    """A token pair in the API's form."""
    return TokenAnswer(
        access_token=tokens.access_token, expires_in=tokens.expires_in, refresh_token=tokens.refresh_token
    )
