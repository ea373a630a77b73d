"""The card for no-show fees on the booking site: kept with a payment or alone, shown, and taken back."""

import html
import re

import httpx
import pytest
from sqlalchemy import select, update

from billing.accounts.models import PaymentAccount
from billing.cards.consent import consent_sentence
from billing.cards.models import CardStatus, SavedCard
from billing.providers.stripe.client import RETRIES
from scheduling.appointments.models import Appointment
from tenants.registry.models import Tenant
from tests.conftest import HttpFactory
from tests.support.booking_pages import EVIL, first_confirmation, id_in, signed_in
from tests.support.connected_accounts import connect_stripe, stripe_runtime
from tests.support.events import run_due_events
from tests.support.pages import HTML, NO_SUCH_ID, assert_sober, form_of, submit
from tests.support.providers.fixtures import stripe_server
from tests.support.providers.stripe_server import StripeServer
from tests.support.scheduling import make_offer, set_practice
from todoenbalance.kit import clock
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

__all__ = ["stripe_server"]

HERE = "/account/cards"
BOX = 'name="save_card"'
FEE = {"price_minor": 4500, "no_show_fee_minor": 2000}
CHARGED = "If you don't come, the fee of €20.00 is charged to your card Visa ···· 4242."


@pytest.fixture
def runtime(runtime: Runtime, stripe_server: StripeServer) -> Runtime:
    """The process's tools, with the platform's account at the local Stripe."""
    return stripe_runtime(runtime, stripe_server)


@pytest.fixture
async def account(runtime: Runtime, practice: TenantContext, stripe_server: StripeServer) -> PaymentAccount:
    """The practice's connected account, which keeps cards."""
    return await connect_stripe(runtime, practice, stripe_server)


@pytest.fixture
async def browser(http: HttpFactory, runtime: Runtime, practice: TenantContext) -> httpx.AsyncClient:
    """A client's browser, in English."""
    return await signed_in(http, runtime, practice)


def words(page: httpx.Response) -> str:
    """What is read, on one line."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page.text)).split())


async def cards_of(runtime: Runtime, practice: TenantContext) -> list[SavedCard]:
    async with runtime.database.tenant(practice) as session:
        return list((await session.scalars(select(SavedCard).order_by(SavedCard.id))).all())


async def expire(runtime: Runtime, practice: TenantContext) -> None:
    """The month that is printed on every kept card is over."""
    async with runtime.database.tenant(practice) as session:
        await session.execute(update(SavedCard).values(expires_month=1, expires_year=2020))


def page_at_stripe(server: StripeServer) -> str:
    """The name of the page of Stripe's that was opened last."""
    return str(server.objects("checkout.session")[-1]["id"])


async def start(browser: httpx.AsyncClient) -> httpx.Response:
    """Agree, and be sent to Stripe."""
    return await submit(browser, await browser.get(HERE), HERE, consent="yes")


async def give(browser: httpx.AsyncClient, server: StripeServer) -> httpx.Response:
    """Have a card kept; answers the page on which that ends."""
    assert (await start(browser)).status_code == 200
    back = await browser.get(str(server.pay(page_at_stripe(server))))
    assert back.headers["location"] == f"{HERE}?done=kept"
    return await browser.get(back.headers["location"])


