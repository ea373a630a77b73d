"""The staff's accounts, and the mails that they choose to have."""

from datetime import time, timedelta
from typing import Any

from notifications.digests.service import choose_digest_time
from notifications.overrides.service import get_mail_state, send_test
from scheduling.catalogue.models import Practitioner
from tenants.accounts.models import AccountKind, StaffRole
from tenants.accounts.services import passwords
from tenants.accounts.services.staff_accounts import invite_staff
from tests.notifications.every_mail.client_accounts import CHROME, FIREFOX, sign_in_with
from tests.notifications.every_mail.scenarios import shows
from tests.notifications.every_mail.world import DAY, NOW, WEDNESDAY, World
from tests.support.credentials import NEW, guess
from tests.support.practices import PASSWORD, SignedIn
from tests.support.second_factors import log_in, set_up_totp

AT = "/api/v1/admin/auth"


@shows("staff_invitation")
async def somebody_is_invited(world: World) -> None:
    async with world.session() as session:
        await invite_staff(
            session,
            world.runtime.settings.auth,
            email=world.address("colleague"),
            first_name="Rosa",
            last_name="Font",
            role=StaffRole.RECEPTION,
            locale=world.language,
        )
    await world.run()


@shows("staff_new_device")
async def somebody_of_the_staff_signs_in_with_another_browser(world: World) -> None:
    await sign_in_with(world, AccountKind.STAFF, await world.staff(), FIREFOX, CHROME)


@shows("staff_locked_out", "staff_locked_out_owner")
async def somebody_guesses_at_a_colleagues_password(world: World) -> None:
    member = await world.staff()
    await guess(world.http(world.practice), member.email, admin=True)
    await world.run()


@shows("staff_password_changed")
async def somebody_of_the_staff_changes_the_password(world: World) -> None:
    member = await world.staff()
    body = {"current_password": PASSWORD, "new_password": NEW}
    answer = await world.http(world.practice).post(f"{AT}/password", json=body, headers=member.headers)
    assert answer.status_code == 204, answer.text
    await world.run()


@shows("staff_password_reset")
async def somebody_of_the_staff_forgot_the_password(world: World) -> None:
    member = await world.staff()
    async with world.session() as session:
        await passwords.request_staff_password_reset(session, member.email)
    await world.run()


# ---- second factors


async def add_factor(world: World) -> SignedIn:
    """A colleague sets up an app."""
    member = await world.staff("colleague", StaffRole.MANAGER, "Rosa Font")
    _, codes = await set_up_totp(world.http(world.practice), member.headers)
    world.recovery_codes[member.email] = codes
    await world.run()
    return member


@shows("staff_second_factor_added")
async def a_second_factor_is_added(world: World) -> None:
    await add_factor(world)


@shows("staff_second_factor_removed")
async def a_second_factor_is_removed(world: World) -> None:
    member = await add_factor(world)
    assert (await world.http(world.practice).delete(f"{AT}/mfa/totp", headers=member.headers)).status_code == 204
    del world.recovery_codes[member.email]
    await world.run()


@shows("staff_second_factor_reset")
async def an_owner_resets_second_factors(world: World) -> None:
    member = await add_factor(world)
    at = f"/api/v1/admin/staff/{member.id}/second-factors"
    answer = await world.http(world.practice).delete(at, headers=world.owner.headers)
    assert answer.status_code == 204, answer.text
    del world.recovery_codes[member.email]
    await world.run()


@shows("staff_recovery_code_used")
async def a_recovery_code_is_used(world: World) -> None:
    member, here = await add_factor(world), world.http(world.practice)
    step: dict[str, Any] = await log_in(here, member.email)
    body = {"mfa_token": step["mfa_token"], "code": world.recovery_codes[member.email].pop()}
    assert (await here.post(f"{AT}/mfa", json=body)).status_code == 200
    await world.run()


# ---- mails of one's own choice


@shows("mail_template_test")
async def somebody_tries_the_practices_own_words(world: World) -> None:
    member = await world.staff("colleague", StaffRole.MANAGER, "Rosa Font")
    async with world.session() as session:
        words = await get_mail_state(session, "appointment_confirmed", world.language)
        await send_test(session, member.id, "appointment_confirmed", world.language, words.draft)
    await world.run()


@shows("staff_digest")
async def somebody_has_the_day_in_one_mail(world: World) -> None:
    offer, client = await world.offer(), await world.client()
    async with world.session() as session:
        practitioner = await session.get_one(Practitioner, offer.practitioner_id)
        assert practitioner.staff_id is not None
        await choose_digest_time(session, practitioner.staff_id, time(18, 30))
    for number in range(2):
        await world.book(offer, client, WEDNESDAY + number * DAY)
    await world.run()
    await world.run(NOW + timedelta(hours=9, minutes=31))
