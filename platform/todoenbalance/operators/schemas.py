"""What goes in and out of the operators' API."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints

from tenants.accounts.schemas import Email, LocaleCode, Name
from todoenbalance.kit.text import check_name

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
PracticeName = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(check_name)
]
Slug = Annotated[str, StringConstraints(min_length=1, max_length=63)]
Plan = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,50}$")]


class OwnerIn(BaseModel):
    """The first owner of a practice."""

    email: Email
    first_name: Name
    last_name: Name


class TenantIn(BaseModel):
    """A practice to make: ISO 3166 country, IANA zone, ISO 4217 currency."""

    slug: Slug
    name: PracticeName
    country: Annotated[str, StringConstraints(min_length=2, max_length=2)]
    timezone: Annotated[str, StringConstraints(max_length=64)]
    locale: LocaleCode
    currency: Annotated[str, StringConstraints(min_length=3, max_length=3)]
    plan: Plan | None = None
    owner: OwnerIn


class TenantPatch(BaseModel):
    """Changes to a practice; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    slug: Slug | None = None
    name: PracticeName | None = None
    plan: Plan | None = None


class TenantRead(BaseModel):
    """A practice, for operators. ``usage`` is counted for one practice at a time, null in lists."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    key: str
    slug: str
    name: str
    status: str
    plan: str
    country: str
    timezone: str
    locale: str
    currency: str
    domains: list[str] = []
    schema_revision: str | None
    created_at: datetime
    usage: dict[str, int] | None = None


class TenantCreated(TenantRead):
    """A practice just made; ``invitation_url`` is for its owner, who is mailed it as well."""

    invitation_url: str


class Reason(BaseModel):
    """Why; kept in the audit trail."""

    reason: Text


class AuditRead(BaseModel):
    """What an operator did. ``operator_id`` is null for the command line."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    operator_id: UUID | None
    action: str
    tenant_id: UUID | None
    detail: dict[str, Any]
    request_id: str | None
    created_at: datetime


class MigrationState(BaseModel):
    """Revisions, and how many practices are behind."""

    platform_revision: str
    tenant_revision: str
    practices_behind: int
