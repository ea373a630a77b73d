"""What something would cost a client now, before they book or buy it; nothing is written.

The booking decides by the same function, so what is quoted is what is charged, as long as nothing changes between.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from billing.discounts.errors import DiscountNotUsableError
from billing.packages.errors import NoCreditLeftError, PackageExpiredError, PackageNotForServiceError
from billing.packages.models import PackagePurchase
from billing.packages.services.credits import list_usable
from billing.packages.services.products import get_product
from billing.packages.services.purchases import quote_package
from scheduling.appointments.placement import foresee
from scheduling.appointments.services.pricing import NO_MEANS, Means, Price, decide_price
from scheduling.availability.rules import load_rules
from scheduling.catalogue.models import Service
from scheduling.catalogue.service import get_offered_service
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import NotFoundError, ProblemError
from todoenbalance.kit.money import Money

_REFUSED = (DiscountNotUsableError, NoCreditLeftError, PackageExpiredError, PackageNotForServiceError)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked about a booking. Without a practitioner and a time it is the service's own price."""

    service_id: UUID
    practitioner_id: UUID | None = None
    starts_at: datetime | None = None
    means: Means = NO_MEANS


@dataclass(frozen=True, slots=True)
class Answer:
    """The price; ``problem`` is why the code or the package does not lower it, and then it is the price without.

    ``usable``: the client's packages that it could be booked with, and what each has left.
    """

    price: Price
    problem: ProblemError | None = None
    usable: tuple[tuple[PackagePurchase, int], ...] = ()


async def quote_booking(session: TenantSession, client_id: UUID, asked: Asked) -> Answer:
    """What the booking would cost.

    Raises :class:`NotFoundError` for a service that is not offered, or not by that practitioner, and
    :class:`~todoenbalance.kit.errors.InvalidInputError` for a code and a package at once.
    """
    service = await get_offered_service(session, asked.service_id)
    listed = await _listed_minor(session, service, asked)
    return await quote_listed(session, client_id, service, listed, asked.starts_at or clock.now(), asked.means)


async def quote_listed(
    session: TenantSession, client_id: UUID, service: Service, listed_minor: int, starts_at: datetime, means: Means
) -> Answer:
    """The same where the price that is listed is known."""
    usable = tuple(await list_usable(session, client_id, service.id, starts_at)) if listed_minor else ()
    try:
        price = await decide_price(session, service, client_id, listed_minor, starts_at, means)
    except (*_REFUSED, NotFoundError) as problem:
        plain = await decide_price(session, service, client_id, listed_minor, starts_at, NO_MEANS)
        return Answer(plain, problem, usable)
    return Answer(price, None, usable)


async def _listed_minor(session: TenantSession, service: Service, asked: Asked) -> int:
    rules = await load_rules(session, service.id)
    if asked.practitioner_id is not None:
        if asked.practitioner_id not in rules.people:
            raise NotFoundError
        return rules.people[asked.practitioner_id].price_minor
    if asked.starts_at is not None and service.capacity is None:
        prospect = await foresee(session, rules, asked.starts_at)
        if prospect is not None:
            return prospect.person.price_minor
    return service.price_minor


async def quote_purchase(
    session: TenantSession, client_id: UUID, package_id: UUID, code: str | None
) -> tuple[Money, Money, ProblemError | None]:
    """What a package would cost, by how much a code lowers that, and why it does not. Raises
    :class:`NotFoundError`."""
    product = await get_product(session, package_id, on_sale=True)
    try:
        return *await quote_package(session, client_id, product, code), None
    except DiscountNotUsableError as problem:
        return *await quote_package(session, client_id, product, None), problem
