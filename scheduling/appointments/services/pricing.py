"""What a booking costs its client: decided here, for the quote and for the booking alike.

In this order: a first visit that is free; a session of a package; a discount code. What is left is due at once, or
the deposit is and the rest later. A session and a code don't go together.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from billing.discounts.models import SubjectKind
from billing.discounts.service import Subject, quote_discount, redeem
from billing.packages.ledger import By
from billing.packages.services.credits import find_usable, reserve_credit
from scheduling.appointments.history import Actor
from scheduling.appointments.repository import AppointmentRepository
from scheduling.catalogue.models import Service
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import InvalidInputError
from todoenbalance.kit.money import Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """With what a client wants to pay less: a code, or a session of a package (that of ``package_purchase_id``, else
    of the one that runs out first)."""

    code: str | None = None
    use_package: bool = False
    package_purchase_id: UUID | None = None

    @property
    def wants_package(self) -> bool:
        """Whether a session of a package is to be used."""
        return self.use_package or self.package_purchase_id is not None


NO_MEANS = Means()


@dataclass(frozen=True, slots=True)
class Booking:
    """What is being booked, and by whom: then the code and the session are taken, under their locks."""

    appointment_id: UUID
    actor: Actor


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """In minor units. ``due_minor`` must be paid for the booking to stand; ``later_minor`` is the balance.

    ``credits_left``: of the package, before this is booked.
    """

    currency: str
    listed_minor: int
    discount_minor: int = 0
    due_minor: int = 0
    is_free_first_visit: bool = False
    package_purchase_id: UUID | None = None
    credits_left: int | None = None

    @property
    def cost_minor(self) -> int:
        """What the client has to pay in money, sooner or later."""
        return 0 if self.package_purchase_id is not None else self.listed_minor - self.discount_minor

    @property
    def later_minor(self) -> int:
        """What is left to be paid after ``due_minor``."""
        return self.cost_minor - self.due_minor


def due_of(service: Service, cost_minor: int) -> int:
    """What must be paid for a booking to stand: the deposit, never more than the cost; else all of it."""
    deposit = service.deposit_minor
    return cost_minor if deposit is None else min(deposit, cost_minor)


async def decide_price(
    session: TenantSession,
    service: Service,
    client_id: UUID,
    listed_minor: int,
    starts_at: datetime,
    means: Means,
    *,
    booking: Booking | None = None,
) -> Price:
    """What it costs; with ``booking`` it is booked for that, under the client's lock, which the caller holds.

    Raises :class:`InvalidInputError` for a session and a code at once,
    :class:`~billing.discounts.errors.DiscountNotUsableError`, and for a session what
    :func:`~billing.packages.services.credits.reserve_credit` does.
    """
    if means.wants_package and means.code:
        raise InvalidInputError(["body", "discount_code"], "a session of a package has no discount", "one_means")
    is_first = await _is_first_visit(session, client_id, service, means)
    if service.free_first_visit and is_first and listed_minor:
        listed = Price(
            currency=service.currency,
            listed_minor=listed_minor,
            discount_minor=listed_minor,
            is_free_first_visit=True,
        )
        await _check_code(session, service, client_id, listed, means)
        return listed
    if means.wants_package and listed_minor:
        return await _with_package(session, service, client_id, listed_minor, starts_at, means, booking)
    discount = 0
    if means.code:
        subject = _subject(service, client_id, listed_minor, is_first=is_first)
        discount = (
            await quote_discount(session, means.code, subject)
            if booking is None
            else await redeem(session, means.code, subject, booking.appointment_id)
        )
    return Price(
        currency=service.currency,
        listed_minor=listed_minor,
        discount_minor=discount,
        due_minor=due_of(service, listed_minor - discount),
    )


async def _is_first_visit(session: TenantSession, client_id: UUID, service: Service, means: Means) -> bool:
    """Asked only where it makes a difference. A client and those they book for are one: they share an account."""
    if not service.free_first_visit and not means.code:
        return False
    return not await AppointmentRepository(session).has_any_live(client_id)


async def _check_code(session: TenantSession, service: Service, client_id: UUID, price: Price, means: Means) -> None:
    """A code for what is free already is refused, rather than spent on nothing."""
    if means.code:
        await quote_discount(session, means.code, _subject(service, client_id, price.cost_minor, is_first=True))


def _subject(service: Service, client_id: UUID, price_minor: int, *, is_first: bool) -> Subject:
    return Subject(
        kind=SubjectKind.APPOINTMENT,
        client_id=client_id,
        price=Money(price_minor, service.currency),
        service_id=service.id,
        is_first_visit=is_first,
    )


async def _with_package(
    session: TenantSession,
    service: Service,
    client_id: UUID,
    listed_minor: int,
    starts_at: datetime,
    means: Means,
    booking: Booking | None,
) -> Price:
    wanted = means.package_purchase_id
    left = None
    if booking is None:
        purchase, left = await find_usable(session, client_id, service.id, starts_at, wanted)
    else:
        by = By(booking.actor.kind, booking.actor.id)
        purchase = await reserve_credit(
            session, client_id, booking.appointment_id, service.id, starts_at, by, purchase_id=wanted
        )
    return Price(
        currency=service.currency,
        listed_minor=listed_minor,
        package_purchase_id=purchase.id,
        credits_left=left,
    )
