"""What may go wrong with a practice's accounts at payment providers."""

from typing import ClassVar

from billing.payments.errors import MethodNotOfferedError


class AccountNotUsableError(MethodNotOfferedError):
    """The practice has no account at this provider that takes payments at present."""

    title = "Account not usable"
    messages: ClassVar[dict[str, str]] = {
        "en": "This practice can't take payments by “{method}” at the moment.",
        "es": "Esta consulta no puede cobrar por «{method}» en este momento.",
    }
