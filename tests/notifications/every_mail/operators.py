"""The mails to operators, who belong to no practice: a platform whose operators read one language, and scenarios.

To add a kind: a scenario here, decorated with the kinds that it shows; the rest is as for practices' mails.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import delete, select, update

from billing.accounts.models import EventTrouble, ParkedEvent
from billing.platform_fees.models import FeeStatement
from notifications.models import EmailStatus, PlatformMailboxMessage
from notifications.operator_mails.models import OperatorMail
from tenants.plans.models import Subscription
from tenants.registry.models import Tenant
from tests.conftest import HttpFactory
from tests.notifications.every_mail.client_accounts import CHROME, FIREFOX
from tests.notifications.every_mail.world import HOUR, NOW, PRACTICE, Letter
from tests.support import operator_mails as waiting
from tests.support.credentials import NEW
from tests.support.events import run_platform_events
from tests.support.operators import make_operator
from tests.support.practices import PASSWORD, SignedIn, make_practice
from tests.support.second_factors import log_in, set_up_totp
from todoenbalance.kit import clock
from todoenbalance.kit.outbox.models import OutboxEvent
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext
from todoenbalance.operators.access import disable_operator
from todoenbalance.operators.models import Operator, OperatorSignInAttempt
from todoenbalance.operators.passwords import reset_password
from todoenbalance.operators.second_factors import reset_operator
from todoenbalance.operators.service import create_operator
from todoenbalance.operators.waiting.models import BooksDisagreeing, WaitingNews
from todoenbalance.operators.waiting.service import look

AT = "/api/v1/platform/auth"
WRONG = "certainly not that one"


@dataclass
class Platform:
    """The platform's operators in one scenario; ``runtime`` has the other language as the deployment's."""

    runtime: Runtime
    http: HttpFactory
    practice: TenantContext
    language: str
    _seen: set[UUID] = field(default_factory=set)

    async def operator(self, role: str = "operator") -> SignedIn:
        """Somebody who reads our language."""
        address = f"{role}@example.com"
        return await make_operator(self.runtime, address, first_name="Olga", last_name="Rey", locale=self.language)

    async def run(self) -> None:
        """Deliver what is due."""
        await run_platform_events(self.runtime)

    async def look(self) -> None:
        """What the beat has done every few minutes."""
        await look(self.runtime)
        await self.run()

    async def letters(self) -> list[Letter]:
        """What arrived since this was asked last; nothing may be on its way still, or have failed."""
        async with self.runtime.database.platform() as session:
            statement = select(OperatorMail, PlatformMailboxMessage).outerjoin(
                PlatformMailboxMessage, PlatformMailboxMessage.id == OperatorMail.id
            )
            rows = (await session.execute(statement.order_by(OperatorMail.id))).all()
        fresh = [(row, mail) for row, mail in rows if row.id not in self._seen]
        self._seen.update(row.id for row, _ in fresh)
        assert not [row.kind for row, _ in fresh if row.status in (EmailStatus.SENDING, EmailStatus.FAILED)]
        return [
            Letter(row.kind, mail.recipient.partition("@")[0], self.language, mail)
            for row, mail in fresh
            if mail is not None
        ]


_OF_A_SCENARIO = (
    Operator,
    OperatorSignInAttempt,
    PlatformMailboxMessage,
    OutboxEvent,
    WaitingNews,
    EventTrouble,
    ParkedEvent,
    BooksDisagreeing,
    Subscription,
    FeeStatement,
)
Play = Callable[[Platform], Awaitable[None]]
SCENARIOS: list[tuple[tuple[str, ...], Play]] = []


def shows(*kinds: str) -> Callable[[Play], Play]:
    """The function is a scenario that shows these kinds."""

    def register(play: Play) -> Play:
        SCENARIOS.append((kinds, play))
        return play

    return register


def shown_kinds() -> set[str]:
    """The kinds that a scenario shows."""
    return {kind for kinds, _ in SCENARIOS for kind in kinds}


async def make_practice_of_interest(runtime: Runtime) -> TenantContext:
    """One that something can be about, by a name that is of no language."""
    with clock.at(NOW):
        practice = await make_practice(runtime)
    async with runtime.database.platform() as session:
        await session.execute(update(Tenant).where(Tenant.id == practice.id).values(name=PRACTICE))
    return practice


async def start_anew(runtime: Runtime) -> None:
    """No operator, and nothing that waits for any."""
    async with runtime.database.platform() as session:
        for model in _OF_A_SCENARIO:
            await session.execute(delete(model))


# ---- accounts


@shows("operator_new_device")
async def an_operator_signs_in_with_another_browser(platform: Platform) -> None:
    operator = await platform.operator()
    for agent in (FIREFOX, CHROME):
        await log_in(platform.http(headers={"User-Agent": agent}), operator.email, at=AT)
    await platform.run()


@shows("operator_new_device")
async def a_program_that_names_itself_signs_in(platform: Platform) -> None:
    operator = await platform.operator()
    for agent in (FIREFOX, "Call 900 123 456"):
        await log_in(platform.http(headers={"User-Agent": agent}), operator.email, at=AT)
    await platform.run()


@shows("operator_locked_out")
async def somebody_guesses_at_an_operators_password(platform: Platform) -> None:
    operator, here = await platform.operator(), platform.http()
    for _ in range(6):
        await here.post(f"{AT}/login", data={"username": operator.email, "password": WRONG})
    await platform.run()


@shows("operator_password_changed")
async def an_operator_changes_the_password(platform: Platform) -> None:
    operator = await platform.operator()
    body = {"current_password": PASSWORD, "new_password": NEW}
    answer = await platform.http().post(f"{AT}/password", json=body, headers=operator.headers)
    assert answer.status_code == 204, answer.text
    await platform.run()


@shows("operator_password_reset")
async def a_new_password_is_set_on_the_command_line(platform: Platform) -> None:
    operator = await platform.operator()
    async with platform.runtime.database.platform() as session:
        await reset_password(session, platform.runtime.settings, operator.email, NEW)
    await platform.run()


@shows("operator_second_factor_added", "operator_second_factor_removed")
async def an_operators_second_factor_comes_and_goes(platform: Platform) -> None:
    operator, here = await platform.operator(), platform.http()
    await set_up_totp(here, operator.headers, AT)
    assert (await here.delete(f"{AT}/mfa/totp", headers=operator.headers)).status_code == 204
    await platform.run()


@shows("operator_second_factor_reset")
async def an_operators_second_factor_is_reset_on_the_command_line(platform: Platform) -> None:
    operator = await platform.operator()
    await set_up_totp(platform.http(), operator.headers, AT)
    async with platform.runtime.database.platform() as session:
        await reset_operator(session, platform.runtime, operator.email)
    await platform.run()


@shows("operator_recovery_code_used")
async def an_operator_uses_a_recovery_code(platform: Platform) -> None:
    operator, here = await platform.operator(), platform.http()
    _, codes = await set_up_totp(here, operator.headers, AT)
    step = await log_in(here, operator.email, at=AT)
    answer = await here.post(f"{AT}/mfa", json={"mfa_token": step["mfa_token"], "code": codes[0]})
    assert answer.status_code == 200, answer.text
    await platform.run()


@shows("operator_created", "operator_disabled")
async def an_operator_comes_and_another_one_goes(platform: Platform) -> None:
    await platform.operator("first")
    async with platform.runtime.database.platform() as session:
        await create_operator(session, email="second@example.com", password=NEW, locale=platform.language)
    await platform.run()
    async with platform.runtime.database.platform() as session:
        await disable_operator(session, platform.runtime.settings, "second@example.com")
    await platform.run()


# ---- what waits


@shows("operator_news")
async def everything_waits(platform: Platform) -> None:
    operator = await platform.operator()
    runtime, practice = platform.runtime, platform.practice
    await waiting.bounce_mail(runtime, operator.id)
    await waiting.park_task(runtime, practice)
    await waiting.park_task(runtime)
    await waiting.trouble(runtime, practice, "failed")
    await waiting.trouble(runtime, practice, "received")
    await waiting.park_webhook(runtime)
    await waiting.disagree(runtime, practice)
    await waiting.owe_a_plan(runtime, practice)
    await waiting.close_statement(runtime, practice)
    await platform.look()


@shows("operator_alarm")
async def something_is_given_up_later_that_day(platform: Platform) -> None:
    await platform.operator()
    await platform.look()
    with clock.at(NOW + 2 * HOUR):
        await waiting.park_task(platform.runtime, platform.practice)
        await platform.look()
