"""What goes in and out of account endpoints."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, EmailStr, Field, StringConstraints

from tenants.accounts.models import Relationship, StaffRole
from todoenbalance.kit import clock
from todoenbalance.kit.security.passwords import MAX_LENGTH, MIN_LENGTH
from todoenbalance.kit.security.sign_ins import SignInColumns
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
CurrentPassword = Annotated[str, Field(max_length=1000, json_schema_extra={"format": "password"})]
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


class SessionRead(BaseModel):
    """One sign-in that stands, for its owner: "signed in on…". ``is_current``: the one that asks."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    method: str
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    user_agent: str
    address: str
    has_second_factor: bool
    is_current: bool

    @classmethod
    def of(cls, sign_in: SignInColumns, current_id: UUID | None) -> "SessionRead":
        """As the one whose sign-in ``current_id`` is sees it."""
        return cls(
            id=sign_in.id,
            method=sign_in.method,
            created_at=sign_in.created_at,
            last_seen_at=sign_in.last_seen_at,
            expires_at=sign_in.expires_at,
            user_agent=sign_in.user_agent,
            address=sign_in.address,
            has_second_factor=sign_in.second_factor_at is not None,
            is_current=sign_in.id == current_id,
        )


class SessionList(BaseModel):
    """Someone's sign-ins that stand, the one last used first."""

    items: list[SessionRead]


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


class PasswordChange(BaseModel):
    """A new password; ``current_password`` is needed where there is one."""

    model_config = ConfigDict(extra="forbid")

    current_password: CurrentPassword | None = None
    new_password: Password


class PasswordConfirmation(BaseModel):
    """The account's password once more, before something that cannot be undone."""

    password: CurrentPassword


class MagicLinkRequest(BaseModel):
    """An address to mail a sign-in link to; ``return_to`` is a path of this host to go on to."""

    email: Email
    return_to: Annotated[str, Field(max_length=2000)] | None = None


class NewEmail(BaseModel):
    """The address that an account is to have."""

    new_email: Email


class EmailChangeAnswer(BaseModel):
    """How far a change of address is: it waits for the other address, or it is made."""

    status: Literal["waiting", "changed"]


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


def _only_iso_date(value: object) -> object:
    # pydantic would take numbers for seconds since 1970
    if isinstance(value, str) or (isinstance(value, date) and not isinstance(value, datetime)):
        return value
    raise ValueError("a date is written YYYY-MM-DD")


def _has_been(value: date) -> date:
    if not date(1900, 1, 1) <= value <= clock.now().date():
        raise ValueError("a day since 1900 that is not to come")
    return value


BirthDate = Annotated[date, BeforeValidator(_only_iso_date), AfterValidator(_has_been)]


class DependantRead(BaseModel):
    """Someone a client books for: a person of their own, without an account."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    first_name: str
    last_name: str
    birth_date: date | None
    relationship: Relationship
    created_at: datetime


class DependantCreate(BaseModel):
    """Someone more to book for."""

    model_config = ConfigDict(extra="forbid")

    first_name: Name
    last_name: Name
    birth_date: BirthDate | None = None
    relationship: Relationship


class DependantPatch(BaseModel):
    """Changes to one of them; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    first_name: Name | None = None
    last_name: Name | None = None
    birth_date: BirthDate | None = None
    relationship: Relationship | None = None

    def changes(self) -> dict[str, Any]:
        """What was sent; only the date of birth can be emptied."""
        sent = self.model_dump(exclude_unset=True)
        return {name: value for name, value in sent.items() if value is not None or name == "birth_date"}
