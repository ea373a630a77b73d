"""Accounts of practices at the local Stripe: the page on which they are filled in, what is due, what is embedded."""

from collections.abc import Iterator

import httpx
import pytest
import stripe

from tests.support.providers.stripe_server import StripeServer


@pytest.fixture
def browser() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False) as made:
        yield made


@pytest.fixture
def account(platform: stripe.StripeClient) -> stripe.Account:
    """One that nobody has filled in."""
    return platform.v1.accounts.create(
        {
            "country": "ES",
            "controller": {
                "fees": {"payer": "account"},
                "losses": {"payments": "stripe"},
                "requirement_collection": "stripe",
                "stripe_dashboard": {"type": "full"},
            },
        }
    )


def link_of(platform: stripe.StripeClient, account: stripe.Account) -> str:
    """A page to fill it in on."""
    link = platform.v1.account_links.create(
        {
            "account": account.id,
            "type": "account_onboarding",
            "return_url": "https://practice.test/return",
            "refresh_url": "https://practice.test/refresh",
        }
    )
    return link.url


def test_a_new_account_says_what_is_due_and_can_t_charge(account: stripe.Account) -> None:
    assert account.type == "standard"
    assert account.charges_enabled is False
    assert account.requirements is not None
    assert account.requirements.currently_due


def test_filled_in_on_the_page_it_can(
    stripe_server: StripeServer, platform: stripe.StripeClient, account: stripe.Account, browser: httpx.Client
) -> None:
    page = link_of(platform, account)

    assert "onboarding" in browser.get(page).text
    back = browser.post(page, data={"action": "finish"}).headers["location"]

    assert back == "https://practice.test/return"
    assert platform.v1.accounts.retrieve(account.id).charges_enabled is True
    assert [it["type"] for it in stripe_server.events(account.id)] == ["account.updated"]


def test_coming_back_early_changes_nothing_and_a_link_works_once(
    platform: stripe.StripeClient, account: stripe.Account, browser: httpx.Client
) -> None:
    page = link_of(platform, account)

    assert browser.post(page, data={"action": "leave"}).headers["location"] == "https://practice.test/return"
    assert browser.get(page).headers["location"] == "https://practice.test/refresh"
    assert platform.v1.accounts.retrieve(account.id).charges_enabled is False


def test_what_is_due_later_has_a_day_and_then_stops_charges(
    stripe_server: StripeServer, client: stripe.StripeClient, platform: stripe.StripeClient, practice: str
) -> None:
    stripe_server.require(practice, ("external_account",), deadline=1_900_000_000)
    soon = platform.v1.accounts.retrieve(practice)
    stripe_server.require(
        practice,
        ("external_account",),
        past_due=("external_account",),
        disabled_reason="requirements.past_due",
    )
    late = client.v1.accounts.retrieve_current()

    assert soon.requirements is not None
    assert (soon.charges_enabled, soon.requirements.current_deadline) == (True, 1_900_000_000)
    assert late.requirements is not None
    assert (late.charges_enabled, late.requirements.disabled_reason) == (False, "requirements.past_due")


def test_the_platform_gives_an_account_back(
    stripe_server: StripeServer, platform: stripe.StripeClient, client: stripe.StripeClient, practice: str
) -> None:
    given = platform.oauth.deauthorize({"stripe_user_id": practice})

    assert given.stripe_user_id == practice
    with pytest.raises(stripe.PermissionError):
        client.v1.balance.retrieve()
    assert stripe_server.events(practice)[-1]["type"] == "account.application.deauthorized"
    with pytest.raises(stripe.oauth_error.InvalidClientError):
        platform.oauth.deauthorize({"stripe_user_id": practice})


def test_a_dashboard_of_its_own_needs_no_login_link(platform: stripe.StripeClient, practice: str) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        platform.v1.accounts.login_links.create(practice)


def test_components_are_switched_on_by_name(platform: stripe.StripeClient, practice: str) -> None:
    session = platform.v1.account_sessions.create({"account": practice, "components": {"payments": {"enabled": True}}})

    assert session.components.payments.enabled is True
    assert session.components.payouts.enabled is False


def test_the_customer_portal_ends_a_subscription_at_its_end(
    platform: stripe.StripeClient, browser: httpx.Client
) -> None:
    customer = platform.v1.customers.create({"payment_method": "pm_card_visa"})
    card = platform.v1.customers.payment_methods.list(customer.id).data[0]
    price = platform.v1.prices.create(
        {
            "currency": "eur",
            "unit_amount": 2900,
            "recurring": {"interval": "month"},
            "product_data": {"name": "Practice plan"},
        }
    )
    subscription = platform.v1.subscriptions.create(
        {"customer": customer.id, "items": [{"price": price.id}], "default_payment_method": card.id}
    )
    portal = platform.v1.billing_portal.sessions.create(
        {"customer": customer.id, "return_url": "https://operator.test/plan"}
    )

    back = browser.post(portal.url, data={"action": "cancel"}).headers["location"]

    after = platform.v1.subscriptions.retrieve(subscription.id)
    assert back == "https://operator.test/plan"
    assert (after.status, after.cancel_at_period_end) == ("active", True)
