"""What feeds show: to clients everything about their own, to practitioners nobody's name.

An address may leak (forwarded, synchronised, kept by a provider), and who sees a nutritionist is health data: so
a practitioner's feed has initials. The portal, behind a sign-in, has the names.
"""

from scheduling.appointments.calendar import CalendarEntry, describe_appointment
from scheduling.feeds.repository import BookedTime, SessionTime
from scheduling.group_sessions.entries import describe_session
from tenants.accounts.models import Client, Dependant
from tenants.accounts.names import ERASED, name_of
from todoenbalance.kit.tenancy import TenantContext

_NOBODY = "–"


def for_client(booked: BookedTime, tenant: TenantContext, locale: str) -> CalendarEntry:
    """A client's own appointment, and for whom it is."""
    return describe_appointment(
        booked.appointment,
        service_name=booked.service_name,
        practitioner_name=booked.practitioner_name,
        for_whom=name_of(booked.dependant, locale) if booked.dependant else None,
        changed_at=booked.changed_at,
        tenant=tenant,
    )


def for_practitioner(booked: BookedTime, tenant: TenantContext) -> CalendarEntry:
    """An appointment with the initials of the one who comes."""
    return describe_appointment(
        booked.appointment,
        service_name=booked.service_name,
        practitioner_name=booked.practitioner_name,
        client_name=initials_of(booked.dependant or booked.client),
        changed_at=booked.changed_at,
        tenant=tenant,
    )


def for_session(one: SessionTime, tenant: TenantContext) -> CalendarEntry:
    """A session with its seats: ``Taller de cocina (7/10)``. Who sits there, the portal says."""
    return describe_session(
        one.session,
        service_name=one.service_name,
        tenant=tenant,
        seats_taken=one.seats_taken,
        seats_changed_at=one.changed_at,
    )


def initials_of(person: Client | Dependant) -> str:
    """The first letters of first and last name, ``C. P.``; of someone whose data were erased, a dash."""
    if person.first_name == ERASED:
        return _NOBODY
    return " ".join(f"{name[0].upper()}." for name in (person.first_name, person.last_name) if name) or _NOBODY
