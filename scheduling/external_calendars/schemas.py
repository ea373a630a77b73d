"""External calendars as the API takes and shows them. The address goes in and never comes out."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from scheduling.external_calendars.addresses import LONGEST_ADDRESS
from scheduling.external_calendars.errors import ReadFailure
from scheduling.external_calendars.models import ExternalCalendar
from scheduling.external_calendars.staleness import is_stale
from scheduling.fields import Name, Patch, refuse_null

CalendarAddress = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_ADDRESS),
    Field(
        description="Where it is read from (iCalendar), `https://…` or `webcal://…`. It opens the calendar, so it is "
        "stored encrypted and never shown again.",
        json_schema_extra={"writeOnly": True},
    ),
]


class ExternalCalendarCreate(BaseModel):
    """Another calendar of a practitioner's."""

    model_config = ConfigDict(extra="forbid")

    practitioner_id: UUID
    name: Name
    address: CalendarAddress


class ExternalCalendarPatch(Patch):
    """Changes to it; what is left out stays."""

    name: Name | None = None
    address: CalendarAddress | None = None

    _never_null = refuse_null("name", "address")


class ExternalCalendarRead(BaseModel):
    """Another calendar and how fresh its busy times are."""

    id: UUID
    practitioner_id: UUID
    name: str
    host: Annotated[str, Field(description="Of the address; the rest is not shown.")]
    refreshed_at: Annotated[datetime | None, Field(description="When it was last read well.")]
    tried_at: datetime | None
    failure: Annotated[ReadFailure | None, Field(description="Why the last try failed, if it did.")]
    stale: Annotated[bool, Field(description="Its busy times may be old: not read well for two hours, or never.")]
    created_at: datetime

    @classmethod
    def of(cls, calendar: ExternalCalendar) -> Self:
        """From our own row."""
        shown = {name: getattr(calendar, name) for name in cls.model_fields if name != "stale"}
        return cls(**shown, stale=is_stale(calendar))
