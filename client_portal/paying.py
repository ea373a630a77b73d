"""The way to a payment provider and back."""

from collections.abc import Mapping
from urllib.parse import urlsplit
from uuid import UUID

from starlette.responses import Response

from billing.cards.service import METHOD as KEEPS_CARDS
from billing.checkout import service as checkout
from billing.checkout.schemas import PaymentCreate, Purpose, RedirectAction
from billing.payments.models import PaymentStatus
from client_portal.page import ClientPage
from client_portal.views import payments_of
from todoenbalance.kit.errors import ProblemError
from todoenbalance.kit.pages.forms import Form
from todoenbalance.kit.pages.guard import own_origin
from todoenbalance.kit.pages.redirects import see_other

_UNDECIDED = (PaymentStatus.REQUIRES_ACTION, PaymentStatus.PROCESSING)


async def start_paying(page: ClientPage, appointment_id: UUID, form: Form, purpose: Purpose) -> Response:
    """Begin to pay for an appointment. Whatever goes wrong, its page says how things stand and offers to try again.

    ``form``: the way to pay, and whether the card may be kept, which says nothing where another way was chosen.
    """
    method = form.get("method")
    keeps_card = method == KEEPS_CARDS and form.get("save_card") == "yes"
    wanted = {"appointment_id": appointment_id, "purpose": purpose, "save_card": keeps_card}
    return await start_paying_for(page, f"/appointments/{appointment_id}", method, wanted)


async def start_paying_for(page: ClientPage, here: str, method: str, what: Mapping[str, object]) -> Response:
    """Begin to pay and send the browser where that goes on. Commits first: no provider is called inside a transaction.

    ``here`` is the page of what is paid for, to which everything comes back.
    """
    await page.runtime.database.commit(page.session)
    try:
        form = page.blank_form()
        wanted = form.parse(
            PaymentCreate,
            {
                **what,
                "method": method,
                "return_url": f"{here}/return",
                "cancel_url": here,
            },
        )
        # In the language of this page: what a client agrees to is kept in the words that they read.
        payment = await checkout.start_checkout(page.runtime, page.tenant, page.client.id, wanted, locale=page.locale)
    except ProblemError as problem:
        return see_other(f"{here}?problem={problem.code}")
    if not isinstance(payment.next_action, RedirectAction):
        return see_other(here)
    return leave(page, payment.next_action.url)


def leave(page: ClientPage, url: str, template: str = "leaving.html") -> Response:
    """Straight there on this host; to another one over a page of ours.

    Browsers hold the redirect that answers a form to ``form-action`` (CSP 3, 6.4.1), which names this host alone.
    """
    parts = urlsplit(url)
    if f"{parts.scheme}://{parts.netloc}" == own_origin(page.request, page.runtime.settings):
        return see_other(url)
    return page.render(template, url=url, host=parts.hostname)


async def settle_payments(page: ClientPage, payable_id: UUID) -> bool:
    """Settle what can be settled of the undecided payments of something; whether one is still undecided.

    Commits first, as the provider is asked.
    """
    open_ids = [payment.id for payment in await payments_of(page, payable_id) if payment.status in _UNDECIDED]
    await page.runtime.database.commit(page.session)
    undecided = False
    for payment_id in open_ids:
        try:
            payment = await checkout.confirm_payment(page.runtime, page.tenant, page.client.id, payment_id)
        except ProblemError:
            undecided = True
        else:
            undecided |= payment.method != "offline" and payment.status in _UNDECIDED
    return undecided
