"""How the terms of an appointment, what cancelling gives back, and its history go out."""

from collections.abc import Mapping
from datetime import datetime
from typing import Self
from uuid import UUID

from pydantic import BaseModel, Field

from scheduling.appointments.history import ActorKind
from scheduling.appointments.models import AppointmentChange
from scheduling.appointments.services.quoting import Quote
from scheduling.appointments.terms import Terms
from scheduling.catalogue.schemas import RefundTier
from todoenbalance.kit.money import MoneySchema


class TermsRead(BaseModel):
    """What was agreed to when it was booked. Later than every tier nothing comes back."""

    refund_tiers: list[RefundTier]
    cancel_notice_hours: int
    move_notice_hours: int

    @classmethod
    def of(cls, terms: Terms) -> Self:
        """From the terms of an appointment."""
        return cls(
            refund_tiers=[RefundTier(hours_before=one.hours_before, percent=one.percent) for one in terms.tiers],
            cancel_notice_hours=terms.cancel_notice_hours,
            move_notice_hours=terms.move_notice_hours,
        )


class QuoteRead(BaseModel):
    """What the client's cancelling now gives back. ``paid``: what is still here of their money."""

    can_cancel: bool = Field(description="Whether the caller may cancel it now.")
    can_move: bool = Field(description="Whether the caller may move it now.")
    cancel_until: datetime | None = Field(description="The client's last instant to cancel it; null: it is over.")
    move_until: datetime | None
    paid: MoneySchema
    refund: MoneySchema
    percent: int
    kept: MoneySchema
    changes_at: datetime | None = Field(description="The last instant at which this holds; null: it gets no worse.")
    no_show_fee: MoneySchema | None
    credit_back: bool | None = Field(
        description="Whether the session of a package would come back; null where it was not booked with one."
    )
    terms: TermsRead

    @classmethod
    def of(cls, quote: Quote) -> Self:
        """From what the rule said."""
        amounts = {name: getattr(quote, name) for name in ("paid", "refund", "kept", "no_show_fee")}
        money = {
            name: None if amount is None else MoneySchema.of(amount.amount, amount.currency)
            for name, amount in amounts.items()
        }
        as_is = ("can_cancel", "can_move", "cancel_until", "move_until", "percent", "changes_at", "credit_back")
        return cls(**{name: getattr(quote, name) for name in as_is}, **money, terms=TermsRead.of(quote.terms))


class ChangeRead(BaseModel):
    """A line of an appointment's history, for its client. ``who``: ``client``, ``practice`` or ``system``."""

    kind: str
    at: datetime
    who: str
    moved_from: datetime | None
    moved_to: datetime | None
    refund: MoneySchema | None
    no_show_fee: MoneySchema | None

    @classmethod
    def of(cls, change: AppointmentChange, currency: str) -> Self:
        """Without who at the practice it was, and without why."""
        who = "practice" if change.actor_kind == ActorKind.STAFF else change.actor_kind
        return cls(who=who, **_facts(change, currency))


class Doer(BaseModel):
    """Who did it. ``name``: null for the system, and for those who may not be known."""

    kind: ActorKind
    id: UUID | None
    name: str | None


class AdminChangeRead(BaseModel):
    """A line of an appointment's history, for staff. Amounts are null for those who may not see payments."""

    kind: str
    at: datetime
    who: Doer
    moved_from: datetime | None
    moved_to: datetime | None
    from_practitioner_id: UUID | None
    to_practitioner_id: UUID | None
    refund: MoneySchema | None
    policy_refund: MoneySchema | None = Field(
        description="Where staff cancelled because the client asked: what their terms gave back."
    )
    no_show_fee: MoneySchema | None
    how: str | None = Field(description="Of a confirmation: `paid`, `offline` (at the practice), `approved`.")
    on_behalf_of_client: bool
    outside_hours: bool
    overlapping: bool
    reason: str | None

    @classmethod
    def of(
        cls,
        change: AppointmentChange,
        currency: str,
        names: Mapping[UUID, str],
        *,
        shows_money: bool,
        shows_reasons: bool,
    ) -> Self:
        """``names``: of the accounts that may be named. What someone wrote as a reason may be about health."""
        facts, detail = _facts(change, currency), change.detail
        facts["policy_refund"] = _money(detail, "policy_minor", currency)
        if not shows_money:
            facts |= dict.fromkeys(("refund", "policy_refund", "no_show_fee"))
        flags = {name: bool(detail.get(name)) for name in ("on_behalf_of_client", "outside_hours", "overlapping")}
        name = names.get(change.actor_id) if change.actor_id else None
        return cls(
            who=Doer(kind=ActorKind(change.actor_kind), id=change.actor_id, name=name),
            from_practitioner_id=detail.get("from_practitioner_id"),
            to_practitioner_id=detail.get("to_practitioner_id"),
            how=detail.get("how"),
            reason=detail.get("reason") if shows_reasons else None,
            **facts,
            **flags,
        )


class History(BaseModel):
    """The whole history, oldest first."""

    items: list[ChangeRead]


class AdminHistory(BaseModel):
    """The whole history, oldest first."""

    items: list[AdminChangeRead]


def _facts(change: AppointmentChange, currency: str) -> dict[str, object]:
    """What everybody may know; the details of somebody whose data were erased are gone."""
    detail = change.detail
    return {
        "kind": change.kind,
        "at": change.created_at,
        "moved_from": detail.get("from"),
        "moved_to": detail.get("to"),
        "refund": _money(detail, "refund_minor", currency),
        "no_show_fee": _money(detail, "no_show_fee_minor", currency),
    }


def _money(detail: Mapping[str, object], name: str, currency: str) -> MoneySchema | None:
    amount = detail.get(name)
    return MoneySchema.of(amount, currency) if isinstance(amount, int) else None
