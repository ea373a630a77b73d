"""Plans, usage and subscriptions in the JSON of both APIs. Amounts in minor units."""

from datetime import date, datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from billing.platform_fees.models import FeeStatement, UsageMonth
from billing.platform_fees.overview import Standing
from tenants.plans.capabilities import Capability
from tenants.plans.models import Plan
from todoenbalance.kit.money import Money, MoneySchema

PlanCode = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,50}$")]
PlanName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
BasisPoints = Annotated[
    int, Field(ge=0, le=10_000, strict=True, description="Of each payment made online; 150: 1.5 %.")
]
PriceId = Annotated[str, StringConstraints(pattern=r"^price_[A-Za-z0-9_]{1,200}$")]
PractitionerLimit = Annotated[int, Field(ge=1, le=10_000)]


class SignedMoney(BaseModel):
    """Money that may be in the practice's favour (negative)."""

    amount: int
    currency: str

    @classmethod
    def of(cls, amount: int, currency: str) -> Self:
        """From our own columns."""
        return cls(amount=amount, currency=currency)


class PlanRead(BaseModel):
    """A plan. ``price`` is a month's; null: it has none. ``fee_fixed`` is added to payments in its currency."""

    code: str
    name: str
    fee_basis_points: int
    fee_fixed: MoneySchema | None
    price: MoneySchema | None
    practitioner_limit: int | None
    capabilities: list[Capability]

    @classmethod
    def of(cls, plan: Plan) -> Self:
        """From a row."""
        return cls(**_common(plan))


class PlanAdminRead(PlanRead):
    """The same for operators. ``stripe_price_id`` is made when it is first needed, if none was given."""

    id: UUID
    stripe_price_id: str | None
    withheld: list[str]
    is_public: bool
    archived: bool
    position: int
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, plan: Plan) -> Self:
        """From a row."""
        own = ("id", "stripe_price_id", "withheld", "is_public", "archived", "position", "created_at", "updated_at")
        return cls(**_common(plan), **{name: getattr(plan, name) for name in own})


def _common(plan: Plan) -> dict[str, Any]:
    fixed = MoneySchema.of(plan.fee_fixed_minor, plan.fee_fixed_currency) if plan.fee_fixed_currency else None
    price = MoneySchema.of(plan.price_minor, plan.price_currency) if plan.price_minor and plan.price_currency else None
    return {
        "code": plan.code,
        "name": plan.name,
        "fee_basis_points": plan.fee_basis_points,
        "fee_fixed": fixed,
        "price": price,
        "practitioner_limit": plan.practitioner_limit,
        "capabilities": [one for one in Capability if one not in plan.withheld],
    }


class _PlanFields(BaseModel):
    """What both kinds of change have, and how it becomes columns."""

    model_config = ConfigDict(extra="forbid")

    def columns(self) -> dict[str, Any]:
        """The fields that were sent, as columns: money becomes two of them."""
        sent = self.model_dump(exclude_unset=True)
        for name, amount in (("price", "price_minor"), ("fee_fixed", "fee_fixed_minor")):
            if name in sent:
                money = sent.pop(name)
                nothing = None if name == "price" else 0
                sent[amount] = money["amount"] if money is not None else nothing
                sent[f"{name}_currency"] = money["currency"] if money is not None else None
        if "withheld" in sent:
            sent["withheld"] = sorted({str(one) for one in sent["withheld"] or ()})
        may_be_null = {"price_minor", "price_currency", "fee_fixed_currency", "stripe_price_id", "practitioner_limit"}
        return {name: value for name, value in sent.items() if value is not None or name in may_be_null}


class PlanPrice(MoneySchema):
    """A month's price: more than nothing (null: none)."""

    amount: int = Field(gt=0, le=99_999_999_999, strict=True)


class PlanCreate(_PlanFields):
    """A new plan."""

    code: PlanCode
    name: PlanName
    fee_basis_points: BasisPoints = 0
    fee_fixed: MoneySchema | None = None
    price: PlanPrice | None = None
    stripe_price_id: PriceId | None = None
    practitioner_limit: PractitionerLimit | None = None
    withheld: list[Capability] = []
    is_public: bool = False
    position: Annotated[int, Field(ge=0, le=10_000)] = 0


