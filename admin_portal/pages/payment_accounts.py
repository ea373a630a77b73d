"""Getting paid: the practice's accounts at Stripe and PayPal, the way to Stripe's onboarding and back."""

from typing import Any, Final
from urllib.parse import urlsplit

from fastapi import APIRouter
from starlette.responses import Response

from admin_portal.pages.page import SignedIn, StaffPage
from billing.accounts import connecting, disconnecting, overview, own_keys, paypal
from billing.accounts.authors import Author
from billing.accounts.following import check_now
from billing.accounts.overview import PROVIDERS
from billing.accounts.port import PAYPAL, STRIPE, OnboardingLink
from billing.accounts.schemas import PayPalPut, StripeKeysPut
from tenants.accounts.permissions import Permission
from todoenbalance.kit.errors import NotFoundError, ProblemError
from todoenbalance.kit.pages.forms import Form
from todoenbalance.kit.pages.redirects import see_other
from todoenbalance.kit.settings import PaymentMode

router = APIRouter(include_in_schema=False)

_PATH: Final = "/admin/payment-accounts"


def _(message: str) -> str:
    """Marks a sentence for the catalogue; it is translated when it is shown."""
    return message


STATUS_WORDS: Final = {
    "pending": _("Not finished yet"),
    "restricted": _("Needs your attention"),
    "active": _("Connected"),
    "disconnected": _("Disconnected"),
}
STATE_WORDS: Final = {
    "past_due": _("overdue"),
    "currently_due": _("due now"),
    "pending_verification": _("being checked"),
    "eventually_due": _("later"),
}
MODES: Final = {PaymentMode.LIVE: _("Real money"), PaymentMode.TEST: _("Test (sandbox)")}


@router.get("/payment-accounts")
async def show_payment_accounts(page: SignedIn) -> Response:
    """Each provider: how the account stands, what is due and until when, and what to do next."""
    page.need(Permission.MANAGE_PAYMENT_ACCOUNTS)
    page.need_fresh(_PATH)
    return await _render(page, None)


@router.post("/payment-accounts/stripe/connect")
async def connect_stripe(page: SignedIn) -> Response:
    """Begin, or go on with, the connection by way of the platform."""
    await _allowed(page)
    return await _go_to_stripe(page)


@router.get("/payment-accounts/stripe/return")
async def return_from_stripe(page: SignedIn) -> Response:
    """Back from Stripe: what was done there is asked, not taken from the address."""
    page.need(Permission.MANAGE_PAYMENT_ACCOUNTS)
    page.need_fresh(f"{_PATH}/stripe/return")
    await page.runtime.database.commit(page.session)  # it authenticated; no provider is called inside a transaction
    try:
        await check_now(page.runtime, page.tenant, STRIPE)
    except ProblemError as problem:
        return await _render(page, problem)
    return see_other(_PATH)


@router.get("/payment-accounts/stripe/refresh")
async def refresh_onboarding(page: SignedIn) -> Response:
    """Stripe sends whoever comes with a used or old link here: a new one to the same account.

    Over a page, not at once: following an address of ours must not lead anybody elsewhere by itself.
    """
    page.need(Permission.MANAGE_PAYMENT_ACCOUNTS)
    page.need_fresh(f"{_PATH}/stripe/refresh")
    await page.runtime.database.commit(page.session)  # it authenticated; no provider is called inside a transaction
    try:
        link = await connecting.continue_connection(page.runtime, page.tenant, _author(page), _hostname(page))
    except NotFoundError:
        return see_other(_PATH)
    except ProblemError as problem:
        return await _render(page, problem)
    return _leave(page, link)


@router.post("/payment-accounts/stripe/keys")
async def enter_keys(page: SignedIn) -> Response:
    """Keys of the practice's own Stripe account."""
    form = await _allowed(page)
    try:
        wish = form.parse(StripeKeysPut, form.optional("secret_key", "publishable_key"))
        await page.runtime.database.commit(page.session)  # it authenticated; no provider is called inside a transaction
        await own_keys.connect_own_keys(
            page.runtime,
            page.tenant,
            _author(page),
            secret_key=wish.secret_key.get_secret_value(),
            publishable_key=wish.publishable_key,
        )
    except ProblemError as problem:
        return await _render(page, problem, STRIPE, form)
    return see_other(_PATH)


