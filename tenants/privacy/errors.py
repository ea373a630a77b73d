"""What may go wrong with consents and erasures."""

from typing import ClassVar

from todoenbalance.kit.errors import ProblemError


class OutdatedVersionError(ProblemError):
    """The practice has another version of the document by now: read that one first."""

    status = 409
    code = "outdated_version"
    title = "Not the current version"
    messages: ClassVar[dict[str, str]] = {
        "en": "The privacy policy has changed: the current version is {version}.",
        "es": "La política de privacidad ha cambiado: la versión vigente es la {version}.",
    }


class AlreadyErasedError(ProblemError):
    """The person's data were erased before."""

    status = 409
    code = "already_erased"
    title = "Already erased"
    messages: ClassVar[dict[str, str]] = {
        "en": "This person's data were erased already.",
        "es": "Los datos de esta persona ya se borraron.",
    }


class NothingSealedError(ProblemError):
    """Nothing had to be kept of this person, or it has been destroyed since."""

    status = 409
    code = "nothing_sealed"
    title = "Nothing is kept"
    messages: ClassVar[dict[str, str]] = {
        "en": "Nothing is kept of this person any more.",
        "es": "De esta persona ya no se conserva nada.",
    }