class PlanPatch(_PlanFields):
    """Changes to a plan; what is left out stays. The code stays for ever."""

    name: PlanName | None = None
    fee_basis_points: BasisPoints | None = None
    fee_fixed: MoneySchema | None = None
    price: PlanPrice | None = None
    stripe_price_id: PriceId | None = None
    practitioner_limit: PractitionerLimit | None = None
    withheld: list[Capability] | None = None
    is_public: bool | None = None
    archived: bool | None = None
    position: Annotated[int, Field(ge=0, le=10_000)] | None = None


class UsageRead(BaseModel):
    """A practice's month in one currency. ``fees_accrued`` is net of what was taken back, and may be negative."""

    tenant_id: UUID
    month: date
    appointments_booked: int
    payments_count: int
    payments: SignedMoney
    refunds: SignedMoney
    disputes: SignedMoney
    fees_taken: SignedMoney
    fees_returned: SignedMoney
    fees_accrued: SignedMoney

    @classmethod
    def of(cls, row: UsageMonth) -> Self:
        """From a row."""
        sums = ("payments", "refunds", "disputes", "fees_taken", "fees_returned", "fees_accrued")
        return cls(
            tenant_id=row.tenant_id,
            month=row.month,
            appointments_booked=row.appointments_booked,
            payments_count=row.payments_count,
            **{name: SignedMoney.of(getattr(row, f"{name}_minor"), row.currency) for name in sums},
        )


class StatementRead(BaseModel):
    """Accrued fees of a month; negative in the practice's favour. An ``open`` one still grows."""

    id: UUID
    tenant_id: UUID
    month: date
    status: str
    amount: SignedMoney
    note: str | None
    closed_at: datetime | None

    @classmethod
    def of(cls, row: FeeStatement) -> Self:
        """From a row."""
        return cls(
            id=row.id,
            tenant_id=row.tenant_id,
            month=row.month,
            status=row.status,
            amount=SignedMoney.of(row.amount_minor, row.currency),
            note=row.note,
            closed_at=row.closed_at,
        )


class NextInvoiceRead(BaseModel):
    """The next invoice as far as it is known now."""

    at: datetime
    price: MoneySchema
    accrued: SignedMoney


class StandingRead(BaseModel):
    """How the practice stands with the platform.

    ``plan`` is null for a code that no plan has. ``past_due_since``: money is owed; from ``restricted_from`` on it has
    consequences (``withheld_now``). Booking, paying, cancelling, refunds and reminders go on in any case.
    """

    plan_code: str
    plan: PlanRead | None
    choices: list[PlanRead]
    is_charging_set_up: bool
    status: str
    current_period_end: datetime | None
    cancel_at: datetime | None
    past_due_since: datetime | None
    restricted_from: datetime | None
    is_restricted: bool
    withheld_now: list[Capability]
    usage: list[UsageRead]
    next_invoice: NextInvoiceRead | None
    statements: list[StatementRead]

    @classmethod
    def of(cls, standing: Standing) -> Self:
        """From what the service answers."""
        coming = standing.next_invoice
        same = ("plan_code", "is_charging_set_up", "status", "current_period_end", "cancel_at", "past_due_since",
                "restricted_from", "is_restricted", "withheld_now")  # fmt: skip
        return cls(
            **{name: getattr(standing, name) for name in same},
            plan=PlanRead.of(standing.plan) if standing.plan is not None else None,
            choices=[PlanRead.of(one) for one in standing.choices],
            usage=[UsageRead.of(one) for one in standing.usage],
            statements=[StatementRead.of(one) for one in standing.statements],
            next_invoice=NextInvoiceRead(
                at=coming.at,
                price=_money(coming.price),
                accrued=SignedMoney.of(coming.accrued.amount, coming.accrued.currency),
            )
            if coming is not None
            else None,
        )


def _money(money: Money) -> MoneySchema:
    return MoneySchema.of(money.amount, money.currency)


class PlanChoice(BaseModel):
    """The plan wished for; the one the practice is on, to subscribe to it."""

    plan: PlanCode


class PlanChosen(BaseModel):
    """What came of it: ``checkout_url`` is where to subscribe, after which the plan changes; null: it is done."""

    checkout_url: str | None
    subscription: StandingRead


class Elsewhere(BaseModel):
    """An address at the provider, good for a few minutes."""

    url: str
