"""What may go wrong with accounts."""

from typing import ClassVar

from todoenbalance.kit.errors import InvalidInputError, NotAuthenticatedError, ProblemError


class InvalidCredentialsError(NotAuthenticatedError):
    """Unknown account, wrong password or an account that may not sign in: told apart to nobody.

    Keeps its changes: the failure counts (see ``kit.security.lockout``).
    """

    code = "invalid_credentials"
    keeps_changes = True
    title = "Wrong e-mail or password"
    messages: ClassVar[dict[str, str]] = {
        "en": "The e-mail or the password is wrong.",
        "es": "El correo o la contraseña no son correctos.",
    }


class EmailTakenError(ProblemError):
    """An account with this e-mail exists (told only where the practice chose to reveal it, or to staff)."""

    status = 409
    code = "email_taken"
    title = "E-mail taken"
    messages: ClassVar[dict[str, str]] = {
        "en": "There is an account with this e-mail already.",
        "es": "Ya existe una cuenta con este correo.",
    }


class InvalidOneTimeTokenError(ProblemError):
    """The link is unknown, was used before, or is too old."""

    status = 400
    code = "invalid_token"
    title = "Link not valid"
    messages: ClassVar[dict[str, str]] = {
        "en": "This link is not valid any more. Ask for a new one.",
        "es": "Este enlace ya no es válido. Pide uno nuevo.",
    }


class LastOwnerError(ProblemError):
    """The practice would be left without an owner."""

    status = 409
    code = "last_owner"
    title = "Last owner"
    messages: ClassVar[dict[str, str]] = {
        "en": "A practice needs at least one owner.",
        "es": "La consulta necesita al menos una persona propietaria.",
    }


class NotInvitedError(ProblemError):
    """There is no open invitation: it was accepted, or the person works here no more."""

    status = 409
    code = "not_invited"
    title = "No open invitation"
    messages: ClassVar[dict[str, str]] = {
        "en": "This person has no open invitation.",
        "es": "Esta persona no tiene ninguna invitación pendiente.",
    }


class TooManyDependantsError(ProblemError):
    """The account books for as many people as one may."""

    status = 409
    code = "too_many_dependants"
    title = "Too many people"
    messages: ClassVar[dict[str, str]] = {
        "en": "An account can book for {limit} people at most.",
        "es": "Una cuenta puede reservar para {limit} personas como máximo.",
    }


class UnknownDependantError(InvalidInputError):
    """Nobody whom this client may book for: unknown, archived or somebody else's, told apart to nobody."""
