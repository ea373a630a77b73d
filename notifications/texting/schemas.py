"""What the API says of text messages, and takes."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from notifications.texting.consents import ConsentView

ChannelName = Literal["sms", "whatsapp"]


class TextConsentRead(BaseModel):
    """A channel. ``sentence``: what is, or would be, agreed to. ``number``: of the profile; null: none to use."""

    model_config = ConfigDict(from_attributes=True)

    channel: ChannelName
    name: str
    state: Literal["off", "waiting", "on"]
    number: str | None
    sentence: str
    given_at: datetime | None

    @classmethod
    def of(cls, view: ConsentView) -> "TextConsentRead":
        """From what the service answers."""
        return cls.model_validate(view)


class TextConsentsRead(BaseModel):
    """The channels that are offered."""

    items: list[TextConsentRead]


class TextConsentCreate(BaseModel):
    """Agreeing to the channel's sentence as it was read; a code goes to the number."""

    model_config = ConfigDict(extra="forbid")

    channel: ChannelName


TextCode = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[0-9]{6}$")]


class TextConsentConfirm(BaseModel):
    """The code that was sent."""

    model_config = ConfigDict(extra="forbid")

    code: TextCode


class TextQuotaRead(BaseModel):
    """Segments of this month. ``most``: what the operator allows, whatever the practice's own limit says."""

    model_config = ConfigDict(from_attributes=True)

    is_on: bool
    limit: int
    most: int
    used: int


class TextQuotaPut(BaseModel):
    """Whether the practice wants text messages sent, and how many segments a month at most."""

    model_config = ConfigDict(extra="forbid")

    is_on: bool
    limit: Annotated[int, Field(ge=0, le=1_000_000)]
