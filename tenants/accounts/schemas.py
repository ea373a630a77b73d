"""What goes in and out of account endpoints."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, EmailStr, Field, StringConstraints

from tenants.accounts.models import StaffRole
from todoenbalance.kit.security.passwords import MAX_LENGTH, MIN_LENGTH
from todoenbalance.kit.text import check_name
from todoenbalance.kit.zones import is_zone


def _known_zone(value: str) -> str:
    if not is_zone(value):
        raise ValueError("not an IANA time zone")
    return value


def _lower(value: str) -> str:
    return value.lower()


Name = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), AfterValidator(check_name)
]
Phone = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^\+?[0-9 ()./-]{5,31}$")]
Zone = Annotated[str, AfterValidator(_known_zone)]
Email = Annotated[EmailStr, Field(max_length=320), AfterValidator(_lower)]
LocaleCode = Literal["es", "en"]
Password = Annotated[str, Field(min_length=MIN_LENGTH, max_length=MAX_LENGTH, json_schema_extra={"format": "password"})]
OpaqueToken = Annotated[str, Field(min_length=1, max_length=200)]


class Registration(BaseModel):
    """A new client. ``accept_privacy`` must be true: without consent there is no account (GDPR, art. 7)."""

    email: Email
    password: Password
    first_name: Name
    last_name: Name
    phone: Phone | None = None
    locale: LocaleCode | None = None
    timezone: Zone | None = None
    accept_privacy: Literal[True]


class User(BaseModel):
    """A client as the API shows them."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    email: str
    first_name: str
    last_name: str
    phone: str | None
    locale: str
    timezone: str
    is_verified: bool
    created_at: datetime


class UserPatch(BaseModel):
    """Changes to one's own profile; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    first_name: Name | None = None
    last_name: Name | None = None
    phone: Phone | None = None
    locale: LocaleCode | None = None
    timezone: Zone | None = None


class TokenAnswer(BaseModel):
    """A sign-in (RFC 6749, 5.1). ``expires_in`` in seconds."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - the type's name, not a token
    expires_in: int
    refresh_token: str


class RefreshRequest(BaseModel):
    """The refresh token of a sign-in."""

    refresh_token: OpaqueToken


class EmailRequest(BaseModel):
    """An address to mail a link to."""

    email: Email


class TokenRequest(BaseModel):
    """The token of a mailed link."""

    token: OpaqueToken


class PasswordReset(BaseModel):
    """The token of a mailed link and the password to set."""

    token: OpaqueToken
    password: Password


class StaffRead(BaseModel):
    """A member of staff."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    email: str
    first_name: str
    last_name: str
    role: StaffRole
    locale: str
    is_active: bool
    accepted_at: datetime | None
    created_at: datetime


class StaffInvitation(BaseModel):
    """Someone to invite."""

    model_config = ConfigDict(extra="forbid")

    email: Email
    first_name: Name
    last_name: Name
    role: StaffRole
    locale: LocaleCode | None = None


class InvitedStaff(StaffRead):
    """A member of staff just invited, with the address to hand them if the mail does not arrive."""

    invitation_url: str


class StaffPatch(BaseModel):
    """Changes to a member of staff; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    first_name: Name | None = None
    last_name: Name | None = None
    role: StaffRole | None = None
    is_active: bool | None = None
