"""What can go wrong with private addresses of calendars."""

from collections.abc import Mapping
from typing import ClassVar

from todoenbalance.kit.errors import NotFoundError, ProblemError


class FeedEndedError(NotFoundError):
    """No calendar is at this address: it never was, or it ended; the answer does not say which.

    What noticing it changed is kept: the address of somebody who has no more a right to it ends for good.
    """

    keeps_changes = True
    headers: Mapping[str, str] = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}


class NoFeedForThemError(ProblemError):
    """The practitioner is archived, or their account is closed: an address for their calendar would be dead."""

    status = 409
    code = "calendar_feed_not_possible"
    title = "No calendar address possible"
    messages: ClassVar[dict[str, str]] = {
        "en": "This practitioner does not work here any more.",
        "es": "Este profesional ya no trabaja aquí.",
    }
