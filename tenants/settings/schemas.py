"""The public profile of a practice, and what its staff may set."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, EmailStr, Field, StringConstraints, field_validator

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


class SettingsRead(BaseModel):
    """The practice's settings, for its staff."""

    model_config = ConfigDict(from_attributes=True)

    payment_methods: list[str]
    hold_minutes: int
    cancellation_notice_hours: int
    reminder_hours: int
    reveal_taken_email: bool
    contact_email: str | None
    branding: dict[str, Any]


class SettingsPatch(BaseModel):
    """Changes to the practice's settings; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    payment_methods: Annotated[list[PaymentMethod], Field(min_length=1, max_length=4)] | None = None
    hold_minutes: Annotated[int, Field(ge=1, le=1440)] | None = None
    cancellation_notice_hours: Annotated[int, Field(ge=0, le=720)] | None = None
    reminder_hours: Annotated[int, Field(ge=1, le=168)] | None = None
    reveal_taken_email: bool | None = None
    contact_email: EmailStr | None = None
    branding: Branding | None = None

    @field_validator("payment_methods")
    @classmethod
    def _once_each(cls, value: list[str] | None) -> list[str] | None:
        if value is not None and len(set(value)) != len(value):
            raise ValueError("each method once")
        return value
