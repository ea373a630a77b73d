"""What goes in and out of the endpoint of quotes."""

from typing import Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from billing.discounts.errors import DiscountNotUsableError
from scheduling.appointments.schemas import DiscountCodeText
from scheduling.appointments.services.pricing import Means
from scheduling.fields import Instant
from scheduling.quotes.service import Answer, Asked
from todoenbalance.kit.errors import ProblemError
from todoenbalance.kit.money import Money, MoneySchema


class QuoteRequest(BaseModel):
    """What somebody is about to book (`service_id`) or buy (`package_id`), and with which means."""

    model_config = ConfigDict(extra="forbid")

    service_id: UUID | None = None
    practitioner_id: UUID | None = None
    starts_at: Instant | None = None
    package_id: UUID | None = None
    discount_code: DiscountCodeText | None = None
    use_package: bool = False
    package_purchase_id: UUID | None = None

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        if (self.service_id is None) == (self.package_id is None):
            raise ValueError("name a service or a package")
        return self

    def asked(self, service_id: UUID) -> Asked:
        """As the question about a booking."""
        means = Means(
            code=self.discount_code,
            use_package=self.use_package,
            package_purchase_id=self.package_purchase_id,
        )
        return Asked(service_id, self.practitioner_id, self.starts_at, means)


class QuoteProblem(BaseModel):
    """Why the code or the package does not lower the price. `reason` says it of a code."""

    code: str
    reason: str | None
    message: str

    @classmethod
    def of(cls, problem: ProblemError, locale: str) -> Self:
        """From what booking would answer."""
        reason = problem.reason.value if isinstance(problem, DiscountNotUsableError) else None
        return cls(code=problem.code, reason=reason, message=problem.detail(locale))


class UsablePackage(BaseModel):
    """A package of the caller's that it could be booked with."""

    package_purchase_id: UUID
    name: str
    available: int


class PriceQuote(BaseModel):
    """`price` less `discount` is what it costs: `due_now`, and `due_later` (at the visit, or online before it).

    With a session of a package it costs nothing, and `discount` is 0. With a `problem` it is the price without the
    code or the package.
    """

    price: MoneySchema
    discount: MoneySchema
    due_now: MoneySchema
    due_later: MoneySchema
    free_first_visit: bool = False
    package_purchase_id: UUID | None = Field(default=None, description="The package that a session is taken of.")
    usable_packages: list[UsablePackage] = []
    problem: QuoteProblem | None = None

    @classmethod
    def of(cls, answer: Answer, locale: str) -> Self:
        """Of a booking."""
        price = answer.price
        return cls(
            price=MoneySchema.of(price.listed_minor, price.currency),
            discount=MoneySchema.of(price.discount_minor, price.currency),
            due_now=MoneySchema.of(price.due_minor, price.currency),
            due_later=MoneySchema.of(price.later_minor, price.currency),
            free_first_visit=price.is_free_first_visit,
            package_purchase_id=price.package_purchase_id,
            usable_packages=[
                UsablePackage(package_purchase_id=one.id, name=one.name, available=left) for one, left in answer.usable
            ],
            problem=QuoteProblem.of(answer.problem, locale) if answer.problem else None,
        )

    @classmethod
    def of_purchase(cls, cost: Money, discount: Money, problem: ProblemError | None, locale: str) -> Self:
        """Of a package."""
        return cls(
            price=MoneySchema.of(cost.amount + discount.amount, cost.currency),
            discount=MoneySchema.of(discount.amount, discount.currency),
            due_now=MoneySchema.of(cost.amount, cost.currency),
            due_later=MoneySchema.of(0, cost.currency),
            problem=QuoteProblem.of(problem, locale) if problem else None,
        )