@pytest.mark.usefixtures("account")
class TestOwnPage:
    async def test_a_card_is_given_shown_and_taken_back(
        self, browser: httpx.AsyncClient, runtime: Runtime, practice: TenantContext, stripe_server: StripeServer
    ) -> None:
        empty = await browser.get(HERE)
        assert_sober(empty)
        assert f'href="{HERE}" aria-current="page"' in empty.text
        assert "You have no card kept here." in words(empty)
        sentence = consent_sentence(practice.name, "en")
        assert sentence in words(empty)
        leaving = await start(browser)
        assert_sober(leaving)
        assert f'href="{stripe_server.url}' in leaving.text
        assert "Nothing is paid." in words(leaving)
        (card,) = await cards_of(runtime, practice)
        assert str(card.return_url).endswith(f"{HERE}/{card.id}/return")
        back = await browser.get(str(stripe_server.pay(page_at_stripe(stripe_server))))
        kept = await browser.get(back.headers["location"])
        assert_sober(kept)
        for said in ("Your card is kept.", "Visa ···· 4242", "12/2034", sentence):
            assert said in words(kept), said
        removed = await submit(browser, kept, "/remove")
        assert removed.headers["location"] == f"{HERE}?done=removed"
        shown = await browser.get(removed.headers["location"])
        assert "Your card is removed." in words(shown)
        assert "4242" not in shown.text
        assert (await submit(browser, kept, "/remove")).headers["location"] == f"{HERE}?done=removed"  # a double click
        await run_due_events(runtime, practice)
        assert stripe_server.objects("customer") == []

    async def test_one_that_has_expired_says_so_and_another_is_asked_for(
        self, browser: httpx.AsyncClient, runtime: Runtime, practice: TenantContext, stripe_server: StripeServer
    ) -> None:
        assert "expired" not in words(await give(browser, stripe_server))
        offer = await make_offer(runtime, practice, **FEE)
        assert CHARGED in words(await first_confirmation(browser, offer))
        await expire(runtime, practice)
        shown = await browser.get(HERE)
        assert_sober(shown)
        assert "This card has expired." in words(shown)
        confirm = await first_confirmation(browser, offer)
        assert CHARGED not in words(confirm)
        assert BOX in confirm.text

    async def test_it_is_not_kept_without_consent(
        self, browser: httpx.AsyncClient, runtime: Runtime, practice: TenantContext
    ) -> None:
        page = await browser.get(HERE)
        assert "consent" not in form_of(page, HERE).data  # nothing is ticked beforehand
        for values in ({}, {"consent": ""}, {"consent": "no"}):
            refused = await submit(browser, page, HERE, **values)
            assert refused.status_code == 422
            assert_sober(refused)
            assert "A card is kept only if you agree to it." in words(refused)
        assert await cards_of(runtime, practice) == []

    async def test_what_was_agreed_to_is_in_the_language_in_which_it_was_read(
        self,
        http: HttpFactory,
        browser: httpx.AsyncClient,
        runtime: Runtime,
        practice: TenantContext,
        stripe_server: StripeServer,
    ) -> None:
        spanish = await signed_in(http, runtime, practice, locale="es")
        assert "Tu tarjeta está guardada." in words(await give(spanish, stripe_server))
        await give(browser, stripe_server)
        assert [one.consent_text for one in await cards_of(runtime, practice)] == [
            consent_sentence(practice.name, locale) for locale in ("es", "en")
        ]

    async def test_who_comes_back_without_a_card_reads_so(
        self, browser: httpx.AsyncClient, runtime: Runtime, practice: TenantContext, stripe_server: StripeServer
    ) -> None:
        await start(browser)
        (card,) = await cards_of(runtime, practice)
        waiting = await browser.get(f"{HERE}/{card.id}/return")
        assert waiting.headers["location"] == f"{HERE}?done=waiting"
        assert "We have not heard yet" in words(await browser.get(waiting.headers["location"]))
        stripe_server.expire(page_at_stripe(stripe_server))
        failed = await browser.get(f"{HERE}/{card.id}/return")
        shown = await browser.get(failed.headers["location"])
        assert_sober(shown)
        assert "No card was kept. You can try again." in words(shown)

    async def test_another_card_takes_its_place(
        self, browser: httpx.AsyncClient, runtime: Runtime, practice: TenantContext, stripe_server: StripeServer
    ) -> None:
        page = await give(browser, stripe_server)
        assert "Have another card kept instead" in words(page)
        await give(browser, stripe_server)
        assert [one.status for one in await cards_of(runtime, practice)] == [CardStatus.REMOVED, CardStatus.ACTIVE]

    async def test_a_silent_provider_loses_nothing(
        self, browser: httpx.AsyncClient, runtime: Runtime, practice: TenantContext, stripe_server: StripeServer
    ) -> None:
        sentence = "The payment provider does not answer. Try again in a moment."
        stripe_server.faults.drop("/v1/*", times=RETRIES + 1)
        silent = await start(browser)
        shown = await browser.get(silent.headers["location"])
        assert_sober(shown)
        assert sentence in words(shown)
        await start(browser)
        back = str(stripe_server.pay(page_at_stripe(stripe_server)))
        stripe_server.faults.drop("/v1/*", times=RETRIES + 1)
        silent = await browser.get(back)
        assert sentence in words(await browser.get(silent.headers["location"]))
        again = await browser.get(back)
        assert again.headers["location"] == f"{HERE}?done=kept"
        assert CardStatus.ACTIVE in [one.status for one in await cards_of(runtime, practice)]

    async def test_another_clients_card_is_not_found(
        self,
        http: HttpFactory,
        browser: httpx.AsyncClient,
        runtime: Runtime,
        practice: TenantContext,
        stripe_server: StripeServer,
    ) -> None:
        await give(browser, stripe_server)
        (card,) = await cards_of(runtime, practice)
        stranger = await signed_in(http, runtime, practice)
        token = form_of(await stranger.get(HERE), HERE).data["form_token"]
        for card_id in (str(card.id), NO_SUCH_ID):
            assert (await stranger.get(f"{HERE}/{card_id}/return")).status_code == 404
            refused = await stranger.post(f"{HERE}/{card_id}/remove", data={"form_token": token})
            assert refused.status_code == 404
        assert "4242" not in (await stranger.get(HERE)).text
        assert (await cards_of(runtime, practice))[0].status == CardStatus.ACTIVE

    async def test_only_our_own_form_does_anything(
        self, browser: httpx.AsyncClient, runtime: Runtime, practice: TenantContext, stripe_server: StripeServer
    ) -> None:
        await give(browser, stripe_server)
        (card,) = await cards_of(runtime, practice)
        for path in (HERE, f"{HERE}/{card.id}/remove"):
            assert (await browser.post(path, data={"consent": "yes"})).status_code == 403
            assert (await browser.post(path, data={"consent": "yes", "form_token": "x"})).status_code == 403
        assert [one.status for one in await cards_of(runtime, practice)] == [CardStatus.ACTIVE]

    async def test_it_is_for_clients_who_are_signed_in(self, http: HttpFactory, practice: TenantContext) -> None:
        for path in (HERE, f"{HERE}/{NO_SUCH_ID}/return"):
            stranger = await http(practice, headers=HTML).get(path)
            assert stranger.headers["location"].startswith("/sign-in?next=")

    async def test_a_card_that_can_not_be_charged_any_more_is_shown_and_can_be_removed(
        self,
        browser: httpx.AsyncClient,
        runtime: Runtime,
        practice: TenantContext,
        stripe_server: StripeServer,
        account: PaymentAccount,
    ) -> None:
        await give(browser, stripe_server)
        async with runtime.database.tenant(practice) as session:
            row = await session.get_one(PaymentAccount, account.id)
            row.status, row.disconnected_at = "disconnected", clock.now()
        assert HERE in (await browser.get("/account")).text
        page = await browser.get(HERE)
        assert_sober(page)
        assert "The practice can't charge this card at the moment." in words(page)
        assert "Give a card" not in page.text
        await submit(browser, page, "/remove")
        assert "This practice does not keep cards." in words(await browser.get(HERE))


