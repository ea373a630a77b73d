"""Stripe's errors, as it answers them."""

from typing import Any


class StripeError(Exception):
    """An error answer; raised by whatever refuses, answered at the edge."""

    def __init__(
        self, status: int, message: str, *, kind: str = "invalid_request_error", code: str | None = None, **more: Any
    ) -> None:
        """``more``: further fields of the error (``param``, ``decline_code``, ``payment_intent``)."""
        super().__init__(message)
        self.status = status
        self.body: dict[str, Any] = {"type": kind, "message": message} | {
            name: value for name, value in (("code", code), *more.items()) if value is not None
        }


def invalid(message: str, *, code: str | None = None, param: str | None = None) -> StripeError:
    """A request that Stripe can't carry out."""
    return StripeError(400, message, code=code, param=param)


def missing(kind: str, object_id: str) -> StripeError:
    """No such object on this account in this mode."""
    return StripeError(404, f"No such {kind}: '{object_id}'", code="resource_missing", param="id")


def no_access(key: str, account: str) -> StripeError:
    """The account is none of this key's (any more)."""
    return StripeError(
        403,
        f"The provided key '{key[:8]}…' does not have access to account '{account}' (or that account does not "
        "exist). Application access may have been revoked.",
        code="account_invalid",
    )


def declined(
    decline_code: str, *, code: str = "card_declined", message: str = "Your card was declined.", **more: Any
) -> StripeError:
    """A card that the bank refused."""
    return StripeError(402, message, kind="card_error", code=code, decline_code=decline_code, **more)
