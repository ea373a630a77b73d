"""What may be wrong with a host, a slug or a practice."""

from typing import ClassVar

from todoenbalance.kit.errors import ProblemError


class PracticeNotFoundError(ProblemError):
    """The host belongs to no practice."""

    status = 404
    code = "practice_not_found"
    title = "No such practice"
    messages: ClassVar[dict[str, str]] = {
        "en": "There is no practice at this address.",
        "es": "No hay ninguna consulta en esta dirección.",
    }


class PracticeSuspendedError(ProblemError):
    """The practice is suspended or closed: nobody but operators is served."""

    status = 403
    code = "practice_suspended"
    title = "Practice suspended"
    messages: ClassVar[dict[str, str]] = {
        "en": "This practice is not available at the moment.",
        "es": "Esta consulta no está disponible en este momento.",
    }


class SlugTakenError(ProblemError):
    """Another practice holds the slug."""

    status = 409
    code = "slug_taken"
    title = "Slug taken"
    messages: ClassVar[dict[str, str]] = {
        "en": "The address “{slug}” is taken.",
        "es": "La dirección «{slug}» ya está en uso.",
    }


class TenantStateError(ProblemError):
    """The practice is not in a state that allows this."""

    status = 409
    code = "invalid_tenant_state"
    title = "Not possible in this state"
    messages: ClassVar[dict[str, str]] = {
        "en": "The practice is {status}; that does not allow this.",
        "es": "La consulta está en estado {status}; no se permite esto.",
    }