async def test_where_no_cards_are_kept_the_page_says_so_and_nothing_leads_there(browser: httpx.AsyncClient) -> None:
    page = await browser.get(HERE)
    assert_sober(page)
    assert "This practice does not keep cards." in words(page)
    assert f'action="{HERE}"' not in page.text
    assert HERE not in (await browser.get("/account")).text
    token = form_of(page, "/sign-out").data["form_token"]
    sent = await browser.post(HERE, data={"form_token": token, "consent": "yes"})
    assert "This practice does not keep cards." in words(await browser.get(sent.headers["location"]))


async def test_the_name_of_a_practice_is_text(
    http: HttpFactory, runtime: Runtime, practice: TenantContext, stripe_server: StripeServer
) -> None:
    async with runtime.database.platform() as session:
        await session.execute(update(Tenant).where(Tenant.key == practice.key).values(name=f"{EVIL}{{0}}%s"))
    await connect_stripe(runtime, practice, stripe_server)
    browser = await signed_in(http, runtime, practice)
    for page in (
        await browser.get(HERE),
        await first_confirmation(browser, await make_offer(runtime, practice, **FEE)),
        await give(browser, stripe_server),
    ):
        assert EVIL not in page.text
        assert f"{EVIL}{{0}}%s may have this card kept" in html.unescape(page.text)


