"""What may be said against that with which somebody wants to pay for a booking."""

from billing.discounts.errors import DiscountNotUsableError
from billing.packages.errors import NoCreditLeftError, PackageExpiredError, PackageNotForServiceError

MEANS_REFUSALS = (DiscountNotUsableError, NoCreditLeftError, PackageExpiredError, PackageNotForServiceError)
