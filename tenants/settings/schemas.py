"""The public profile of a practice, and what its staff may set."""

from datetime import time
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, EmailStr, Field, StringConstraints, field_validator

from tenants.settings.reminders import ReminderMinutes

PaymentMethod = Literal["stripe", "paypal", "sandbox", "offline"]
Colour = Annotated[str, StringConstraints(pattern=r"^#[0-9a-fA-F]{6}$")]


class Branding(BaseModel):
    """How the practice looks."""

    model_config = ConfigDict(extra="forbid")

    primary_colour: Colour | None = None
    logo_url: Annotated[str, StringConstraints(pattern=r"^https://", max_length=2000)] | None = None
    tagline: Annotated[str, StringConstraints(max_length=200)] | None = None


class CancellationPolicy(BaseModel):
    """Cancelling at least ``notice_hours`` before gives everything back, later nothing."""

    notice_hours: int


class PrivacyPolicy(BaseModel):
    """The version in force; without a ``url`` the practice hands it out by other means."""

    version: str
    url: str | None


class PracticeProfile(BaseModel):
    """What anyone may know of the practice."""

    name: str
    slug: str
    timezone: str
    currency: str
    locale: str
    branding: dict[str, Any]
    payment_methods: list[str]
    cancellation_policy: CancellationPolicy
    privacy_policy: PrivacyPolicy


class SettingsRead(BaseModel):
    """The practice's settings, for its staff."""

    model_config = ConfigDict(from_attributes=True)

    payment_methods: list[str]
    hold_minutes: int
    cancellation_notice_hours: int
    reminder_hours: int
    reminder_minutes: list[int] | None = Field(
        description="How long before a visit reminders go out; null: once, `reminder_hours` before."
    )
    reveal_taken_email: bool
    contact_email: str | None
    privacy_policy_version: str
    privacy_policy_url: str | None
    records_years: int
    invoice_years: int
    second_factor_required: bool
    practitioners_see_all: bool
    holidays_country: str | None
    holidays_region: str | None
    approved_hold_hours: int
    waitlist_offer_minutes: int
    quiet_from: time | None
    quiet_until: time | None
    daily_mail_limit: int
    mail_body_days: int
    branding: dict[str, Any]


class SettingsPatch(BaseModel):
    """Changes to the practice's settings; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    payment_methods: Annotated[list[PaymentMethod], Field(min_length=1, max_length=4)] | None = None
    hold_minutes: Annotated[int, Field(ge=1, le=1440)] | None = None
    cancellation_notice_hours: Annotated[int, Field(ge=0, le=720)] | None = None
    reminder_hours: Annotated[
        int | None, Field(ge=1, le=168, description="One reminder, so long before: it takes the place of a list.")
    ] = None
    reminder_minutes: Annotated[
        ReminderMinutes | None,
        Field(description="Reminders so many minutes before; []: none, null: the one of `reminder_hours`."),
    ] = None
    reveal_taken_email: bool | None = None
    contact_email: EmailStr | None = None
    privacy_policy_version: Annotated[
        str | None,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=40, pattern=r"^[\w. -]+$"),
        Field(description="Raising it asks every client to agree anew."),
    ] = None
    privacy_policy_url: Annotated[str, StringConstraints(pattern=r"^https://", max_length=2000)] | None = None
    records_years: Annotated[
        int | None, Field(ge=5, le=30, description="Records of treatment, after the last visit (Ley 41/2002, 17.1).")
    ] = None
    invoice_years: Annotated[
        int | None, Field(ge=4, le=30, description="Books, after the last entry (Código de Comercio, 30: six).")
    ] = None
    second_factor_required: bool | None = None
    practitioners_see_all: bool | None = None
    holidays_country: Annotated[
        str | None,
        StringConstraints(min_length=2, max_length=2),
        Field(description="ISO 3166-1; its public holidays close the weekly hours. Null: no holidays, no region."),
    ] = None
    holidays_region: Annotated[
        str | None,
        StringConstraints(min_length=1, max_length=10),
        Field(description="ISO 3166-2 without the country: `MD` for Madrid. Null: the national holidays alone."),
    ] = None
    approved_hold_hours: Annotated[
        int | None, Field(ge=1, le=336, description="How long a granted request waits for its payment.")
    ] = None
    waitlist_offer_minutes: Annotated[
        int | None, Field(ge=5, le=2880, description="How long a freed time is kept for the first in line.")
    ] = None
    quiet_from: Annotated[
        time | None,
        Field(description="Mails that can wait do so from here to `quiet_until`, by each reader's clock. Null: never."),
    ] = None
    quiet_until: Annotated[time | None, Field(description="Null exactly where `quiet_from` is.")] = None
    daily_mail_limit: Annotated[
        int | None, Field(ge=1, le=100, description="Optional mails that one reader gets on one day, at most.")
    ] = None
    mail_body_days: Annotated[
        int | None,
        Field(ge=0, le=365, description="So long what clients were written can be looked up; 0: nothing is kept."),
    ] = None
    branding: Branding | None = None

    @field_validator("quiet_from", "quiet_until")
    @classmethod
    def _of_a_wall_clock(cls, value: time | None) -> time | None:
        if value is not None and (value.tzinfo is not None or value.second or value.microsecond):
            raise ValueError("a time of the wall clock in whole minutes")
        return value

    @field_validator("payment_methods")
    @classmethod
    def _once_each(cls, value: list[str] | None) -> list[str] | None:
        if value is not None and len(set(value)) != len(value):
            raise ValueError("each method once")
        return value
