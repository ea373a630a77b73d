"""What the mails to clients about appointments and the waiting list may say, each variable once."""

from dataclasses import replace

from notifications.overrides.variables import (
    Block,
    OverridableKind,
    Shape,
    Variable,
    always,
    choice,
    flag,
    moment,
    money,
    register_overridable,
    said,
    text,
    url,
    when,
)
from scheduling.appointments import changed_mails, fee_mails, request_mails, series_mails, visit_mails
from scheduling.appointments import mails as appointment_mails
from scheduling.waitlist import mail_kinds as waitlist

_SERVICE = text("service", "Servicio", "The service", said("Primera visita", "First visit"))
_PRACTITIONER = text("practitioner", "Profesional", "The practitioner", always("Nora Vidal"))
_CLIENT = text("client", "Nombre completo de quien reserva", "Full name of who booked", always("Ana Gil"))
_FOR_WHOM = text(
    "for_whom",
    "Para quién es, si es para otra persona",
    "For whom it is, if for somebody else",
    always("Leo Gil"),
    optional=True,
)
_PLACE = choice(
    "location_kind",
    "Dónde: practice (consulta), online, phone (teléfono), home (domicilio)",
    "Where: practice, online, phone, home (the client's)",
    "practice",
    "online",
    "phone",
    "home",
)
_PRICE = text("price", "Precio; vacío si es gratis", "The price; empty if it is free", money(4500), optional=True)
_WHEN = when("when", "Cuándo es", "When it is", moment(minutes_long=45))
_LOCAL_WHEN = when(
    "local_when",
    "La hora de la consulta, si quien lo recibe vive con otra hora",
    "The practice's own time, where the reader's is another",
    moment(minutes_long=45, timezone="America/Bogota"),
    optional=True,
)
_APPOINTMENT_URL = url("appointment_url", "Página de la cita", "The appointment's page", "/appointments/{id}")
_BOOKING_URL = url("booking_url", "Página de reservas", "The booking page", "")
_ADMIN_URL = url(
    "admin_url",
    "Página de la cita en el panel (no es para clientes)",
    "The appointment in the portal (not for clients)",
    "/admin/appointments/{id}",
)

_OF_A_BOOKING = (
    _SERVICE,
    _PRACTITIONER,
    _CLIENT,
    _FOR_WHOM,
    _WHEN,
    _LOCAL_WHEN,
    when("before", "Cuándo era antes de cambiarla", "When it was before it moved", moment(days=-1), optional=True),
    flag("was_confirmed", "Si llegó a estar confirmada", "Whether it ever was confirmed"),
    _PLACE,
    Variable(
        "meeting_url",
        Shape.LINK,
        {"es": "Dirección de la videollamada", "en": "Address of the video call"},
        always("https://meet.example.com/nora"),
        is_optional=True,
    ),
    _PRICE,
    when(
        "free_until",
        "Hasta cuándo se devuelve todo al cancelar",
        "Until when cancelling gives everything back",
        moment(days=-1),
        optional=True,
    ),
    Variable(
        "refund_steps",
        Shape.STEPS,
        {
            "es": "Cuánto se devuelve y hasta cuándo: una lista con percent y until",
            "en": "How much comes back until when: a list with percent and until",
        },
        lambda language: [
            {"percent": 100, "until": moment(days=-2)(language)},
            {"percent": 50, "until": moment(days=-1)(language)},
        ],
        is_optional=True,
    ),
    when(
        "cancel_until",
        "Hasta cuándo se puede cancelar",
        "Until when it can be cancelled",
        moment(days=-1),
        optional=True,
    ),
    when("move_until", "Hasta cuándo se puede cambiar", "Until when it can be moved", moment(days=-1), optional=True),
    text(
        "no_show_fee",
        "Cargo por no venir, si lo hay",
        "The fee for not coming, if there is one",
        money(2000),
        optional=True,
    ),
    choice(
        "cancelled_by",
        "Quién la canceló: client, staff o system",
        "Who cancelled it: client, staff or system",
        "client",
        "staff",
        "system",
        optional=True,
    ),
    _APPOINTMENT_URL,
    _BOOKING_URL,
    _ADMIN_URL,
)
_LINKS = (
    url("confirm_url", "Enlace para decir que vendrá", "Link to say that they will come", "/a/example-confirm"),
    url("move_url", "Enlace para cambiar la hora", "Link to move it", "/a/example-move"),
    url("cancel_url", "Enlace para cancelar", "Link to cancel it", "/a/example-cancel"),
)
_HELD = (
    when("held_until", "Hasta cuándo se guarda la hora", "Until when the time is kept", moment(days=-1)),
    text("amount_due", "Lo que queda por pagar", "What is still to be paid", money(4500), optional=True),
)
_HELD_TO_BE_PAID = tuple(replace(one, is_optional=False) for one in _HELD)
_FEE = text("fee_owed", "Importe del cargo", "The fee", money(2000))

