"""What Stripe takes as an amount: its table of decimals, its minimums by currency and its eight digits."""

from tests.support.providers.stripe.errors import invalid

LARGEST = 99_999_999
_ZERO_DECIMAL = "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf"
ZERO_DECIMAL = frozenset(_ZERO_DECIMAL.split())
THREE_DECIMAL = frozenset(["bhd", "jod", "kwd", "omr", "tnd"])
WHOLE_ONLY = frozenset({"isk", "ugx"})
"""Written with two decimals that must be 00."""
_TWO_DECIMAL = """
    aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bmd bnd bob brl bsd bwp byn bzd cad cdf chf cny cop crc
    cve czk dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gtq gyd hkd hnl htg huf idr ils inr jmd kes kgs khr kyd kzt
    lak lbp lkr lrd lsl mad mdl mkd mmk mnt mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd pab pen pgk php pkr pln
    qar ron rsd rub sar sbd scr sek sgd shp sle sos srd std szl thb tjs top try ttd twd tzs uah usd uyu uzs wst xcd yer
    zar zmw
"""
TWO_DECIMAL = frozenset(_TWO_DECIMAL.split())
CURRENCIES = ZERO_DECIMAL | THREE_DECIMAL | WHOLE_ONLY | TWO_DECIMAL

_SMALLEST = {
    "aed": 200,
    "aud": 50,
    "bgn": 100,
    "brl": 50,
    "cad": 50,
    "chf": 50,
    "czk": 1500,
    "dkk": 250,
    "eur": 50,
    "gbp": 30,
    "hkd": 400,
    "huf": 17_500,
    "inr": 50,
    "jpy": 50,
    "mxn": 1000,
    "myr": 200,
    "nok": 300,
    "nzd": 50,
    "pln": 200,
    "ron": 200,
    "sek": 300,
    "sgd": 50,
    "thb": 1000,
    "usd": 50,
}


def check_currency(currency: str) -> None:
    """Raises invalid_request_error for one that Stripe doesn't charge in."""
    if currency.lower() not in CURRENCIES:
        raise invalid(f"Invalid currency: {currency}.", param="currency")


def check_amount(amount: int, currency: str, *, param: str = "amount") -> None:
    """Whether a charge of so much is taken."""
    check_currency(currency)
    currency = currency.lower()
    if amount > LARGEST:
        raise invalid("Amount must be no more than 999,999.99.", code="amount_too_large", param=param)
    if amount < _SMALLEST.get(currency, 1):
        raise invalid("The amount is below the minimum for this currency.", code="amount_too_small", param=param)
    check_precision(amount, currency, param=param)


def check_precision(amount: int, currency: str, *, param: str = "amount") -> None:
    """Currencies whose last digits must be zero."""
    if currency.lower() in THREE_DECIMAL and amount % 10:
        raise invalid("Amounts in this currency must end in 0.", code="parameter_invalid_integer", param=param)
    if currency.lower() in WHOLE_ONLY and amount % 100:
        raise invalid("Amounts in this currency must be whole.", code="parameter_invalid_integer", param=param)
