"""An hour after a client was said not to have come: charge the card that they had kept, or ask them for the fee."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from billing.cards.charging import Charge, charge_kept_card
from billing.payments.payables import NO_SHOW_FEE
from billing.providers.port import OutcomeUnknownError
from scheduling.appointments import fee_mails
from scheduling.appointments.history import ChangeKind
from scheduling.appointments.mails import CLIENT_PATH, announce_to_all
from scheduling.appointments.models import AppointmentStatus
from scheduling.appointments.repository import AppointmentRepository
from scheduling.appointments.services.outcomes import MIND_MAY_CHANGE
from tenants.accounts.services.client_accounts import get_client
from todoenbalance.kit.outbox.tasks import RetryLaterError, TenantEventContext

_AGAIN_SECONDS = 300.0
_SLACK = timedelta(minutes=1)
"""Between the clock of an outcome and that of its event."""


async def on_fee_owed(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``appointment.fee_owed``: the kept card pays it; else the client is told how to.

    An outcome that was corrected meanwhile has an event of its own, an hour after it was.
    """
    runtime, tenant = context.runtime, context.tenant
    appointment_id = UUID(payload["appointment_id"])
    async with runtime.database.tenant(tenant) as session:
        appointments = AppointmentRepository(session)
        appointment = await appointments.find(appointment_id)
        said = await appointments.find_change(appointment_id, ChangeKind.NO_SHOW)
        if appointment is None or said is None or appointment.version != int(payload["version"]):
            return
        if appointment.status != AppointmentStatus.NO_SHOW or not appointment.no_show_fee_minor:
            return
        if datetime.fromisoformat(payload["due_at"]) < said.created_at + MIND_MAY_CHANGE - _SLACK:
            return
        client = await get_client(session, appointment.client_id)
        locale = client.locale or tenant.locale
    home = runtime.settings.practice_url(tenant.slug, CLIENT_PATH.format(id=appointment_id))
    try:
        charge = await charge_kept_card(
            runtime, tenant, NO_SHOW_FEE, appointment_id, appointment.client_id, locale=locale, home=home
        )
    except OutcomeUnknownError as error:
        raise RetryLaterError(error.code, _AGAIN_SECONDS) from error
    if charge in (Charge.NO_CARD, Charge.REFUSED):
        await announce_to_all(context, payload, fee_mails.FEE_OWED, None)


async def on_fee_charged(context: TenantEventContext, payload: dict[str, Any]) -> None:
    """``appointment.fee_charged``: tell the client that their card was charged, for what, and whom to ask."""
    await announce_to_all(context, payload, fee_mails.FEE_CHARGED, None)
