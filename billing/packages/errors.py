"""What may go wrong with packages and their credits."""

from typing import ClassVar

from todoenbalance.kit.errors import ProblemError


class NoCreditLeftError(ProblemError):
    """The client has no package with a session left that this can be booked with."""

    status = 409
    code = "no_credit_left"
    title = "No session left"
    messages: ClassVar[dict[str, str]] = {
        "en": "There is no session left that can be used for this.",
        "es": "No queda ninguna sesión que sirva para esta cita.",
    }


class PackageNotForServiceError(ProblemError):
    """The package is good for other services."""

    status = 422
    code = "package_not_for_service"
    title = "Not for this service"
    messages: ClassVar[dict[str, str]] = {
        "en": "This package can't be used for this service.",
        "es": "Este bono no sirve para este servicio.",
    }


class PackageExpiredError(ProblemError):
    """The package runs out before the appointment takes place, or it is not paid for."""

    status = 409
    code = "package_expired"
    title = "Package not valid then"
    messages: ClassVar[dict[str, str]] = {
        "en": "This package is not valid on that day.",
        "es": "Este bono no es válido en esa fecha.",
    }


class PackageNotRefundableError(ProblemError):
    """Nothing of it was paid, nothing is left of it, or its terms give nothing back."""

    status = 409
    code = "package_not_refundable"
    title = "Nothing to give back"
    messages: ClassVar[dict[str, str]] = {
        "en": "There is nothing to give back for this package.",
        "es": "No hay nada que devolver de este bono.",
    }


class PackageNotPayableError(ProblemError):
    """It is paid for, or was given up."""

    status = 409
    code = "package_not_payable"
    title = "Nothing to pay"
    messages: ClassVar[dict[str, str]] = {
        "en": "There is nothing to pay for this package.",
        "es": "No hay nada que pagar por este bono.",
    }


class TooFewCreditsError(ProblemError):
    """More sessions were to be taken away than can be used now."""

    status = 409
    code = "too_few_credits"
    title = "Too few sessions"
    messages: ClassVar[dict[str, str]] = {
        "en": "Only {available} sessions can be taken away.",
        "es": "Solo se pueden quitar {available} sesiones.",
    }
