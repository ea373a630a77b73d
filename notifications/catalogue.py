"""Every kind of mail that the product sends, one row each: who is told what, and by which rules.

The rows are data: kinds are strings here and constants in the features that compose them, which stand above this
package. ``register_composer`` refuses a kind without a row, and a test refuses a row without a composer, so the two
can't drift apart. ``docs/notifications.md`` shows this table; a test compares.

To add a kind: a row here, a composer and a template in the feature, the table of the document.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Audience(StrEnum):
    """Who is told. ``practice``: whom it concerns, whoever wants to hear of it and may (``notifications.watching``), and
    the practice's contact address.

    ``address``: one that belongs to no account (yet, or any more). ``operator``: the platform's own people.
    """

    CLIENT = "client"
    STAFF = "staff"
    PRACTICE = "practice"
    OWNER = "owner"
    ADDRESS = "address"
    OPERATOR = "operator"


class Topic(StrEnum):
    """What readers see as one thing that they may want or not. Part of links in mails: names stay.

    From ``all_bookings`` to ``unreached``: what staff hear of although it is not about themselves.
    """

    BOOKINGS = "bookings"
    ALL_BOOKINGS = "all_bookings"
    REQUESTS = "requests"
    MONEY_TROUBLE = "money_trouble"
    UNREACHED = "unreached"
    REMINDERS = "reminders"
    FOLLOW_UPS = "follow_ups"
    WAITLIST = "waitlist"
    PACKAGES = "packages"
    PAYMENTS = "payments"
    PRACTICE = "practice"
    PLATFORM = "platform"
    SECURITY = "security"


class Channel(StrEnum):
    """By which way it goes."""

    MAIL = "mail"
    SMS = "sms"
    WHATSAPP = "whatsapp"


TEXT_CHANNELS: Final = (Channel.SMS, Channel.WHATSAPP)
"""To a telephone, where the operator has a gateway and the client agreed (``notifications.texting``)."""
TOPIC_WORDS: Final[Mapping[Topic, Mapping[str, str]]] = MappingProxyType(
    {
        Topic.BOOKINGS: {"es": "Citas", "en": "Appointments"},
        Topic.ALL_BOOKINGS: {"es": "Citas de toda la consulta", "en": "Appointments of the whole practice"},
        Topic.REQUESTS: {"es": "Solicitudes por responder", "en": "Requests to be answered"},
        Topic.MONEY_TROUBLE: {"es": "Devoluciones fallidas y disputas", "en": "Failed refunds and disputes"},
        Topic.UNREACHED: {"es": "Clientes a quienes no llega el correo", "en": "Clients whom mail does not reach"},
        Topic.REMINDERS: {"es": "Recordatorios", "en": "Reminders"},
        Topic.FOLLOW_UPS: {"es": "Seguimiento después de la visita", "en": "Follow-up after a visit"},
        Topic.WAITLIST: {"es": "Lista de espera", "en": "Waiting list"},
        Topic.PACKAGES: {"es": "Bonos", "en": "Packages"},
        Topic.PAYMENTS: {"es": "Pagos y facturas", "en": "Payments and invoices"},
        Topic.PRACTICE: {"es": "Tu consulta en la plataforma", "en": "Your practice on the platform"},
        Topic.PLATFORM: {"es": "Lo que espera a quien opera la plataforma", "en": "What waits for operators"},
        Topic.SECURITY: {"es": "Seguridad de la cuenta", "en": "Safety of the account"},
    }
)


@dataclass(frozen=True, slots=True)
class MailKind:
    """One row. ``en`` and ``es``: when it is sent, as the page of preferences and the document say it.

    ``is_optional``: its reader may switch it off, and it may be left out over the daily cap (if ``is_capped``).
    What is due by law, guards an account or says what happened to a booking or to money is not optional.
    ``can_wait``: until the end of quiet hours. ``in_digest``: staff may have it once a day. ``on_strangers_request``:
    anybody who knows an address can cause it, so its number is limited. ``is_essential``: it guards an account, so it
    is tried even at an address that mail bounced from or that complained, as are all on a stranger's request.
    ``watch``: the topic by which staff hear of it whom it does not concern; those of ``topic`` are the others'.
    """

    kind: str
    audience: Audience
    topic: Topic
    en: str
    es: str
    is_optional: bool = False
    can_wait: bool = False
    is_capped: bool = False
    in_digest: bool = False
    on_strangers_request: bool = False
    is_essential: bool = False
    channels: tuple[Channel, ...] = (Channel.MAIL,)
    watch: Topic | None = None

    def __post_init__(self) -> None:
        """Raises ``ValueError`` for a row that contradicts itself."""
        guards = self.is_essential or self.topic is Topic.SECURITY
        if guards and (self.is_optional or self.can_wait or self.in_digest):
            raise ValueError(f"{self.kind}: what guards an account is sent, and at once")
        if self.is_capped and not self.is_optional:
            raise ValueError(f"{self.kind}: only what is optional may be left out over the cap")
        if self.in_digest and self.audience not in STAFF_AUDIENCES:
            raise ValueError(f"{self.kind}: the digest is the staff's")
        if self.watch is not None and self.audience is not Audience.PRACTICE:
            raise ValueError(f"{self.kind}: only what the practice is told may be watched")

    def occasion(self, language: str) -> str:
        """When it is sent, in ``es`` or ``en``."""
        return self.es if language == "es" else self.en


STAFF_AUDIENCES: Final = frozenset({Audience.STAFF, Audience.PRACTICE, Audience.OWNER})
"""Whose readers are members of staff; of ``practice`` the contact address besides, which has no account."""


def _security(audience: Audience, kind: str, en: str, es: str, *, by_stranger: bool = False) -> MailKind:
    return MailKind(
        kind, audience, Topic.SECURITY, en, es, on_strangers_request=by_stranger, is_essential=True
    )  # fmt: skip


def _news(
    audience: Audience, topic: Topic, kind: str, en: str, es: str, channels: tuple[Channel, ...] = (Channel.MAIL,)
) -> MailKind:
    """What the reader may do without: it waits for the morning and counts for the cap."""
    return MailKind(kind, audience, topic, en, es, is_optional=True, can_wait=True, is_capped=True, channels=channels)


def _copy(kind: str, en: str, es: str, *, topic: Topic = Topic.BOOKINGS, watch: Topic = Topic.ALL_BOOKINGS) -> MailKind:
    """What the practice is told of others' doing, and what its pages show anyhow. A busy day is no reason to
    leave one out, so it does not count for the cap; who finds it too much takes the digest."""
    return MailKind(
        kind, Audience.PRACTICE, topic, en, es, is_optional=True, can_wait=True, in_digest=True, watch=watch
    )  # fmt: skip


_C, _S, _P, _O, _A = Audience.CLIENT, Audience.STAFF, Audience.PRACTICE, Audience.OWNER, Audience.ADDRESS
_OP = Audience.OPERATOR
_BOOKINGS, _PAYMENTS, _PRACTICE = Topic.BOOKINGS, Topic.PAYMENTS, Topic.PRACTICE

# fmt: off
_ROWS: Final[Sequence[MailKind]] = (
    # ---- to clients: bookings
    MailKind("appointment_confirmed", _C, _BOOKINGS, "an appointment was confirmed", "se confirma una cita"),
    MailKind("appointment_moved", _C, _BOOKINGS, "an appointment was moved", "se cambia una cita"),
    MailKind("appointment_changed", _C, _BOOKINGS, "the place or the link of an appointment was changed", "cambia el lugar o el enlace de una cita"),
    MailKind("appointment_cancelled", _C, _BOOKINGS, "an appointment was cancelled", "se cancela una cita"),
    MailKind("appointment_series", _C, _BOOKINGS, "several dates were booked at once", "se reservan varias fechas a la vez"),
    MailKind("appointment_requested", _C, _BOOKINGS, "a request waits for the practice's answer", "una solicitud espera la respuesta de la consulta"),
    MailKind("appointment_approved", _C, _BOOKINGS, "a request was granted and is to be paid", "se acepta una solicitud y queda por pagar"),
    MailKind("appointment_declined", _C, _BOOKINGS, "a request was not granted", "no se acepta una solicitud"),
    MailKind("appointment_unanswered", _C, _BOOKINGS, "nobody answered a request in time", "nadie responde a tiempo a una solicitud"),
    MailKind("waitlist_offered", _C, Topic.WAITLIST, "a time is kept for the reader, for a while", "se guarda una hora durante un rato"),
    # ---- to clients: what they may do without. What follows from their own doing on the waiting list does not count
    # for the cap: it would cost them the reminders of that day.
    _news(_C, Topic.REMINDERS, "appointment_reminder", "some time before a visit", "un tiempo antes de la visita", (Channel.MAIL, *TEXT_CHANNELS)),
    _news(_C, Topic.FOLLOW_UPS, "appointment_follow_up", "some time after a visit that took place", "un tiempo después de una visita realizada"),
    _news(_C, Topic.FOLLOW_UPS, "appointment_missed", "a visit was missed and costs nothing", "no se acude a una visita y no cuesta nada"),
    MailKind("waitlist_joined", _C, Topic.WAITLIST, "the reader joined the waiting list", "te apuntas a la lista de espera", is_optional=True),
    MailKind("waitlist_lapsed", _C, Topic.WAITLIST, "an offered time was not taken, the place in the line stays", "no se aprovecha una hora ofrecida y se conserva el puesto", is_optional=True, can_wait=True),
    _news(_C, Topic.WAITLIST, "waitlist_over", "the reader is not on the waiting list any more", "ya no estás en la lista de espera"),
    _news(_C, Topic.PACKAGES, "package_expiring", "a package runs out soon and has sessions left", "un bono caduca pronto y le quedan sesiones"),
    # ---- to clients: money
    MailKind("package_bought", _C, Topic.PACKAGES, "a package is paid for", "se paga un bono"),
    MailKind("document_issued", _C, _PAYMENTS, "a receipt or invoice was issued", "se emite un recibo o una factura"),
    MailKind("refund_settled", _C, _PAYMENTS, "money went back to the client", "se devuelve dinero"),
    MailKind("no_show_fee_owed", _C, _PAYMENTS, "a fee for a missed visit is owed", "se debe la tarifa de una visita a la que no se acudió"),
    MailKind("no_show_fee_charged", _C, _PAYMENTS, "a fee for a missed visit was charged", "se cobra la tarifa de una visita a la que no se acudió"),
    # ---- to clients: the account
    _security(_C, "client_welcome", "an account was opened", "se abre una cuenta"),
    _security(_C, "client_registration_repeated", "somebody registers with an address that has an account", "alguien se registra con una dirección que ya tiene cuenta", by_stranger=True),
    _security(_C, "client_verification", "an address is to be verified", "hay que verificar una dirección", by_stranger=True),
    _security(_C, "client_password_reset", "a new password is asked for", "se pide una contraseña nueva", by_stranger=True),
    _security(_C, "client_password_changed", "the password was changed", "se cambia la contraseña"),
    _security(_C, "client_new_device", "somebody signed in with another browser", "alguien entra con otro navegador"),
    _security(_C, "client_locked_out", "somebody guesses at the password", "alguien intenta adivinar la contraseña", by_stranger=True),
    _security(_C, "client_magic_link", "a link to sign in is asked for", "se pide un enlace para entrar", by_stranger=True),
    _security(_C, "social_address_taken", "somebody signs up by Google or Facebook with an address that has an account", "alguien se registra con Google o Facebook con una dirección que ya tiene cuenta", by_stranger=True),
    _security(_C, "social_account_unconfirmed", "an account of an address that was never confirmed is claimed", "se reclama una cuenta cuya dirección nunca se confirmó", by_stranger=True),
    _security(_C, "social_identity_connected", "an account at Google or Facebook was connected", "se conecta una cuenta de Google o Facebook"),
    # ---- to addresses
    _security(_A, "social_code", "a code shows whose an address is", "un código demuestra de quién es una dirección"),
    _security(_A, "email_change_old", "another address is asked for: to the one so far", "se pide otra dirección: a la de hasta ahora"),
    _security(_A, "email_change_new", "another address is asked for: to the one to be", "se pide otra dirección: a la nueva"),
    _security(_A, "email_changed", "the address was changed", "se cambia la dirección"),
    # ---- to the practice: bookings
    _copy("appointment_confirmed_practice", "an appointment was booked", "se reserva una cita"),
    _copy("appointment_moved_practice", "an appointment was moved", "se cambia una cita"),
    _copy("appointment_cancelled_practice", "an appointment was cancelled", "se cancela una cita"),
    _copy("appointment_series_practice", "several dates were booked at once", "se reservan varias fechas a la vez"),
    MailKind("appointment_requested_practice", _P, _BOOKINGS, "a request waits for an answer", "una solicitud espera respuesta", watch=Topic.REQUESTS),
    MailKind("group_session_planned_practice", _S, _BOOKINGS, "a colleague planned a session for the reader", "otra persona del equipo te planifica una sesión", can_wait=True, in_digest=True),
    _copy("group_session_moved_practice", "a session was moved", "se cambia una sesión"),
    _copy("group_session_cancelled_practice", "a session was cancelled", "se cancela una sesión"),
    MailKind("external_calendar_stale", _P, _BOOKINGS, "a connected calendar could not be read for a while", "un calendario conectado no se puede leer desde hace un rato", can_wait=True),
    MailKind("mail_template_test", _S, _PRACTICE, "the reader sends themselves a test of the practice's own words", "te envías una prueba de un texto propio de la consulta"),
    MailKind("mail_sender_broken", _O, _PRACTICE, "the practice's own sender address does not work any more", "la dirección de envío propia deja de funcionar"),
    _copy("mail_tasks_practice", "mail does not reach some client, who is to be called", "hay que llamar a alguien a quien no llega el correo", topic=Topic.UNREACHED, watch=Topic.UNREACHED),
    MailKind("staff_digest", _S, _BOOKINGS, "once a day, for those who asked for it", "una vez al día, para quien lo pide"),
    # ---- to the practice: money
    _copy("refund_settled_practice", "money went back without staff's doing", "se devuelve dinero sin intervención del equipo", topic=_PAYMENTS, watch=_PAYMENTS),
    MailKind("refund_failed_practice", _P, _PAYMENTS, "money could not be given back", "no se puede devolver dinero", watch=Topic.MONEY_TROUBLE),
    MailKind("dispute_opened", _P, _PAYMENTS, "a payment is disputed, and there is a deadline", "se disputa un pago y hay un plazo", watch=Topic.MONEY_TROUBLE),
    MailKind("dispute_closed", _P, _PAYMENTS, "a dispute was decided", "se decide una disputa", watch=Topic.MONEY_TROUBLE),
    MailKind("payments_disagree", _O, _PAYMENTS, "our books and the provider's disagree", "nuestros libros y los del proveedor no coinciden"),
    MailKind("payment_account_restricted", _O, _PAYMENTS, "an account for payments does not work any more", "una cuenta de cobro deja de funcionar"),
    MailKind("payment_account_deadline", _O, _PAYMENTS, "an account for payments needs something by a date", "una cuenta de cobro necesita algo antes de una fecha"),
    MailKind("payment_account_disconnected", _O, _PAYMENTS, "an account for payments was disconnected", "se desconecta una cuenta de cobro"),
    MailKind("plan_payment_due", _O, _PRACTICE, "the plan's payment is due", "vence el pago del plan"),
    MailKind("plan_restricted", _O, _PRACTICE, "some things wait for the plan's payment", "hay funciones que esperan el pago del plan"),
    MailKind("text_limit_reached", _O, _PRACTICE, "the month's text messages are used up, or the part of them that codes may have", "se agotan los mensajes de texto del mes, o la parte que puede usarse en códigos"),
    MailKind("plan_restored", _O, _PRACTICE, "the plan is paid, everything works", "el plan está pagado y todo funciona"),
    # ---- to staff: the account
    _security(_S, "staff_invitation", "an invitation to the team", "una invitación al equipo"),
    _security(_S, "staff_new_device", "somebody signed in with another browser", "alguien entra con otro navegador"),
    _security(_S, "staff_locked_out", "somebody guesses at the password", "alguien intenta adivinar la contraseña", by_stranger=True),
    _security(_O, "staff_locked_out_owner", "somebody guesses at a colleague's password", "alguien intenta adivinar la contraseña de una persona del equipo"),
    _security(_S, "staff_password_changed", "the password was changed", "se cambia la contraseña"),
    _security(_S, "staff_password_reset", "a new password is asked for", "se pide una contraseña nueva", by_stranger=True),
    _security(_S, "staff_second_factor_added", "a second factor was added", "se añade un segundo factor"),
    _security(_S, "staff_second_factor_removed", "a second factor was removed", "se quita un segundo factor"),
    _security(_S, "staff_second_factor_reset", "an owner reset the second factors", "se restablecen los segundos factores"),
    _security(_S, "staff_recovery_code_used", "a recovery code was used", "se usa un código de recuperación"),
    # ---- to operators: the account
    _security(_OP, "operator_new_device", "somebody signed in with another browser", "alguien entra con otro navegador"),
    _security(_OP, "operator_locked_out", "somebody guesses at the password", "alguien intenta adivinar la contraseña", by_stranger=True),
    _security(_OP, "operator_password_changed", "the password was changed", "se cambia la contraseña"),
    _security(_OP, "operator_password_reset", "a new password was set on the command line", "se pone una contraseña nueva en la línea de comandos"),
    _security(_OP, "operator_second_factor_added", "a second factor was added", "se añade un segundo factor"),
    _security(_OP, "operator_second_factor_removed", "a second factor was removed", "se quita un segundo factor"),
    _security(_OP, "operator_second_factor_reset", "the second factors were reset on the command line", "se restablecen los segundos factores en la línea de comandos"),
    _security(_OP, "operator_recovery_code_used", "a recovery code was used", "se usa un código de recuperación"),
    _security(_OP, "operator_created", "there is another operator: to the others", "hay otra persona que opera la plataforma: a las demás"),
    _security(_OP, "operator_disabled", "somebody is an operator no more: to the others", "alguien deja de operar la plataforma: a las demás"),
    # ---- to operators: what wants a person
    MailKind("operator_news", _OP, Topic.PLATFORM, "once a day, if something new waits for operators", "una vez al día, si espera algo nuevo", is_optional=True),
    MailKind("operator_alarm", _OP, Topic.PLATFORM, "something was given up that nothing tries again", "se abandona algo que nada vuelve a intentar", is_optional=True),
)
# fmt: on

CATALOGUE: Final[Mapping[str, MailKind]] = MappingProxyType({row.kind: row for row in _ROWS})
if len(CATALOGUE) != len(_ROWS):
    raise ValueError("a kind of mail has two rows")
CAPPED_KINDS: Final = frozenset(row.kind for row in _ROWS if row.is_capped)


def row_of(kind: str) -> MailKind:
    """The row of a kind. Raises ``LookupError`` for one that the catalogue does not have."""
    try:
        return CATALOGUE[kind]
    except KeyError:
        raise LookupError(f"no kind of mail is called {kind!r}: it needs a row in notifications/catalogue.py") from None


def kinds_for(*, is_staff: bool) -> list[MailKind]:
    """What staff, or clients, are told in their accounts, in the order of the table."""
    audiences = STAFF_AUDIENCES if is_staff else {Audience.CLIENT}
    return [row for row in _ROWS if row.audience in audiences]


def optional_topics(*, is_staff: bool) -> list[Topic]:
    """Those of which staff, or clients, may switch something off."""
    rows = kinds_for(is_staff=is_staff)
    found = {row.topic for row in rows if row.is_optional} | {row.watch for row in rows}
    return [topic for topic in Topic if topic in found]
