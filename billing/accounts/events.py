"""The events and delayed jobs of payment accounts."""

from enum import StrEnum

PAYMENT_ACCOUNT_CHANGED = "payment_account.changed"
"""``{account_id, news, version}``: what a practice's account can do has changed, or its owners have to be told."""
PAYMENT_ACCOUNT_CHECK = "payment_account.check"
"""``{account_id}``: look at the account at its provider; comes again each day while it is connected."""
PAYMENT_ACCOUNT_LEAVE = "payment_account.leave"
"""``{account_id}``: after a disconnection: end what is open, take our access back, forget its secrets in the end."""


class AccountNews(StrEnum):
    """What there is to tell of an account. ``changed`` is told to nobody by mail."""

    CHANGED = "changed"
    CONNECTED = "connected"
    RESTRICTED = "restricted"
    DEADLINE = "deadline"
    DISCONNECTED = "disconnected"
