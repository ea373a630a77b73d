"""Money: an integer of the currency's minor unit beside its ISO 4217 code. Never a float, never a decimal."""

from dataclasses import dataclass

from babel.numbers import format_currency, get_currency_precision, list_currencies
from pydantic import BaseModel, ConfigDict, Field, field_validator

MAX_MINOR = 99_999_999_999
"""More than any consultation costs in any currency; keeps sums far inside a 64-bit integer."""


class CurrencyMismatchError(ValueError):
    """Two amounts of different currencies were to be added or compared."""


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """An amount in minor units (cents for EUR, yen for JPY, fils for KWD)."""

    amount: int
    currency: str

    def _same(self, other: "Money") -> None:
        if other.currency != self.currency:
            raise CurrencyMismatchError(f"{self.currency} and {other.currency}")

    def __add__(self, other: "Money") -> "Money":
        self._same(other)
        return Money(self.amount + other.amount, self.currency)

    def __sub__(self, other: "Money") -> "Money":
        self._same(other)
        return Money(self.amount - other.amount, self.currency)

    def format(self, locale: str) -> str:
        """For a reader: ``45,00 €`` in ``es``, ``€45.00`` in ``en``."""
        exponent = currency_exponent(self.currency)
        text: str = format_currency(self.amount / 10**exponent, self.currency, locale=locale.replace("-", "_"))
        return text


def currency_exponent(currency: str) -> int:
    """Decimal places of the currency's minor unit (ISO 4217 by way of CLDR): EUR 2, JPY 0, KWD 3."""
    precision: int = get_currency_precision(currency)
    return precision


def is_currency(code: str) -> bool:
    """Whether ``code`` is a currency that CLDR knows, in capitals."""
    return len(code) == 3 and code.isupper() and code in list_currencies()


class MoneySchema(BaseModel):
    """Money in the JSON of the API: ``{"amount": 4500, "currency": "EUR"}``, amount in minor units."""

    model_config = ConfigDict(
        from_attributes=True, json_schema_extra={"examples": [{"amount": 4500, "currency": "EUR"}]}
    )

    amount: int = Field(ge=0, le=MAX_MINOR, strict=True)
    currency: str = Field(min_length=3, max_length=3)

    @field_validator("currency")
    @classmethod
    def _known(cls, value: str) -> str:
        if not is_currency(value):
            raise ValueError("not an ISO 4217 currency code")
        return value

    @classmethod
    def of(cls, amount: int, currency: str) -> "MoneySchema":
        """From our own columns, which are valid already."""
        return MoneySchema.model_construct(amount=amount, currency=currency)

    def __hash__(self) -> int:
        return hash((self.amount, self.currency))

    def to_money(self) -> Money:
        """As the value that services use."""
        return Money(self.amount, self.currency)
