"""What may go wrong when a client agrees to text messages."""

from typing import ClassVar

from todoenbalance.kit.errors import ProblemError


class NumberNotUsableError(ProblemError):
    """The account has no number that text messages go to."""

    status = 422
    code = "number_not_usable"
    title = "Number not usable"
    messages: ClassVar[dict[str, str]] = {
        "en": "Your profile needs a mobile number with its country code, such as +34 600 000 000, of a country that"
        " messages are sent to.",
        "es": "Tu perfil necesita un número de móvil con prefijo de país, como +34 600 000 000, de un país al que se"
        " envían mensajes.",
    }


class NumberSaidStopError(ProblemError):
    """The number answered STOP lately, and the account has not shown yet that it is its own."""

    status = 409
    code = "number_said_stop"
    title = "The number answered STOP"
    messages: ClassVar[dict[str, str]] = {
        "en": "This number answered STOP to our messages, so no code is sent to it for 30 days.",
        "es": "Este número respondió STOP a nuestros mensajes, así que durante 30 días no se le envía ningún código.",
    }


class WrongTextCodeError(ProblemError):
    """Not the code that was sent; a few wrong ones, or a quarter of an hour, end it."""

    status = 422
    code = "wrong_code"
    title = "Wrong code"
    keeps_changes = True
    messages: ClassVar[dict[str, str]] = {
        "en": "This is not the code that was sent, or it is too old. You can ask for another one.",
        "es": "Este no es el código que se envió, o ha caducado. Puedes pedir otro.",
    }
