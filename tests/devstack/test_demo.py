"""The demo data is as the README says, and is made once."""

from datetime import timedelta

from sqlalchemy import func, select

from scheduling.appointments.models import Appointment
from scheduling.catalogue.models import BlockedTimeSlot, Practitioner, RecurringTimeSlot, Service
from tenants.accounts.services.sign_ins import authenticate_client, authenticate_staff
from tenants.registry.service import find_tenant_by_name, to_context
from tenants.settings.service import get_practice_settings
from todoenbalance.devstack.demo import seed_demo
from todoenbalance.kit import clock
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import Settings
from todoenbalance.operators.service import authenticate


async def test_it_is_complete_and_made_once(fresh_runtime: Runtime, fresh_settings: Settings) -> None:
    for _ in range(2):
        await seed_demo(fresh_settings)
    async with fresh_runtime.database.platform() as platform:
        await authenticate(platform, fresh_runtime, "operator@example.com", "operator-demo-1")
        demo = to_context(await find_tenant_by_name(platform, "demo"))
        vital = to_context(await find_tenant_by_name(platform, "vital"))
    assert (demo.timezone, vital.timezone) == ("Europe/Madrid", "Atlantic/Canary")
    async with fresh_runtime.database.tenant(demo) as session:
        await authenticate_staff(session, fresh_runtime, "owner@demo.example.com", "owner-demo-1")
        await authenticate_client(session, fresh_runtime, "client@demo.example.com", "client-demo-1")
        services = (await session.scalars(select(Service).order_by(Service.price_minor))).all()
        assert [(one.price_minor, one.deposit_minor) for one in services] == [(0, None), (4500, None), (12000, 3000)]
        assert (await get_practice_settings(session)).payment_methods == ["sandbox", "offline"]
        for table, least in ((Practitioner, 2), (RecurringTimeSlot, 10), (BlockedTimeSlot, 1)):
            count = await session.scalar(select(func.count()).select_from(table))
            assert count is not None
            assert count >= least
        statuses = (await session.scalars(select(Appointment.status).order_by(Appointment.starts_at))).all()
        assert list(statuses) == ["completed", "completed", "no_show", "confirmed", "confirmed"]
        last = await session.scalar(select(func.max(Appointment.starts_at)))
        assert last is not None
        assert last > clock.now() + timedelta(days=1)
