"""What an invoice says of an appointment: the service's name for invoices, its price or the part that was paid."""

from collections.abc import Awaitable, Callable
from uuid import UUID
from zoneinfo import ZoneInfo

from billing.documents.port import Line, Part, register_describer
from billing.documents.taxes import TaxTreatment
from billing.documents.words import COMPENSATION
from billing.payments.payables import NO_SHOW_FEE
from scheduling.appointments.events import BALANCE_KIND, PAYABLE_KIND
from scheduling.appointments.services.balances import cost_minor
from scheduling.appointments.services.reading import get_appointment
from scheduling.catalogue.service import get_service
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import NotFoundError


def _describer(*, is_balance: bool) -> Callable[[TenantSession, UUID], Awaitable[list[Line]]]:
    async def describe(session: TenantSession, appointment_id: UUID) -> list[Line]:
        """One line: no note, no name of anybody, no place; the day is that of the visit."""
        try:
            appointment = await get_appointment(session, appointment_id)
        except NotFoundError:
            return []
        service = await get_service(session, appointment.service_id)
        deposit, cost = appointment.amount_due_minor, cost_minor(appointment)
        has_deposit = deposit < cost
        part = Part.WHOLE if not has_deposit else Part.BALANCE if is_balance else Part.ADVANCE
        return [
            Line(
                description=service.invoice_description or service.name,
                gross_minor=cost - deposit if is_balance and has_deposit else max(deposit, 1),
                treatment=TaxTreatment(service.tax_treatment),
                operation_on=appointment.starts_at.astimezone(ZoneInfo(session.tenant.timezone)).date(),
                part=part,
            )
        ]

    return describe


async def _describe_fee(session: TenantSession, appointment_id: UUID) -> list[Line]:
    """The fee for not coming: a compensation, whose day is that of the visit."""
    try:
        appointment = await get_appointment(session, appointment_id)
    except NotFoundError:
        return []
    return [
        Line(
            description={"es": "Cargo por no acudir a la cita", "en": "Fee for a missed appointment"},
            gross_minor=1,  # the only line: all that arrived is its
            treatment=TaxTreatment.NONE,
            operation_on=appointment.starts_at.astimezone(ZoneInfo(session.tenant.timezone)).date(),
            mention=COMPENSATION,
        )
    ]


_OF_APPOINTMENTS = {
    PAYABLE_KIND: _describer(is_balance=False),
    BALANCE_KIND: _describer(is_balance=True),
    NO_SHOW_FEE: _describe_fee,
}


def register_appointment_describers() -> None:
    """Let invoices say what appointments are; called at start-up, safe to repeat."""
    for kind, describer in _OF_APPOINTMENTS.items():
        register_describer(kind, describer)
