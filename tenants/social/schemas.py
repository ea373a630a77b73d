"""What goes in and out of social sign-in's endpoints."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from tenants.accounts.schemas import Email, OpaqueToken
from tenants.social.models import SocialProvider

ReturnTo = Annotated[str, Field(max_length=2000, description="a path on this host")]
CLIENT_ID_LIMIT, SECRET_LIMIT = 255, 500


class OfferedProviders(BaseModel):
    """By whom clients may sign in at this practice."""

    items: list[SocialProvider]


class AuthorizationAnswer(BaseModel):
    """Where to send the browser; it comes back to ``return_to`` with a ``handoff``, or with ``social`` = why not."""

    authorization_url: str


class HandoffRequest(BaseModel):
    """The one-time code from the address that the browser came back to."""

    handoff: OpaqueToken


class EmailRequired(BaseModel):
    """Somebody new whose address nobody vouches for: ask for it, then for the code that is mailed."""

    email_required: bool = True
    signup_token: str
    suggested_email: str | None


class SignUpEmail(BaseModel):
    """The address of somebody new."""

    signup_token: OpaqueToken
    email: Email


class SignUpCode(BaseModel):
    """The code that was mailed; spaces don't count."""

    signup_token: OpaqueToken
    code: Annotated[str, StringConstraints(pattern=r"^[0-9 ]{1,20}$")]


class IdentityRead(BaseModel):
    """One way in by a provider. ``email`` is the provider's word, for telling accounts there apart."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    provider: SocialProvider
    email: str | None
    created_at: datetime
    last_used_at: datetime


class IdentityList(BaseModel):
    """All of a client's."""

    items: list[IdentityRead]


class IdentityConnected(BaseModel):
    """The identity was added to the account of the client who is signed in."""

    connected: IdentityRead


class LinkRequest(BaseModel):
    """Where to come back to."""

    model_config = ConfigDict(extra="forbid")

    return_to: ReturnTo = "/"


class ProviderRead(BaseModel):
    """A provider, for staff. ``callback_url`` is the one address to register there; the secret is never shown.

    ``source``: whose registration counts, ``practice``, ``platform`` or none.
    """

    model_config = ConfigDict(from_attributes=True)

    provider: SocialProvider
    is_offered: bool
    source: str | None
    client_id: str | None
    has_secret: bool
    callback_url: str
    updated_at: datetime | None


class ProviderList(BaseModel):
    """Every provider that there is."""

    items: list[ProviderRead]


class ProviderPut(BaseModel):
    """The practice's own registration. Without a secret the one that is there stays, if the id does."""

    model_config = ConfigDict(extra="forbid")

    client_id: Annotated[
        str, StringConstraints(strip_whitespace=True, max_length=CLIENT_ID_LIMIT, pattern=r"^[!-~]*$")
    ] = ""
    client_secret: (
        Annotated[
            str,
            StringConstraints(strip_whitespace=True, min_length=1, max_length=SECRET_LIMIT, pattern=r"^[!-~]+$"),
            Field(json_schema_extra={"format": "password", "writeOnly": True}),
        ]
        | None
    ) = None
    is_enabled: bool = True
