"""The card that a client has kept for no-show fees: its page, and the offer to keep the one of a payment."""

import contextlib
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.responses import Response

from billing.cards import giving, service
from billing.cards.consent import consent_sentence
from billing.cards.errors import CardsNotKeptError
from billing.cards.models import CardStatus
from billing.checkout.return_urls import resolve_way_back
from billing.payments.errors import ProviderUnavailableError
from client_portal.page import ClientPage, SignedIn, VisitorPage
from client_portal.paying import leave
from notifications.formats import describe
from todoenbalance.kit import clock
from todoenbalance.kit.errors import NotFoundError, ProblemError
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.money import Money
from todoenbalance.kit.pages.forms import Form
from todoenbalance.kit.pages.redirects import see_other

router = APIRouter(prefix="/account/cards", include_in_schema=False)

_HERE = "/account/cards"
_PROBLEMS: dict[str, type[ProblemError]] = {
    problem.code: problem for problem in (CardsNotKeptError, ProviderUnavailableError)
}


def _(message: str) -> str:
    """Marks a sentence for the catalogue; it is translated when it is shown."""
    return message


_TOLD = {
    "kept": ("good", _("Your card is kept.")),
    "waiting": ("waiting", _("We have not heard yet that your card is kept. Look again in a few minutes.")),
    "failed": ("waiting", _("No card was kept. You can try again.")),
    "removed": ("good", _("Your card is removed. It can't be charged any more.")),
}
_AFTER = {
    CardStatus.ACTIVE: "kept",
    CardStatus.PENDING: "waiting",
    CardStatus.FAILED: "failed",
    CardStatus.REMOVED: "removed",
}


@dataclass(frozen=True, slots=True)
class CardOffer:
    """What is said of cards where a no-show fee is agreed to.

    ``consent``: the sentence to agree to before the card of a payment is kept, None where none can be. ``told``: that
    the fee is charged to the card that is kept already.
    """

    consent: str | None = None
    told: tuple[str, ...] = ()


async def offer_card(page: VisitorPage, fee_minor: int | None, currency: str, methods: list[str]) -> CardOffer:
    """For a service or an appointment with that no-show fee (None or 0: nothing is said)."""
    if page.client is None or not fee_minor:
        return CardOffer()
    settings = page.runtime.settings
    kept = await service.find_chargeable(page.session, settings, page.client.id)
    if kept is not None and not kept.is_expired(clock.now()):
        fee = Money(fee_minor, currency).format(page.locale)
        sentence = page.t(
            "If you don't come, the fee of %(amount)s is charged to your card %(card)s.", amount=fee, card=kept.label
        )
        return CardOffer(told=(sentence,))
    if service.METHOD not in methods or await service.find_keeping_account(page.session, settings) is None:
        return CardOffer()
    return CardOffer(consent=consent_sentence(page.tenant.name, page.locale))


@router.get("")
async def show_card(
    page: SignedIn,
    done: Annotated[str, Query(max_length=20)] = "",
    problem: Annotated[str, Query(max_length=60)] = "",
) -> Response:
    """The card that is kept, if one is, and how to have one kept."""
    known = _PROBLEMS.get(problem)
    sentence = known().detail(page.locale) if known is not None else None
    return await _render(page, page.blank_form(), done=done, sentence=sentence)


async def _render(
    page: ClientPage,
    form: Form,
    problem: ProblemError | None = None,
    *,
    done: str = "",
    sentence: str | None = None,
) -> Response:
    settings = page.runtime.settings
    card = next(iter(await service.list_cards(page.session, page.client.id)), None)
    account = await service.find_keeping_account(page.session, settings)
    tag, told = _TOLD.get(done, ("", None))
    values: dict[str, Any] = {
        "card": card,
        "agreed": describe(card.consented_at, page.timezone, page.locale).day if card is not None else None,
        "is_expired": card is not None and card.is_expired(clock.now()),
        "is_chargeable": await service.find_chargeable(page.session, settings, page.client.id) is not None,
        "consent": consent_sentence(page.tenant.name, page.locale) if account is not None else None,
        "told": page.t(told) if told is not None else None,
        "told_tag": tag,
        "sentence": sentence,
    }
    if problem is not None:
        return page.render_refused("cards.html", form, problem, **values)
    return page.render("cards.html", form=form, **values)


@router.post("")
async def add_card(page: SignedIn) -> Response:
    """Write down that they agreed, and send the browser where the card is given."""
    form = await page.read_form()
    if form.get("consent") != "yes":
        form.add_error("consent", "needed")
    try:
        form.raise_errors()
    except ProblemError as problem:
        return await _render(page, form, problem)
    card_id = new_id()
    return_url, cancel_url = (
        resolve_way_back(path, "return_url", page.runtime.settings, page.tenant)
        for path in (f"{_HERE}/{card_id}/return", _HERE)
    )
    await page.runtime.database.commit(page.session)  # the provider is not called inside a transaction
    try:
        card = await giving.start_card(
            page.runtime, page.tenant, page.client.id, page.locale, return_url, cancel_url, card_id=card_id
        )
    except (CardsNotKeptError, ProviderUnavailableError) as problem:
        return see_other(f"{_HERE}?problem={problem.code}")
    return leave(page, card.next_url, "card_leaving.html") if card.next_url is not None else see_other(_HERE)


@router.get("/{card_id}/return")
async def come_back(page: SignedIn, card_id: UUID) -> Response:
    """Back from the provider: what it says of the card is written down now."""
    await page.runtime.database.commit(page.session)  # as above
    try:
        card = await giving.confirm_card(page.runtime, page.tenant, page.client.id, card_id)
    except ProviderUnavailableError as problem:
        return see_other(f"{_HERE}?problem={problem.code}")
    return see_other(f"{_HERE}?done={_AFTER[CardStatus(card.status)]}")


@router.post("/{card_id}/remove")
async def remove_card(page: SignedIn, card_id: UUID) -> Response:
    """Take it back: it can't be charged any more, and the provider forgets it."""
    await page.read_form()
    card = await service.get_card(page.session, card_id, client_id=page.client.id)
    with contextlib.suppress(NotFoundError):  # the button was pressed twice
        await service.remove_card(page.session, page.client.id, card.id)
    return see_other(f"{_HERE}?done=removed")