@router.post("/payment-accounts/paypal")
async def enter_paypal(page: SignedIn) -> Response:
    """Credentials of the practice's own application at PayPal."""
    form = await _allowed(page)
    try:
        wish = form.parse(PayPalPut, form.optional("client_id", "client_secret", "mode"))
        await page.runtime.database.commit(page.session)  # it authenticated; no provider is called inside a transaction
        await paypal.connect_paypal(
            page.runtime,
            page.tenant,
            _author(page),
            client_id=wish.client_id,
            client_secret=wish.client_secret.get_secret_value(),
            mode=wish.mode,
        )
    except ProblemError as problem:
        return await _render(page, problem, PAYPAL, form)
    return see_other(_PATH)


@router.post("/payment-accounts/{name}/check")
async def check(page: SignedIn, name: str) -> Response:
    """Look at the account now."""
    await _allowed(page)
    provider = _known(name)
    await page.runtime.database.commit(page.session)  # it authenticated; no provider is called inside a transaction
    try:
        await check_now(page.runtime, page.tenant, provider)
    except ProblemError as problem:
        return await _render(page, problem)
    return see_other(_PATH)


@router.post("/payment-accounts/{name}/disconnect")
async def disconnect(page: SignedIn, name: str) -> Response:
    """Offer it to clients no more."""
    await _allowed(page)
    try:
        await disconnecting.disconnect(page.session, _author(page), _known(name))
    except NotFoundError:  # somebody was quicker
        return see_other(_PATH)
    return see_other(_PATH)


@router.post("/payment-accounts/{name}/forget")
async def forget(page: SignedIn, name: str) -> Response:
    """Forget the credentials of disconnected accounts now."""
    await _allowed(page)
    provider = _known(name)
    await page.runtime.database.commit(page.session)  # it authenticated; no provider is called inside a transaction
    try:
        await disconnecting.forget_credentials(page.runtime, page.tenant, _author(page), provider)
    except NotFoundError:
        return see_other(_PATH)
    except ProblemError as problem:
        return await _render(page, problem)
    return see_other(_PATH)


async def _allowed(page: StaffPage) -> Form:
    """The form that was sent, if they may send it."""
    form = await page.read_form()
    page.need(Permission.MANAGE_PAYMENT_ACCOUNTS)
    page.need_fresh(_PATH)
    return form


async def _go_to_stripe(page: StaffPage) -> Response:
    await page.runtime.database.commit(page.session)  # it authenticated; no provider is called inside a transaction
    try:
        link = await connecting.begin_connection(page.runtime, page.tenant, _author(page), _hostname(page))
    except ProblemError as problem:
        return await _render(page, problem)
    return _leave(page, link)


def _leave(page: StaffPage, link: OnboardingLink) -> Response:
    """Over a page of ours: browsers hold the redirect that answers a form to ``form-action`` (CSP 3, 6.4.1)."""
    return page.render("stripe_leaving.html", url=link.url, host=urlsplit(link.url).hostname)


async def _render(
    page: StaffPage, problem: ProblemError | None, provider: str | None = None, sent: Form | None = None
) -> Response:
    """The page; with what was wrong beside the field. What was typed in is shown again in no field:

    a secret may have got into any of them.
    """
    form = page.blank_form()
    if sent is not None:
        form.errors = sent.errors
    form.errors = dict(form.errors)
    blank = page.blank_form(mode=PaymentMode.LIVE)
    values: dict[str, Any] = {
        "providers": await overview.list_providers(page.session, page.runtime.settings, page.locale),
        "forms": {name: form if name == provider else blank for name in PROVIDERS},
        "refused": provider,
        "status_words": STATUS_WORDS,
        "state_words": STATE_WORDS,
        "modes": [(mode, page.t(text)) for mode, text in MODES.items()],
        "zone": page.zone,
    }
    if problem is not None:
        return page.render_refused("payment_accounts.html", form, problem, **values)
    return page.render("payment_accounts.html", form=blank, **values)


def _author(page: StaffPage) -> Author:
    return Author(page.staff.id, page.request_id)


def _hostname(page: StaffPage) -> str:
    return page.tenant.hostname


def _known(name: str) -> str:
    """Raises :class:`NotFoundError` for any other name, once it is known who asks."""
    if name not in PROVIDERS:
        raise NotFoundError
    return name