_DETAILS = Block(
    "appointment_details",
    {
        "es": "La cita en una tabla: qué, para quién, con quién, día, hora, dónde, precio",
        "en": "The appointment as a table: what, for whom, with whom, day, time, where, price",
    },
    "appointment_facts.for_client("
    "service, practitioner, when, local_when, location_kind, meeting_url, price, for_whom)",
)
_OFFERED_DETAILS = Block(
    _DETAILS.name,
    _DETAILS.meaning,
    "appointment_facts.for_client(service, practitioner, when, local_when, location_kind, None, price, for_whom)",
)
_ACTIONS = Block(
    "appointment_actions",
    {
        "es": "El botón «Confirmo que iré» y los enlaces para cambiarla o cancelarla",
        "en": "The button “I will come” and the links that move or cancel it",
    },
    "appointment_facts.actions(confirm_url, move_url, cancel_url)",
)
_TERMS = Block(
    "appointment_terms",
    {
        "es": "Las condiciones de cancelación de esa cita, en frases",
        "en": "The terms of cancelling that appointment, in sentences",
    },
    "appointment_terms.for_client(refund_steps, cancel_until, move_until, no_show_fee)",
)
_DAY_AND_TIME = (("when.day",), ("when.time",))
_WAY_OUT = ("cancel_url", "appointment_url")
"""A client finds in these mails how to cancel or change."""

_WAITING = (
    _SERVICE,
    _FOR_WHOM,
    url("waitlist_url", "Página de lo que espera", "The page of what they wait for", "/appointments"),
    url("booking_url", "Página de reservas de ese servicio", "The service's booking page", "/book/{id}"),
)

