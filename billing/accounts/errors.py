"""What may go wrong with a practice's accounts at payment providers."""

from typing import ClassVar

from billing.payments.errors import MethodNotOfferedError
from todoenbalance.kit.errors import InvalidInputError, ProblemError, ServiceUnavailableError


class AccountNotUsableError(MethodNotOfferedError):
    """The practice has no account at this provider that takes payments at present."""

    title = "Account not usable"
    messages: ClassVar[dict[str, str]] = {
        "en": "This practice can't take payments by “{method}” at the moment.",
        "es": "Esta consulta no puede cobrar por «{method}» en este momento.",
    }


class ConnectNotOfferedError(ProblemError):
    """The platform has no account at Stripe through which practices could be connected."""

    status = 409
    code = "stripe_connect_not_offered"
    title = "Connecting by Stripe is not offered here"
    messages: ClassVar[dict[str, str]] = {
        "en": "The platform can't connect practices to Stripe. Use keys of your own.",
        "es": "La plataforma no puede conectar consultas con Stripe. Usa tus propias claves.",
    }


class AnotherAccountConnectedError(ProblemError):
    """The practice has another account at this provider, which must be disconnected first."""

    status = 409
    code = "another_account_connected"
    title = "Another account is connected"
    messages: ClassVar[dict[str, str]] = {
        "en": "Another account of yours is connected there. Disconnect it first.",
        "es": "Ya hay otra cuenta tuya conectada. Desconéctala primero.",
    }


class ConnectionEndedError(ProblemError):
    """The connection was ended meanwhile, here or at the provider; a new one can be begun."""

    status = 409
    code = "payment_connection_ended"
    title = "Connection ended"
    messages: ClassVar[dict[str, str]] = {
        "en": "This connection has been ended, here or at the provider. Connect again.",
        "es": "Esta conexión se ha terminado, aquí o en el proveedor. Conecta de nuevo.",
    }


class AccountTakenError(ProblemError):
    """The account at the provider belongs to another practice of the platform."""

    status = 409
    code = "payment_account_taken"
    title = "Account in use elsewhere"
    messages: ClassVar[dict[str, str]] = {
        "en": "This account is or was connected to another practice. Use another one, or write to us.",
        "es": "Esta cuenta está o estuvo conectada a otra consulta. Usa otra o escríbenos.",
    }


class AccountStillNeededError(ProblemError):
    """The account's secrets can't be forgotten: it is connected, or money is on its way through it."""

    status = 409
    code = "payment_account_needed"
    title = "Account still needed"
    messages: ClassVar[dict[str, str]] = {
        "en": "The account is connected, or payments or refunds are still on their way through it.",
        "es": "La cuenta está conectada o todavía tiene pagos o devoluciones en curso.",
    }


class AccountProviderUnavailableError(ServiceUnavailableError):
    """The provider did not answer, or not in a way that decides anything; the same request may work later."""

    code = "provider_unavailable"
    title = "Provider unavailable"
    messages: ClassVar[dict[str, str]] = {
        "en": "The payment provider does not answer. Please try again in a moment.",
        "es": "El proveedor de pagos no responde. Inténtalo de nuevo en un momento.",
    }


_CREDENTIAL_WORDS = {
    "secret_key_is_publishable": (
        "This is a publishable key. The secret one begins with sk_ or rk_.",
        "Esta es una clave publicable. La secreta empieza por sk_ o rk_.",
    ),
    "secret_key_malformed": (
        "A secret key of Stripe begins with sk_test_, sk_live_, rk_test_ or rk_live_.",
        "Una clave secreta de Stripe empieza por sk_test_, sk_live_, rk_test_ o rk_live_.",
    ),
    "publishable_key_is_secret": (
        "This is a secret key: it must not go here. The publishable one begins with pk_.",
        "Esta es una clave secreta: no va aquí. La publicable empieza por pk_.",
    ),
    "publishable_key_malformed": (
        "A publishable key of Stripe begins with pk_test_ or pk_live_.",
        "Una clave publicable de Stripe empieza por pk_test_ o pk_live_.",
    ),
    "keys_of_two_modes": (
        "One key is for tests and the other for real money.",
        "Una clave es de pruebas y la otra de dinero real.",
    ),
    "credentials_refused": (
        "The provider does not accept these credentials.",
        "El proveedor no acepta estas credenciales.",
    ),
    "credentials_lack_rights": (
        "The key lacks rights: it must be allowed to read the account.",
        "A la clave le faltan permisos: debe poder leer la cuenta.",
    ),
    "credentials_of_the_platform": (
        "These credentials are the platform's own.",
        "Estas credenciales son de la propia plataforma.",
    ),
    "credentials_malformed": (
        "Only letters, digits and - _ . are in it.",
        "Solo contiene letras, números y - _ .",
    ),
}


class CredentialsRefusedError(InvalidInputError):
    """Credentials that can't be used; ``kind`` says why. What was entered is in no part of it."""

    def __init__(self, field: str, kind: str) -> None:
        super().__init__(["body", field], _CREDENTIAL_WORDS[kind][0], kind)
        self._kind = kind

    def sentence_for(self, error: dict[str, object], locale: str) -> str:
        """In the reader's language."""
        del error
        return _CREDENTIAL_WORDS[self._kind][1 if locale == "es" else 0]

    def detail(self, locale: str = "en") -> str:
        """In the reader's language."""
        return _CREDENTIAL_WORDS[self._kind][1 if locale == "es" else 0]
