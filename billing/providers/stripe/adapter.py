"""One practice's account at Stripe: Checkout sessions and payment intents as direct charges, refunds, disputes.

The account is given once and never changes between calls. Amounts, states and errors leave here in the port's words.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from billing.accounts.models import AccountKind
from billing.accounts.service import AccountAccess
from billing.providers.port import (
    Capabilities,
    CardOnFile,
    CardReading,
    CardRequest,
    CardStarted,
    DeclinedError,
    EventSubject,
    Flow,
    InvalidSignatureError,
    ObjectNotFoundError,
    OutcomeUnknownError,
    ProviderMisconfiguredError,
    ProviderState,
    RefundOrder,
    RefundResult,
    Snapshot,
    Started,
    StartRequest,
    VerifiedEvent,
)
from billing.providers.stripe.amounts import from_stripe, to_stripe
from billing.providers.stripe.cards import LONGEST, StripeCards, locale_of
from billing.providers.stripe.client import OTHER_WORDS, StripeApi, api_of, platform_api
from billing.providers.stripe.events import ATTEMPT, event_of, read_event
from billing.providers.stripe.snapshots import (
    REFUND,
    charge_in,
    charges_kept_card,
    refund_seen,
    refund_state,
    snapshot_of,
)
from todoenbalance.kit import clock
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import PaymentMode

NAME: Final = "stripe"
_SESSION: Final = "cs_"
SHORTEST: Final = timedelta(minutes=45)
"""From when the attempt was written down: Stripe wants 30 minutes from when it hears of it, which may be later. A hold
that is shorter ends by an explicit ``expire``."""
_EXPANDED: Final = ("latest_charge.balance_transaction",)
_PAGE: Final = 100
MOST_LISTED: Final = 2000
"""How far a list is read: more refunds of a charge, or events that never came, than there can be in earnest."""


class StripeProvider:
    """The practice's account. Raises :class:`ProviderMisconfiguredError` where its keys work in another mode."""

    def __init__(self, runtime: Runtime, access: AccountAccess) -> None:
        self._settings = runtime.settings
        self._access = access
        self._api: StripeApi = api_of(runtime.settings, access)
        self._cards = StripeCards(self._api)

    @property
    def name(self) -> str:
        """The method's name in the API."""
        return NAME

    @property
    def _is_connected(self) -> bool:
        return self._access.kind is AccountKind.CONNECT

    def capabilities(self) -> Capabilities:
        """Everything; a fee for the platform is taken of connected accounts only."""
        return Capabilities(
            online=True,
            webhooks=True,
            partial_refund=True,
            platform_fee=self._is_connected,
            elements=True,
            saves_cards=True,
        )

    async def start(self, request: StartRequest) -> Started:
        """A hosted page, or an intent for the Payment Element. The same attempt gets the same one again.

        What is asked is worked out from the attempt alone, so that a repetition under the same key says the same.
        """
        if request.card is not None:
            fee = self._fee(request)
            return await self._cards.start_charge(request, request.card, {"metadata": self._echo(request), **fee})
        keeping = await self._cards.keep_with(request.saves_card_id) if request.saves_card_id is not None else {}
        if request.flow is Flow.ELEMENTS:
            return await self._start_intent(request, keeping)
        v1 = self._api.client.v1
        expires_at = _expiry(request)
        params: dict[str, Any] = {
            "mode": "payment",
            "line_items": [
                {
                    "quantity": 1,
                    "price_data": {
                        "currency": request.amount.currency.lower(),
                        "unit_amount": to_stripe(request.amount),
                        "product_data": {"name": request.description},
                    },
                }
            ],
            "client_reference_id": str(request.attempt_id),
            "metadata": self._echo(request),
            "payment_intent_data": {"metadata": self._echo(request), **self._fee(request)},
            "success_url": request.return_url,
            "cancel_url": request.cancel_url,
            "expires_at": int(expires_at.timestamp()),
            "locale": locale_of(request.locale),
        }
        if keeping:
            params["customer"] = keeping["customer"]
            params["payment_intent_data"]["setup_future_usage"] = keeping["setup_future_usage"]
        made = await self._api.write(v1.checkout.sessions.create, key=request.idempotency_key, params=params)
        session = made.to_dict()
        return Started(
            provider_ref=session["id"],
            state=ProviderState.AWAITING_CUSTOMER,
            provider_status=str(session["status"]),
            next_action={"type": "redirect", "url": session["url"]} if session.get("url") else None,
            expires_at=datetime.fromtimestamp(session["expires_at"], UTC),
        )

    async def _start_intent(self, request: StartRequest, keeping: Mapping[str, str]) -> Started:
        params: dict[str, Any] = {
            "amount": to_stripe(request.amount),
            "currency": request.amount.currency.lower(),
            "automatic_payment_methods": {"enabled": True},
            "description": request.description,
            "metadata": self._echo(request),
            **self._fee(request),
            **keeping,
        }
        create = self._api.client.v1.payment_intents.create
        intent = (await self._api.write(create, key=request.idempotency_key, params=params)).to_dict()
        return Started(
            provider_ref=intent["id"],
            state=ProviderState.AWAITING_CUSTOMER,
            provider_status=str(intent["status"]),
            next_action={
                "type": "stripe_elements",
                "client_secret": intent["client_secret"],
                "publishable_key": self._publishable_key(),
                **({"stripe_account": str(self._access.account_ref)} if self._is_connected else {}),
            },
            expires_at=request.expires_at,
        )

    async def start_card(self, request: CardRequest) -> CardStarted:
        """See :class:`StripeCards`."""
        return await self._cards.start_card(request)

    async def fetch_card(self, setup_ref: str) -> CardReading:
        """See :class:`StripeCards`."""
        return await self._cards.fetch_card(setup_ref)

    async def forget_card(self, card: CardOnFile) -> None:
        """See :class:`StripeCards`."""
        await self._cards.forget_card(card)

    def _publishable_key(self) -> str:
        if self._is_connected:
            return self._settings.providers.stripe.publishable_key
        return self._access.publishable_key or ""

    def _echo(self, request: StartRequest) -> dict[str, str]:
        return {ATTEMPT: str(request.attempt_id)}

    def _fee(self, request: StartRequest) -> dict[str, int]:
        """The platform's fee; only a connected account shares its payments out."""
        if not self._is_connected or request.platform_fee_minor <= 0:
            return {}
        return {"application_fee_amount": to_stripe(replace(request.amount, amount=request.platform_fee_minor))}

    async def fetch(self, provider_ref: str) -> Snapshot:
        """The order with its charge, and with the charge's refunds and disputes where there is one."""
        return await self._snapshot(await self._order(provider_ref))

    async def _snapshot(self, order: Mapping[str, Any]) -> Snapshot:
        charge = charge_in(order)
        if charge is None:
            return snapshot_of(order, None, None, None)
        refunds = await self._refunds(charge["id"])
        disputes = (
            await self._list(self._api.client.v1.disputes.list, charge=charge["id"]) if charge.get("disputed") else ()
        )
        snapshot = snapshot_of(order, refunds, disputes, await self._fee_object(charge) if refunds else None)
        # An account with its own keys knows nothing of our fee: it is noted here and invoiced by the month.
        return snapshot if self._is_connected else replace(snapshot, fee_minor=None, fee_returned_minor=None)

    async def _order(self, provider_ref: str) -> dict[str, Any]:
        v1 = self._api.client.v1
        if provider_ref.startswith(_SESSION):
            expand = [f"payment_intent.{name}" for name in _EXPANDED]
            found = await self._api.read(v1.checkout.sessions.retrieve, provider_ref, expand=expand)
            return found.to_dict()
        intent = await self._api.read(v1.payment_intents.retrieve, provider_ref, expand=list(_EXPANDED))
        return intent.to_dict()

    async def _fee_object(self, charge: Mapping[str, Any]) -> dict[str, Any] | None:
        """The platform's fee on a charge: it is the platform's object, and tells what of it went back."""
        fee = charge.get("application_fee")
        if not fee or not self._is_connected:
            return None
        api = platform_api(self._settings)
        found = await api.read(api.client.v1.application_fees.retrieve, fee if isinstance(fee, str) else fee["id"])
        return found.to_dict()

    async def settle(self, provider_ref: str, *, idempotency_key: str) -> Snapshot:
        """The same as :meth:`fetch`, as Stripe captures by itself; a kept card is charged by this.

        Nobody is there who could answer the bank's question or take another card, so an intent whose card is refused
        is ended. The intent itself takes money once, whatever became of keys.
        """
        order = await self._order(provider_ref)
        if not charges_kept_card(order):
            return await self._snapshot(order)
        failure = await self._cards.charge(order, idempotency_key)
        snapshot = await self.fetch(provider_ref)
        is_refused = snapshot.state is ProviderState.DECLINED
        return replace(snapshot, failure_code=failure or snapshot.failure_code) if is_refused else snapshot

    async def cancel(self, provider_ref: str, *, idempotency_key: str) -> Snapshot:
        """Expire an open session, cancel an unpaid intent; one that was paid meanwhile comes back as captured."""
        v1 = self._api.client.v1
        end = v1.checkout.sessions.expire if provider_ref.startswith(_SESSION) else v1.payment_intents.cancel
        before = await self.fetch(provider_ref)
        if before.state is ProviderState.AWAITING_CUSTOMER:
            # What is no longer in a state in which it can be ended is read: it says what happened.
            with contextlib.suppress(ProviderMisconfiguredError):
                await self._api.write(end, provider_ref, key=idempotency_key, params={})
            return await self.fetch(provider_ref)
        return before

    async def refund(self, order: RefundOrder) -> RefundResult:
        """Give back part of a charge, and the fee's share with it.

        A fee goes back only where one was taken: asking for it on a charge without is an error at Stripe. A refund that
        was made before is found by our own id, however old its key is.
        """
        v1 = self._api.client.v1
        charge_ref = order.charge_ref or (await self.fetch(order.provider_ref)).charge_ref
        if charge_ref is None:
            raise ObjectNotFoundError("charge_not_found")
        known = await self._find_refund(charge_ref, order.refund_id)
        if known is not None:
            return await self._result(known)
        params: dict[str, Any] = {
            "charge": charge_ref,
            "amount": to_stripe(order.amount),
            "metadata": {REFUND: str(order.refund_id)},
        }
        if order.returns_fee and self._is_connected:
            params["refund_application_fee"] = True
        try:
            made = (await self._api.write(v1.refunds.create, key=order.idempotency_key, params=params)).to_dict()
        except ProviderMisconfiguredError as error:
            if error.code == OTHER_WORDS:  # asked before, in other words: it may have been made, so look again
                raise OutcomeUnknownError(error.code) from error
            raise DeclinedError(error.code) from error  # a definite no (disputed, refunded already): nothing was made
        return await self._result(made)

    async def _find_refund(self, charge_ref: str, refund_id: UUID) -> dict[str, Any] | None:
        """One that was made before, by our own id: Stripe replays a failure for a day, then forgets the key."""
        for refund in await self._refunds(charge_ref):
            if refund_seen(refund).refund_id == refund_id:
                return refund
        return None

    async def _refunds(self, charge_ref: str) -> list[dict[str, Any]]:
        """All refunds of a charge, the newest first."""
        return await self._list(self._api.client.v1.refunds.list, charge=charge_ref)

    async def _list(self, listing: Callable[..., Any], most: int = MOST_LISTED, **params: Any) -> list[dict[str, Any]]:
        """Page by page, up to ``most``."""
        found: list[dict[str, Any]] = []
        while len(found) < most:
            page = await self._api.read(listing, limit=_PAGE, **params)
            found += [one.to_dict(for_json=True) for one in page.data]
            if not page.has_more:
                break
            params["starting_after"] = found[-1]["id"]
        return found

    async def fetch_refund(self, provider_ref: str, refund_ref: str) -> RefundResult:
        """How a refund stands."""
        found = await self._api.read(self._api.client.v1.refunds.retrieve, refund_ref)
        return await self._result(found.to_dict())

    async def _result(self, refund: Mapping[str, Any]) -> RefundResult:
        """With what went back of the fee so far, read from the fee itself."""
        charge_ref = refund.get("charge")
        fee = None
        if self._is_connected and isinstance(charge_ref, str):
            charge = await self._api.read(self._api.client.v1.charges.retrieve, charge_ref)
            fee = await self._fee_object(charge.to_dict())
        currency = str(refund["currency"]).upper()
        return RefundResult(
            refund_state(refund),
            refund["id"],
            str(refund["status"]),
            failure_code=str(refund["failure_reason"])[:60] if refund.get("failure_reason") else None,
            fee_returned_total_minor=from_stripe(fee["amount_refunded"], currency) if fee is not None else None,
        )

    async def read_webhook(self, headers: Mapping[str, str], body: bytes) -> VerifiedEvent:
        """An event of a practice's own account. Connected accounts' come to one address for all of them."""
        secret = self._access.webhook_secret
        if self._is_connected or not secret:
            raise InvalidSignatureError("no_endpoint")
        event = read_event(headers, body, [secret], now=clock.now())
        if event.account_ref is not None:
            raise InvalidSignatureError("names_another_account")
        return self._ours(event)

    def _ours(self, event: VerifiedEvent) -> VerifiedEvent:
        """As an event of this account; one of the other mode is kept and does nothing."""
        is_known = event.is_known and event.is_live == (self._access.mode == PaymentMode.LIVE)
        subject = EventSubject.NOTHING if event.subject is EventSubject.PLATFORM else event.subject
        return replace(event, account_ref=self._access.account_ref, is_known=is_known, subject=subject)

    async def missed_events(self, since: datetime) -> Sequence[VerifiedEvent]:
        """Events that Stripe could not deliver to us; it lists them for 30 days."""
        listing = self._api.client.v1.events.list
        created = {"gte": int(since.timestamp())}
        listed = await self._list(listing, delivery_success=False, created=created)
        return [self._ours(event_of({**one, "account": self._access.account_ref})) for one in listed]


def _expiry(request: StartRequest) -> datetime:
    made_at = request.made_at or clock.now()
    wanted = request.expires_at or made_at + LONGEST
    return min(max(wanted, made_at + SHORTEST), made_at + LONGEST)