_KINDS = (
    OverridableKind(
        appointment_mails.CONFIRMED,
        {"es": "Cita confirmada", "en": "Appointment confirmed"},
        (*_OF_A_BOOKING, *_LINKS),
        (*_DAY_AND_TIME, _WAY_OUT),
        (_DETAILS, _ACTIONS, _TERMS),
    ),
    OverridableKind(
        visit_mails.REMINDER,
        {"es": "Recordatorio", "en": "Reminder"},
        (*_OF_A_BOOKING, *_LINKS),
        (*_DAY_AND_TIME, _WAY_OUT),
        (_DETAILS, _ACTIONS, _TERMS),
    ),
    OverridableKind(
        appointment_mails.MOVED,
        {"es": "Cita cambiada", "en": "Appointment moved"},
        (*_OF_A_BOOKING, *_LINKS),
        (*_DAY_AND_TIME, _WAY_OUT),
        (_DETAILS, _ACTIONS, _TERMS),
    ),
    OverridableKind(
        changed_mails.CHANGED,
        {"es": "Otro lugar u otro enlace", "en": "Another place or link"},
        (*_OF_A_BOOKING, *_LINKS),
        (*_DAY_AND_TIME, _WAY_OUT),
        (_DETAILS, _ACTIONS),
    ),
    OverridableKind(
        appointment_mails.CANCELLED,
        {"es": "Cita cancelada", "en": "Appointment cancelled"},
        _OF_A_BOOKING,
        (("when.day",),),
        (_DETAILS,),
    ),
    OverridableKind(
        visit_mails.FOLLOW_UP,
        {"es": "Después de la visita", "en": "After the visit"},
        (_PRACTITIONER, _WHEN, _BOOKING_URL),
        (("booking_url",),),
    ),
    OverridableKind(
        visit_mails.MISSED,
        {"es": "Visita a la que no se acudió", "en": "Missed visit"},
        _OF_A_BOOKING,
        (("when.day",),),
        (_DETAILS,),
    ),
    OverridableKind(
        request_mails.REQUESTED,
        {"es": "Solicitud recibida", "en": "Request received"},
        (*_OF_A_BOOKING, *_HELD),
        (("when.day",), ("appointment_url",)),
        (_DETAILS,),
    ),
    OverridableKind(
        request_mails.APPROVED,
        {"es": "Solicitud aceptada, pendiente de pago", "en": "Request granted, to be paid"},
        (*_OF_A_BOOKING, *_HELD_TO_BE_PAID),
        (("held_until.day",), ("amount_due",), ("appointment_url",)),
        (_DETAILS,),
    ),
    OverridableKind(
        request_mails.DECLINED,
        {"es": "Solicitud rechazada", "en": "Request declined"},
        _OF_A_BOOKING,
        (("when.day",),),
        (_DETAILS,),
    ),
    OverridableKind(
        request_mails.UNANSWERED,
        {"es": "Solicitud sin respuesta a tiempo", "en": "Request not answered in time"},
        _OF_A_BOOKING,
        (("when.day",),),
        (_DETAILS,),
    ),
    OverridableKind(
        series_mails.SERIES,
        {"es": "Serie de citas confirmada", "en": "Series of appointments confirmed"},
        (
            _SERVICE,
            _PRACTITIONER,
            _CLIENT,
            _FOR_WHOM,
            Variable(
                "dates",
                Shape.WHENS,
                {"es": "Todas las fechas: una lista", "en": "Every date: a list"},
                lambda language: [moment(days=7 * week, minutes_long=45)(language) for week in range(3)],
            ),
            replace(_PLACE, is_optional=True),
            text(
                "total",
                "Precio de todas; vacío si son gratis",
                "Price of all; empty if free",
                money(13500),
                optional=True,
            ),
            url("appointments_url", "Página de sus citas", "The page of their appointments", "/appointments"),
            _ADMIN_URL,
        ),
        (("dates.day",), ("dates.time",), ("appointments_url",)),
    ),
    OverridableKind(
        fee_mails.FEE_OWED,
        {"es": "Cargo por no venir, por pagar", "en": "Fee for not coming, to be paid"},
        (*_OF_A_BOOKING, _FEE),
        (("fee_owed",), ("appointment_url",)),
        (_DETAILS,),
    ),
    OverridableKind(
        fee_mails.FEE_CHARGED,
        {"es": "Cargo por no venir, cobrado", "en": "Fee for not coming, charged"},
        (
            *_OF_A_BOOKING,
            _FEE,
            text("last_four", "Últimas cifras de la tarjeta", "Last digits of the card", always("4242"), optional=True),
        ),
        (("fee_owed",), ("appointment_url",)),
        (_DETAILS,),
    ),
    OverridableKind(
        waitlist.JOINED,
        {"es": "En la lista de espera", "en": "On the waiting list"},
        _WAITING,
        (("waitlist_url",),),
    ),
    OverridableKind(
        waitlist.OFFERED,
        {"es": "Ha quedado libre una hora", "en": "A time has come free"},
        (
            *_WAITING,
            _PRACTITIONER,
            _WHEN,
            _LOCAL_WHEN,
            _PLACE,
            _PRICE,
            text(
                "due",
                "Lo que hay que pagar para quedársela",
                "What is to be paid to take it",
                money(4500),
                optional=True,
            ),
            when("kept_until", "Hasta cuándo se guarda", "Until when it is kept", moment(days=-2, hours=2)),
            _APPOINTMENT_URL,
        ),
        (("when.day",), ("when.time",), ("kept_until.time",), ("appointment_url",)),
        (_OFFERED_DETAILS,),
    ),
    OverridableKind(
        waitlist.LAPSED,
        {"es": "La hora ofrecida ha pasado a otra persona", "en": "The time offered went to somebody else"},
        _WAITING,
        (("waitlist_url",),),
    ),
    OverridableKind(
        waitlist.OVER,
        {"es": "Fuera de la lista de espera", "en": "Off the waiting list"},
        (
            *_WAITING,
            flag("is_unanswered", "Si es por no contestar", "Whether it is for not answering"),
        ),
        (("booking_url", "waitlist_url"),),
    ),
)


def register_scheduling_variables() -> None:
    """Called at start-up. Safe to repeat."""
    register_overridable(*_KINDS)