class TestWithAPayment:
    @pytest.mark.usefixtures("account")
    async def test_it_is_kept_with_a_booking_and_named_from_then_on(
        self, browser: httpx.AsyncClient, runtime: Runtime, practice: TenantContext, stripe_server: StripeServer
    ) -> None:
        offer = await make_offer(runtime, practice, **FEE)
        confirm = await first_confirmation(browser, offer)
        assert_sober(confirm)
        sentence = consent_sentence(practice.name, "en")
        assert sentence in words(confirm)
        assert "Only if you pay by card." in words(confirm)
        assert "save_card" not in form_of(confirm).data  # nothing is ticked beforehand
        await submit(browser, confirm, method="stripe", save_card="yes")
        back = await browser.get(str(stripe_server.pay(page_at_stripe(stripe_server))))
        (card,) = await cards_of(runtime, practice)
        assert (card.status, card.last_four, card.consent_text) == (CardStatus.ACTIVE, "4242", sentence)
        page = await browser.get(back.headers["location"])
        assert_sober(page)
        assert "Your appointment is confirmed." in words(page)
        assert CHARGED in words(page)
        following = await first_confirmation(browser, offer)
        assert_sober(following)
        assert CHARGED in words(following)
        assert BOX not in following.text
        booked = await submit(browser, following, method="stripe")
        held = await browser.get(f"/appointments/{(await self.latest(runtime, practice)).id}")
        assert booked.status_code == 200
        assert CHARGED in words(held)
        assert BOX not in held.text

    @staticmethod
    async def latest(runtime: Runtime, practice: TenantContext) -> Appointment:
        async with runtime.database.tenant(practice) as session:
            statement = select(Appointment).order_by(Appointment.id.desc()).limit(1)
            return (await session.scalars(statement)).one()

    @pytest.mark.usefixtures("account")
    async def test_it_is_kept_with_what_is_paid_later(
        self, browser: httpx.AsyncClient, runtime: Runtime, practice: TenantContext, stripe_server: StripeServer
    ) -> None:
        confirm = await first_confirmation(browser, await make_offer(runtime, practice, **FEE))
        await submit(browser, confirm, method="stripe")
        assert await cards_of(runtime, practice) == []
        held = await browser.get(f"/appointments/{(await self.latest(runtime, practice)).id}")
        assert_sober(held)
        assert held.text.count(BOX) == 1
        await submit(browser, held, "/pay", method="stripe", save_card="yes")
        assert [one.status for one in await cards_of(runtime, practice)] == [CardStatus.PENDING]
        await browser.get(str(stripe_server.pay(page_at_stripe(stripe_server))))
        assert [one.status for one in await cards_of(runtime, practice)] == [CardStatus.ACTIVE]

    @pytest.mark.usefixtures("account")
    async def test_it_is_kept_with_the_rest_of_the_price(
        self, browser: httpx.AsyncClient, runtime: Runtime, practice: TenantContext, stripe_server: StripeServer
    ) -> None:
        offer = await make_offer(runtime, practice, **FEE, deposit_minor=1000)
        await submit(browser, await first_confirmation(browser, offer), method="stripe")
        back = await browser.get(str(stripe_server.pay(page_at_stripe(stripe_server))))
        page = await browser.get(back.headers["location"])
        assert_sober(page)
        assert page.text.count(BOX) == 1
        await submit(browser, page, "/pay", method="stripe", save_card="yes")
        await browser.get(str(stripe_server.pay(page_at_stripe(stripe_server))))
        assert [one.status for one in await cards_of(runtime, practice)] == [CardStatus.ACTIVE]

    @pytest.mark.usefixtures("account")
    @pytest.mark.parametrize("method", ["offline", "sandbox"])
    async def test_the_box_says_nothing_where_another_way_to_pay_is_chosen(
        self, browser: httpx.AsyncClient, runtime: Runtime, practice: TenantContext, method: str
    ) -> None:
        confirm = await first_confirmation(browser, await make_offer(runtime, practice, **FEE))
        booked = await submit(browser, confirm, method=method, save_card="yes")
        assert booked.status_code == 303
        assert "problem" not in booked.headers["location"]
        assert await cards_of(runtime, practice) == []

    @pytest.mark.usefixtures("account")
    async def test_alone_the_card_needs_no_remark(
        self, browser: httpx.AsyncClient, runtime: Runtime, practice: TenantContext
    ) -> None:
        await set_practice(runtime, practice, payment_methods=["stripe"])
        confirm = await first_confirmation(browser, await make_offer(runtime, practice, **FEE))
        assert BOX in confirm.text
        assert "Only if you pay by card." not in words(confirm)

    @pytest.mark.usefixtures("account")
    async def test_who_pays_at_the_desk_is_led_to_where_a_card_is_kept(
        self, browser: httpx.AsyncClient, runtime: Runtime, practice: TenantContext, stripe_server: StripeServer
    ) -> None:
        await set_practice(runtime, practice, payment_methods=["stripe", "offline"])
        confirm = await first_confirmation(browser, await make_offer(runtime, practice, **FEE))
        booked = await submit(browser, confirm, method="offline")
        here = f"/appointments/{id_in(booked.headers['location'])}"
        link = '<a href="/account/cards">Have a card kept</a>'
        assert link in (await browser.get(here)).text
        await give(browser, stripe_server)
        assert link not in (await browser.get(here)).text

    @pytest.mark.usefixtures("account")
    @pytest.mark.parametrize(
        ("fields", "methods"),
        [
            ({"price_minor": 4500}, ["stripe", "offline"]),
            (FEE | {"no_show_fee_minor": 0}, ["stripe", "offline"]),
            (FEE | {"price_minor": 0}, ["stripe", "offline"]),
            (FEE | {"requires_approval": True}, ["stripe", "offline"]),
            (FEE, ["offline"]),
        ],
        ids=["no fee", "fee of nothing", "nothing to pay", "paid once granted", "not by card"],
    )
    async def test_there_is_no_box_where_it_would_do_nothing(
        self,
        browser: httpx.AsyncClient,
        runtime: Runtime,
        practice: TenantContext,
        fields: dict[str, object],
        methods: list[str],
    ) -> None:
        await set_practice(runtime, practice, payment_methods=methods)
        confirm = await first_confirmation(browser, await make_offer(runtime, practice, **fields))
        assert confirm.status_code == 200
        assert BOX not in confirm.text

    async def test_there_is_none_where_no_cards_are_kept(
        self, browser: httpx.AsyncClient, runtime: Runtime, practice: TenantContext
    ) -> None:
        confirm = await first_confirmation(browser, await make_offer(runtime, practice, **FEE))
        assert BOX not in confirm.text
        booked = await submit(browser, confirm, method="offline")
        assert BOX not in (await browser.get(f"/appointments/{id_in(booked.headers['location'])}")).text

    @pytest.mark.usefixtures("account")
    async def test_strangers_are_asked_nothing(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        stranger = http(practice, headers=HTML)
        assert BOX not in (await first_confirmation(stranger, await make_offer(runtime, practice, **FEE))).text
