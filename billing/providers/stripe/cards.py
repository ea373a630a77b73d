"""Cards that Stripe keeps: given on its page, charged while the customer is away, forgotten again."""

import contextlib
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from billing.providers.port import (
    CardOnFile,
    CardReading,
    CardRequest,
    CardStarted,
    DeclinedError,
    ObjectNotFoundError,
    ProviderMisconfiguredError,
    ProviderState,
    Started,
    StartRequest,
)
from billing.providers.stripe.amounts import to_stripe
from billing.providers.stripe.client import StripeApi
from billing.providers.stripe.snapshots import CARD, OFF_SESSION, REFUSED, card_reading_of, failure_of

LONGEST: Final = timedelta(hours=23, minutes=55)
"""How long a session of Stripe's stays open; it takes 24 hours at most."""
_LOCALES: Final = frozenset({"es", "en"})
_UNANSWERED: Final = frozenset({"requires_payment_method", "requires_confirmation", "requires_action"})


class StripeCards:
    """The kept cards of one account.

    Each is the one card of a customer of Stripe's that was made for it and bears no name, so that forgetting the card
    is to delete that customer.
    """

    def __init__(self, api: StripeApi) -> None:
        self._api = api

    async def _customer(self, card_id: UUID) -> str:
        create = self._api.client.v1.customers.create
        made = await self._api.write(create, key=f"customer:{card_id}", params={"metadata": {CARD: str(card_id)}})
        return made.id

    async def keep_with(self, card_id: UUID) -> dict[str, str]:
        """What a payment intent is to say, so that its card is kept for charges while the customer is away."""
        return {"customer": await self._customer(card_id), "setup_future_usage": "off_session"}

    async def start_card(self, request: CardRequest) -> CardStarted:
        """A hosted page in mode ``setup``: the bank is asked for its blessing, nothing is paid."""
        metadata = {CARD: str(request.card_id)}
        params: dict[str, Any] = {
            "mode": "setup",
            "allowed_payment_method_types": ["card"],
            "customer": await self._customer(request.card_id),
            "metadata": metadata,
            "setup_intent_data": {"metadata": metadata},
            "success_url": request.return_url,
            "cancel_url": request.cancel_url,
            "expires_at": int((request.made_at + LONGEST).timestamp()),
            "locale": locale_of(request.locale),
        }
        create = self._api.client.v1.checkout.sessions.create
        session = await self._api.write(create, key=f"card:{request.card_id}", params=params)
        return CardStarted(session.id, session.url)

    async def fetch_card(self, setup_ref: str) -> CardReading:
        """The session with its setup intent and the card in it. Raises :class:`ObjectNotFoundError`."""
        retrieve = self._api.client.v1.checkout.sessions.retrieve
        found = await self._api.read(retrieve, setup_ref, expand=["setup_intent.payment_method"])
        return card_reading_of(found.to_dict())

    async def forget_card(self, card: CardOnFile) -> None:
        """Delete the customer, and with it the card; payments that were made stay and can be refunded."""
        with contextlib.suppress(ObjectNotFoundError):
            await self._api.delete(self._api.client.v1.customers.delete, card.customer_ref)

    async def start_charge(self, request: StartRequest, card: CardOnFile, echo: Mapping[str, Any]) -> Started:
        """An intent over a kept card that is not confirmed yet: :meth:`charge` does that, and only then money moves.

        ``echo``: our metadata and the platform's fee. Raises :class:`DeclinedError` for a card that is gone.
        """
        params: dict[str, Any] = {
            **echo,
            "amount": to_stripe(request.amount),
            "currency": request.amount.currency.lower(),
            "customer": card.customer_ref,
            "payment_method": card.method_ref,
            "allowed_payment_method_types": ["card"],
            "description": request.description,
            "metadata": {**echo["metadata"], OFF_SESSION: "yes"},
        }
        create = self._api.client.v1.payment_intents.create
        try:
            intent = (await self._api.write(create, key=request.idempotency_key, params=params)).to_dict()
        except ObjectNotFoundError as error:
            raise DeclinedError(error.code) from error
        return Started(intent["id"], ProviderState.AWAITING_CUSTOMER, str(intent["status"]))

    async def charge(self, intent: Mapping[str, Any], key: str) -> str | None:
        """Confirm an intent of :meth:`start_charge`; end it if the card is refused, and answer why it was.

        Nobody is there who could answer the bank's question or take another card. Repeating it is harmless, whatever
        became of keys: an intent takes money once.
        """
        intents = self._api.client.v1.payment_intents
        failure: str | None = None
        if intent["status"] == "requires_confirmation":
            try:
                await self._api.write(intents.confirm, intent["id"], key=key, params={"off_session": True})
            except (DeclinedError, ProviderMisconfiguredError, ObjectNotFoundError) as error:
                failure = error.code  # the last: the card was forgotten meanwhile
            intent = (await self._api.read(intents.retrieve, intent["id"])).to_dict()
        if intent["status"] not in _UNANSWERED:
            return failure
        with contextlib.suppress(ProviderMisconfiguredError):  # in no state to be ended: reading it says why
            params = {"cancellation_reason": REFUSED}
            await self._api.write(intents.cancel, intent["id"], key=f"{key}:end", params=params)
        return failure or failure_of(intent) or str(intent["status"])


def locale_of(locale: str) -> str:
    """The language of Stripe's page."""
    return locale if locale in _LOCALES else "auto"
