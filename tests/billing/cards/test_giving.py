"""Cards that clients have kept: with a payment or alone, with their consent, and taken back."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select

from billing.accounts.models import PaymentAccount
from billing.cards import giving
from billing.cards.consent import consent_sentence
from billing.cards.errors import CardsNotKeptError
from billing.cards.models import CardStatus, SavedCard
from billing.cards.service import find_chargeable, forget_client, remove_card
from billing.checkout.schemas import PaymentCreate, PaymentRead
from billing.checkout.service import start_checkout
from billing.payments.errors import ProviderUnavailableError
from billing.payments.models import PaymentStatus
from billing.providers.stripe.client import RETRIES
from tests.support.checkout import Desk, appointment_of
from tests.support.connected_accounts import connect_stripe
from tests.support.events import run_due_events
from tests.support.practices import make_client
from tests.support.providers.stripe.methods import Behaviour
from tests.support.providers.stripe.sessions import Outcome
from tests.support.providers.stripe_server import StripeServer
from todoenbalance.kit import clock
from todoenbalance.kit.errors import NotFoundError

HOME = "https://demo.example.com/account/cards"


async def cards_of(desk: Desk) -> list[SavedCard]:
    async with desk.runtime.database.tenant(desk.practice) as session:
        return list((await session.scalars(select(SavedCard).order_by(SavedCard.id))).all())


async def chargeable(desk: Desk) -> SavedCard | None:
    async with desk.runtime.database.tenant(desk.practice) as session:
        return await find_chargeable(session, desk.runtime.settings, client_id(desk))


def client_id(desk: Desk) -> UUID:
    return desk.client.id


async def start(desk: Desk, locale: str = "es") -> SavedCard:
    return await giving.start_card(desk.runtime, desk.practice, client_id(desk), locale, HOME, HOME)


async def confirm(desk: Desk, card: SavedCard) -> SavedCard:
    return await giving.confirm_card(desk.runtime, desk.practice, client_id(desk), card.id)


async def give(desk: Desk, server: StripeServer) -> SavedCard:
    card = await start(desk)
    server.pay(str(card.setup_ref))
    return await confirm(desk, card)


async def pay_and_keep(desk: Desk, **more: object) -> PaymentRead:
    appointment = await desk.book()
    wanted = PaymentCreate.model_validate(
        {"appointment_id": appointment.id, "method": "stripe", "save_card": True} | more
    )
    return await start_checkout(desk.runtime, desk.practice, appointment.client_id, wanted, locale="en")


class TestAlone:
    async def test_it_is_kept_with_the_words_that_were_agreed_to(
        self, desk: Desk, account: PaymentAccount, stripe_server: StripeServer
    ) -> None:
        card = await start(desk)
        assert (card.status, await chargeable(desk)) == (CardStatus.PENDING, None)
        assert card.next_url is not None
        assert card.next_url.startswith(stripe_server.url)
        stripe_server.pay(str(card.setup_ref))
        kept = await confirm(desk, card)
        assert (kept.status, kept.brand, kept.last_four, kept.next_url) == (CardStatus.ACTIVE, "visa", "4242", None)
        assert (kept.expires_month, kept.expires_year) == (12, 2034)
        assert kept.consent_text == consent_sentence(desk.practice.name, "es")
        found = await chargeable(desk)
        assert found is not None
        assert found.id == card.id
        (customer,) = stripe_server.objects("customer", str(account.account_ref))
        assert (customer["metadata"], customer["email"], customer["name"]) == ({"card": str(card.id)}, None, None)

    async def test_who_gives_none_has_none(self, desk: Desk, stripe_server: StripeServer) -> None:
        card = await start(desk)
        assert (await confirm(desk, card)).status == CardStatus.PENDING
        stripe_server.pay(str(card.setup_ref), Outcome.DECLINE)
        assert (await confirm(desk, card)).status == CardStatus.PENDING
        stripe_server.expire(str(card.setup_ref))
        assert (await confirm(desk, card)).status == CardStatus.FAILED

    async def test_a_closed_tab_is_made_good(self, desk: Desk, stripe_server: StripeServer) -> None:
        card = await start(desk)
        await run_due_events(desk.runtime, desk.practice, until=clock.now() + timedelta(minutes=6))
        assert await chargeable(desk) is None
        stripe_server.pay(str(card.setup_ref))
        with clock.at(clock.now() + timedelta(minutes=30)):
            await desk.run()
        assert await chargeable(desk) is not None

    async def test_a_lost_answer_is_asked_for_again_and_makes_one_page(
        self, desk: Desk, account: PaymentAccount, stripe_server: StripeServer
    ) -> None:
        stripe_server.faults.lose_answer("/v1/checkout/sessions", method="POST", times=RETRIES + 1)
        with pytest.raises(ProviderUnavailableError):
            await start(desk)
        (card,) = await cards_of(desk)
        await giving.check_card(desk.runtime, desk.practice, card.id)
        (card,) = await cards_of(desk)
        (page,) = stripe_server.objects("checkout.session", str(account.account_ref))
        assert (card.setup_ref, card.next_url) == (page["id"], page["url"])
        assert len(stripe_server.objects("customer", str(account.account_ref))) == 1

    async def test_what_nobody_ever_gave_ends(self, desk: Desk, stripe_server: StripeServer) -> None:
        card = await start(desk)
        with clock.at(clock.now() + timedelta(hours=26)):
            assert await giving.check_card(desk.runtime, desk.practice, card.id) is None
        assert (await cards_of(desk))[0].status == CardStatus.FAILED

    async def test_a_second_one_replaces_the_first_which_stripe_forgets(
        self, desk: Desk, account: PaymentAccount, stripe_server: StripeServer
    ) -> None:
        first, second = await give(desk, stripe_server), await give(desk, stripe_server)
        await desk.run()
        assert [(one.id, one.status) for one in await cards_of(desk)] == [
            (first.id, CardStatus.REMOVED),
            (second.id, CardStatus.ACTIVE),
        ]
        (customer,) = stripe_server.objects("customer", str(account.account_ref))
        assert customer["metadata"]["card"] == str(second.id)

    async def test_taken_back_it_is_forgotten_at_both_ends(
        self, desk: Desk, account: PaymentAccount, stripe_server: StripeServer
    ) -> None:
        card = await give(desk, stripe_server)
        stranger = await make_client(desk.runtime, desk.practice)
        async with desk.runtime.database.tenant(desk.practice) as session:
            with pytest.raises(NotFoundError):
                await remove_card(session, stranger.id, card.id)
            await remove_card(session, client_id(desk), card.id)
        assert await chargeable(desk) is None
        stripe_server.faults.lose_answer("/v1/customers", method="DELETE", times=RETRIES + 1)
        await desk.run()
        with clock.at(clock.now() + timedelta(minutes=30)):
            await desk.run()
        assert stripe_server.objects("customer", str(account.account_ref)) == []

    async def test_one_that_is_taken_back_while_it_is_given_is_forgotten_when_it_comes(
        self, desk: Desk, account: PaymentAccount, stripe_server: StripeServer
    ) -> None:
        card = await start(desk)
        async with desk.runtime.database.tenant(desk.practice) as session:
            await remove_card(session, client_id(desk), card.id)
        stripe_server.pay(str(card.setup_ref))
        assert (await confirm(desk, card)).status == CardStatus.REMOVED
        await desk.run()
        assert stripe_server.objects("customer", str(account.account_ref)) == []

    async def test_an_erasure_has_it_forgotten(
        self, desk: Desk, account: PaymentAccount, stripe_server: StripeServer
    ) -> None:
        await give(desk, stripe_server)
        async with desk.runtime.database.tenant(desk.practice) as session:
            assert await forget_client(session, client_id(desk)) == 1
        await desk.run()
        (card,) = await cards_of(desk)
        assert (card.status, card.brand, card.last_four, card.expires_year) == (CardStatus.REMOVED, None, None, None)
        assert stripe_server.objects("customer", str(account.account_ref)) == []

    async def test_another_account_of_the_practices_can_not_charge_it(
        self, desk: Desk, account: PaymentAccount, stripe_server: StripeServer
    ) -> None:
        await give(desk, stripe_server)
        async with desk.runtime.database.tenant(desk.practice) as session:
            row = await session.get_one(PaymentAccount, account.id)
            row.status, row.disconnected_at = "disconnected", clock.now()
        assert await chargeable(desk) is None
        with pytest.raises(CardsNotKeptError):
            await start(desk)
        await connect_stripe(desk.runtime, desk.practice, stripe_server)
        assert await chargeable(desk) is None

    async def test_two_that_are_given_at_once_leave_one(
        self, desk: Desk, account: PaymentAccount, stripe_server: StripeServer
    ) -> None:
        cards = [await start(desk) for _ in range(2)]
        for card in cards:
            stripe_server.pay(str(card.setup_ref))
        await asyncio.gather(*(confirm(desk, card) for card in cards for _ in range(2)))
        await desk.run()
        assert sorted(one.status for one in await cards_of(desk)) == [CardStatus.ACTIVE, CardStatus.REMOVED]
        assert len(stripe_server.objects("customer", str(account.account_ref))) == 1


class TestWithAPayment:
    @pytest.mark.parametrize("flow", ["redirect", "elements"])
    async def test_it_is_kept_once_the_money_is_here(
        self, desk: Desk, stripe_server: StripeServer, account: PaymentAccount, flow: str
    ) -> None:
        payment = await pay_and_keep(desk, flow=flow)
        (card,) = await cards_of(desk)
        assert (card.status, card.payment_id) == (CardStatus.PENDING, payment.id)
        assert card.consent_text == consent_sentence(desk.practice.name, "en")
        if flow == "redirect":
            stripe_server.pay(stripe_server.objects("checkout.session", str(account.account_ref))[0]["id"])
        else:
            stripe_server.confirm(stripe_server.objects("payment_intent", str(account.account_ref))[0]["id"])
        assert (await desk.confirm(payment)).status is PaymentStatus.SUCCEEDED
        kept = await chargeable(desk)
        assert kept is not None
        assert (kept.id, kept.last_four) == (card.id, "4242")
        assert (await desk.appointment(appointment_of(payment))).status == "confirmed"

    async def test_a_bank_account_is_no_card(
        self, desk: Desk, stripe_server: StripeServer, account: PaymentAccount
    ) -> None:
        payment = await pay_and_keep(desk, flow="elements")
        (intent,) = stripe_server.objects("payment_intent", str(account.account_ref))
        stripe_server.confirm(intent["id"], Behaviour(is_slow=True))
        stripe_server.settle(intent["id"])
        assert (await desk.confirm(payment)).status is PaymentStatus.SUCCEEDED
        assert [one.status for one in await cards_of(desk)] == [CardStatus.FAILED]

    async def test_what_is_not_agreed_to_is_not_kept(
        self, desk: Desk, stripe_server: StripeServer, account: PaymentAccount
    ) -> None:
        payment = await pay_and_keep(desk, save_card=False)
        (page,) = stripe_server.objects("checkout.session", str(account.account_ref))
        stripe_server.pay(page["id"])
        await desk.confirm(payment)
        assert await cards_of(desk) == []
        assert stripe_server.objects("customer", str(account.account_ref)) == []

    async def test_only_where_cards_are_kept(self, desk: Desk) -> None:
        with pytest.raises(CardsNotKeptError):
            await pay_and_keep(desk, method="sandbox")


class TestApi:
    async def test_the_whole_way(self, desk: Desk, stripe_server: StripeServer, stripe_http: httpx.AsyncClient) -> None:
        here = "/api/v1/users/me/cards"
        seen = (await stripe_http.get(here)).json()
        assert (seen["items"], seen["can_be_kept"]) == ([], True)
        assert desk.practice.name in seen["consent"]
        assert (await stripe_http.post(here, json={"consent": False})).json()["code"] == "consent_needed"
        answer = await stripe_http.post(here, json={"consent": True, "return_url": "https://evil.example"})
        assert answer.status_code == 422
        made = (await stripe_http.post(here, json={"consent": True, "return_url": "/account/cards"})).json()
        assert (made["status"], made["next_url"].startswith(stripe_server.url)) == ("pending", True)
        (card,) = await cards_of(desk)
        stripe_server.pay(str(card.setup_ref))
        assert (await stripe_http.post(f"{here}/{made['id']}/confirm")).json()["status"] == "active"
        assert [one["last_four"] for one in (await stripe_http.get(here)).json()["items"]] == ["4242"]
        assert (await stripe_http.delete(f"{here}/{made['id']}")).status_code == 204
        assert (await stripe_http.delete(f"{here}/{made['id']}")).status_code == 404
        assert (await stripe_http.get(here)).json()["items"] == []

    async def test_another_clients_is_not_found(
        self, desk: Desk, stripe_server: StripeServer, stripe_http: httpx.AsyncClient, http: object
    ) -> None:
        card = await give(desk, stripe_server)
        stranger = await make_client(desk.runtime, desk.practice)
        stripe_http.headers.update(stranger.headers)
        here = f"/api/v1/users/me/cards/{card.id}"
        assert (await stripe_http.post(f"{here}/confirm")).status_code == 404
        assert (await stripe_http.delete(here)).status_code == 404
        assert (await stripe_http.get("/api/v1/users/me/cards")).json()["items"] == []
        assert await chargeable(desk) is not None


@pytest.mark.parametrize(
    ("now", "is_expired"),
    [
        (datetime(2026, 11, 30, 23, tzinfo=UTC), False),
        (datetime(2026, 12, 1, 11, tzinfo=UTC), False),  # it is November yet on islands of the Pacific
        (datetime(2026, 12, 1, 13, tzinfo=UTC), True),
        (datetime(2027, 1, 1, tzinfo=UTC), True),
    ],
)
def test_a_card_is_good_until_its_month_is_over_everywhere(now: datetime, is_expired: bool) -> None:
    assert SavedCard(expires_month=11, expires_year=2026).is_expired(now) is is_expired
    assert not SavedCard().is_expired(now)
