"""What may go wrong with other calendars: for whoever keeps them, and in reading one."""

from enum import StrEnum
from typing import ClassVar

from todoenbalance.kit.errors import ProblemError


class TooManyExternalCalendarsError(ProblemError):
    """A practitioner has as many as one may have."""

    status = 409
    code = "too_many_external_calendars"
    title = "Too many external calendars"
    messages: ClassVar[dict[str, str]] = {
        "en": "A practitioner can have {most} external calendars at most.",
        "es": "Un profesional puede tener {most} calendarios externos como máximo.",
    }


class ReadFailure(StrEnum):
    """Why a calendar could not be read. Stored and shown as it is, so the codes are stable."""

    ADDRESS_REFUSED = "address_refused"
    """It leads where we don't go: our own or another private network, another port or scheme."""
    UNREACHABLE = "unreachable"
    NOT_ALLOWED = "not_allowed"
    """The server wants credentials, or refuses them: often an address that was withdrawn."""
    NOT_FOUND = "not_found"
    SERVER_ERROR = "server_error"
    TOO_MANY_REDIRECTS = "too_many_redirects"
    TOO_SLOW = "too_slow"
    TOO_LARGE = "too_large"
    TOO_MANY_EVENTS = "too_many_events"
    UNREADABLE = "unreadable"
    """What came is no calendar."""


class ReadFailedError(Exception):
    """A calendar could not be read; never leaves the job. Carries no part of the address."""

    def __init__(self, failure: ReadFailure) -> None:
        super().__init__(failure.value)
        self.failure = failure
