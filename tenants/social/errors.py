"""What may go wrong when someone signs in by Google or Facebook."""

from typing import ClassVar

from todoenbalance.kit.errors import NotAuthenticatedError, NotFoundError, ProblemError


class ProviderNotOfferedError(NotFoundError):
    """The provider is not set up here, or the practice has turned it off."""

    code = "provider_not_offered"
    title = "Not offered"
    messages: ClassVar[dict[str, str]] = {
        "en": "This way to sign in is not offered here.",
        "es": "Esta forma de iniciar sesión no se ofrece aquí.",
    }


class InvalidStateError(ProblemError):
    """The state of a callback is not ours, not for this provider, too old, or has been used."""

    status = 400
    code = "invalid_state"
    title = "Sign-in not valid"
    messages: ClassVar[dict[str, str]] = {
        "en": "This sign-in is not valid any more. Go back to the practice's page and begin again.",
        "es": "Este inicio de sesión ya no es válido. Vuelve a la página de la consulta y empieza de nuevo.",
    }


class InvalidHandoffError(ProblemError):
    """The handoff code is unknown here, was used, or is too old."""

    status = 400
    code = "invalid_handoff"
    title = "Sign-in not valid"
    messages: ClassVar[dict[str, str]] = {
        "en": "This sign-in is not valid any more. Begin again.",
        "es": "Este inicio de sesión ya no es válido. Empieza de nuevo.",
    }


class OAuthBrowserMismatchError(ProblemError):
    """Another browser than the one that began the sign-in tried to finish it. The handoff is spent by that."""

    status = 400
    code = "oauth_browser_mismatch"
    title = "Another browser"
    keeps_changes = True
    messages: ClassVar[dict[str, str]] = {
        "en": "This sign-in was begun in another browser. Begin again in this one.",
        "es": "Este inicio de sesión se empezó en otro navegador. Empieza de nuevo en este.",
    }


class SignInRefusedError(NotAuthenticatedError):
    """The account that the identity belongs to is closed."""

    code = "sign_in_refused"
    title = "Sign-in refused"
    keeps_changes = True
    messages: ClassVar[dict[str, str]] = {
        "en": "This account can't sign in. Ask the practice.",
        "es": "Esta cuenta no puede iniciar sesión. Pregunta en la consulta.",
    }


class AccountUnconfirmedError(ProblemError):
    """Somebody registered the address before without confirming it: its owner takes the account over by mail."""

    status = 409
    code = "account_unconfirmed"
    title = "Account not confirmed"
    keeps_changes = True
    messages: ClassVar[dict[str, str]] = {
        "en": "There is an account with this e-mail whose address was never confirmed. We have sent you a link to"
        " make it yours.",
        "es": "Hay una cuenta con este correo cuya dirección no se confirmó nunca. Te hemos enviado un enlace para"
        " hacerla tuya.",
    }


class IdentityTakenError(ProblemError):
    """The identity signs another client of the practice in."""

    status = 409
    code = "identity_taken"
    title = "Connected elsewhere"
    keeps_changes = True
    messages: ClassVar[dict[str, str]] = {
        "en": "This Google or Facebook account is connected with another account of this practice.",
        "es": "Esta cuenta de Google o Facebook está conectada con otra cuenta de esta consulta.",
    }


class AlreadyConnectedError(ProblemError):
    """The client's account is connected with another identity of the same provider."""

    status = 409
    code = "already_connected"
    title = "Already connected"
    keeps_changes = True
    messages: ClassVar[dict[str, str]] = {
        "en": "Your account is connected with another account of that kind. Disconnect that one first.",
        "es": "Tu cuenta está conectada con otra cuenta de ese tipo. Desconecta primero esa.",
    }


class AddressUnconfirmedError(ProblemError):
    """Only an account whose address is confirmed can be connected: it is sure whose it is."""

    status = 409
    code = "address_unconfirmed"
    title = "Address not confirmed"
    keeps_changes = True
    messages: ClassVar[dict[str, str]] = {
        "en": "Confirm your e-mail address first.",
        "es": "Confirma primero tu dirección de correo.",
    }


class LastWayInError(ProblemError):
    """Without this identity there would be no way to sign in."""

    status = 409
    code = "last_way_in"
    title = "Last way in"
    messages: ClassVar[dict[str, str]] = {
        "en": "This is your only way to sign in. Set a password first.",
        "es": "Es tu única forma de iniciar sesión. Elige antes una contraseña.",
    }


class InvalidSignUpError(ProblemError):
    """The sign-up is unknown here, over, or too old."""

    status = 400
    code = "invalid_sign_up"
    title = "Sign-up not valid"
    messages: ClassVar[dict[str, str]] = {
        "en": "This sign-up is not valid any more. Begin again.",
        "es": "Este registro ya no es válido. Empieza de nuevo.",
    }


class WrongCodeError(ProblemError):
    """Not the code that was mailed; a few wrong ones end the sign-up."""

    status = 400
    code = "wrong_code"
    title = "Wrong code"
    keeps_changes = True
    messages: ClassVar[dict[str, str]] = {
        "en": "The code is not right. Look it up in our latest e-mail.",
        "es": "El código no es correcto. Míralo en nuestro último correo.",
    }
