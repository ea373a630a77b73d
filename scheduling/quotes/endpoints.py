"""What something costs before it is booked or bought: ``/quotes``."""

from fastapi import APIRouter, Depends

from scheduling.quotes.schemas import PriceQuote, QuoteRequest
from scheduling.quotes.service import quote_booking, quote_purchase
from tenants.accounts.auth import CurrentClient, client_limited
from todoenbalance.kit.errors import InvalidInputError, NotAuthenticatedError, NotFoundError
from todoenbalance.kit.ratelimit import DISCOUNT
from todoenbalance.kit.web.dependencies import LocaleDep, TenantSessionDep
from todoenbalance.kit.web.limits import limited
from todoenbalance.kit.web.problems import responses

router = APIRouter(prefix="/quotes", tags=["appointments"], responses=responses(NotAuthenticatedError))


@router.post(
    "",
    responses=responses(NotFoundError, InvalidInputError),
    dependencies=[Depends(limited(DISCOUNT)), Depends(client_limited(DISCOUNT))],
)
async def quote_price(
    body: QuoteRequest, client: CurrentClient, session: TenantSessionDep, locale: LocaleDep
) -> PriceQuote:
    """The price, what is due now and what later, and why a code or a package does not lower it. Books nothing."""
    if body.service_id is not None:
        return PriceQuote.of(await quote_booking(session, client.id, body.asked(body.service_id)), locale)
    assert body.package_id is not None  # noqa: S101 - one of the two, or it would not have been accepted
    cost, discount, problem = await quote_purchase(session, client.id, body.package_id, body.discount_code)
    return PriceQuote.of_purchase(cost, discount, problem, locale)
