"""What may go wrong with the waiting list."""

from typing import ClassVar

from todoenbalance.kit.errors import ProblemError


class AlreadyWaitingError(ProblemError):
    """The client waits for exactly this already."""

    status = 409
    code = "already_waiting"
    title = "Already waiting"
    messages: ClassVar[dict[str, str]] = {
        "en": "You are on the waiting list for this already.",
        "es": "Ya estás en la lista de espera para esto.",
    }


class TooManyWaitlistEntriesError(ProblemError):
    """The client waits for as many things as one may."""

    status = 409
    code = "too_many_waitlist_entries"
    title = "Too many entries in the waiting list"
    messages: ClassVar[dict[str, str]] = {
        "en": "You wait for {limit} things already. Leave one of these lines first.",
        "es": "Ya esperas {limit} cosas. Deja antes alguna de esas listas.",
    }
