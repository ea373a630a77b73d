"""What may go wrong with second factors."""

from typing import ClassVar

from todoenbalance.kit.errors import NotAuthenticatedError, ProblemError


class InvalidSecondFactorError(NotAuthenticatedError):
    """The code or the passkey's answer is wrong, was used before, or is nobody's: told apart to nobody.

    Keeps its changes: the failure counts, and a challenge that was answered wrongly is spent.
    """

    code = "invalid_second_factor"
    keeps_changes = True
    title = "Second factor refused"
    messages: ClassVar[dict[str, str]] = {
        "en": "This code or passkey is not right, or was used before. Try again with a new one.",
        "es": "El código o la llave de acceso no son correctos o ya se han usado. Inténtalo con otro nuevo.",
    }


class InvalidMfaTokenError(NotAuthenticatedError):
    """The first step of the sign-in is too old, or is not valid any more: the password must be given again."""

    code = "invalid_mfa_token"
    title = "Start again"
    messages: ClassVar[dict[str, str]] = {
        "en": "This took too long. Sign in with your password again.",
        "es": "Ha pasado demasiado tiempo. Vuelve a entrar con tu contraseña.",
    }


class NotConfirmedError(ProblemError):
    """Someone who is signed in could not prove once more who they are. Keeps its changes: the failure counts."""

    status = 422
    code = "not_confirmed"
    keeps_changes = True
    title = "Not confirmed"
    messages: ClassVar[dict[str, str]] = {
        "en": "The password or the second factor is not right. Try again.",
        "es": "La contraseña o el segundo factor no son correctos. Inténtalo de nuevo.",
    }


class CodeNotRightError(ProblemError):
    """The first code of an authenticator that is being set up is wrong: it does not count yet."""

    status = 422
    code = "code_not_right"
    title = "Code not right"
    messages: ClassVar[dict[str, str]] = {
        "en": "This is not the code that the app shows now. Check that the clock of your phone is right.",
        "es": "No es el código que muestra ahora la aplicación. Comprueba que la hora de tu móvil sea correcta.",
    }


class PasskeyRefusedError(ProblemError):
    """What the authenticator made is not what was asked for. Keeps its changes: the challenge is spent."""

    status = 422
    code = "passkey_refused"
    keeps_changes = True
    title = "Passkey refused"
    messages: ClassVar[dict[str, str]] = {
        "en": "This passkey could not be added. Try again.",
        "es": "No se ha podido añadir esta llave de acceso. Inténtalo de nuevo.",
    }


class PasskeyKnownError(ProblemError):
    """The passkey is registered already."""

    status = 409
    code = "passkey_known"
    title = "Passkey known"
    messages: ClassVar[dict[str, str]] = {
        "en": "This passkey was added before.",
        "es": "Esta llave de acceso ya estaba añadida.",
    }


class TooManyPasskeysError(ProblemError):
    """So many passkeys nobody needs."""

    status = 409
    code = "too_many_passkeys"
    title = "Too many passkeys"
    messages: ClassVar[dict[str, str]] = {
        "en": "There can be no more than {limit} passkeys. Remove one first.",
        "es": "No puede haber más de {limit} llaves de acceso. Quita antes alguna.",
    }


class NothingToActivateError(ProblemError):
    """No authenticator is being set up, or it took too long."""

    status = 409
    code = "nothing_to_activate"
    title = "Nothing to activate"
    messages: ClassVar[dict[str, str]] = {
        "en": "Setting up took too long. Begin again with a new QR code.",
        "es": "La configuración ha tardado demasiado. Empieza otra vez con un código QR nuevo.",
    }


class SecondFactorMissingError(ProblemError):
    """What is asked for needs a second factor of one's own, and there is none."""

    status = 409
    code = "second_factor_missing"
    title = "No second factor"
    messages: ClassVar[dict[str, str]] = {
        "en": "Set up a second factor of your own first.",
        "es": "Configura antes tu propio segundo factor.",
    }


class NoSecondFactorError(ProblemError):
    """There is nothing to take away."""

    status = 409
    code = "no_second_factor"
    title = "No second factor"
    messages: ClassVar[dict[str, str]] = {
        "en": "There is no second factor to take away.",
        "es": "No hay ningún segundo factor que quitar.",
    }


class LastSecondFactorError(ProblemError):
    """A second factor is compulsory, and this is the last one."""

    status = 409
    code = "last_second_factor"
    title = "Last second factor"
    messages: ClassVar[dict[str, str]] = {
        "en": "A second factor is compulsory here and this is your last one. Add another before you remove it.",
        "es": "Aquí el segundo factor es obligatorio y este es el último que tienes. Añade otro antes de quitarlo.",
    }
