"""Why a mail is not sent again."""

from typing import ClassVar

from todoenbalance.kit.errors import ProblemError


class MailNotResendableError(ProblemError):
    """Only mails to clients that guard no account are sent again from the log."""

    status = 409
    code = "mail_not_resendable"
    title = "This mail is not sent again from here"
    messages: ClassVar[dict[str, str]] = {
        "en": (
            "This mail is not sent again from here: what guards an account is asked for where one signs in, "
            "an invitation is repeated on the page of the member of staff."
        ),
        "es": (
            "Este correo no se reenvía desde aquí: lo que protege una cuenta se pide al iniciar sesión, "
            "y una invitación se repite en la página de la persona del equipo."
        ),
    }


class MailUnderWayError(ProblemError):
    """It has not been sent a first time yet."""

    status = 409
    code = "mail_under_way"
    title = "The mail is on its way"
    messages: ClassVar[dict[str, str]] = {
        "en": "This mail is on its way already.",
        "es": "Este correo ya está en camino.",
    }


class MailAddressSuppressedError(ProblemError):
    """Mail to the address bounced, or its reader complained."""

    status = 409
    code = "mail_address_suppressed"
    title = "Nothing is written to this address"
    messages: ClassVar[dict[str, str]] = {
        "en": "Mail to this address bounced, or its reader complained. Have it written to again first.",
        "es": "El correo a esta dirección se devolvió, o su destinatario se quejó. Antes hay que volver a permitirla.",
    }


class MailSwitchedOffError(ProblemError):
    """The reader does not want mails of this topic."""

    status = 409
    code = "mail_switched_off"
    title = "The reader switched it off"
    messages: ClassVar[dict[str, str]] = {
        "en": "Its reader does not want mails of this kind.",
        "es": "Su destinatario no quiere correos de este tipo.",
    }


class MailNoLongerTrueError(ProblemError):
    """What it said is not so any more."""

    status = 409
    code = "mail_no_longer_true"
    title = "It is no longer true"
    messages: ClassVar[dict[str, str]] = {
        "en": "What this mail said is not so any more, so it is not sent again.",
        "es": "Lo que decía este correo ya no es así, por lo que no se reenvía.",
    }
