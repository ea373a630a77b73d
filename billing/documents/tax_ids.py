"""Tax ids of practices and clients: Spanish NIF, NIE and CIF, VAT numbers of the Union, and what else there is."""

import re

from stdnum.es import nif
from stdnum.eu import vat
from stdnum.exceptions import ValidationError

from billing.documents.errors import InvalidTaxIdError

UNION = frozenset(code.upper() for code in vat.MEMBER_STATES if code != "xi")
"""The Union's members by ISO 3166 code."""
_ELSEWHERE = re.compile(r"[A-Z0-9][A-Z0-9./-]{1,28}[A-Z0-9]")
_NOISE = re.compile(r"[\s\u00a0]+")


def normalise_tax_id(value: str, country: str) -> str:
    """The id as it is printed and hashed: capitals without spaces.

    Spain: NIF, NIE or CIF with a right check character (``ES`` before it falls away). Of the Union: a VAT number
    (its country's letters before it) must be well formed; an id without the letters is one that the country's
    law gives to persons, and only bounded, as those of other countries are. Raises :class:`InvalidTaxIdError`.
    """
    text = _NOISE.sub("", value).upper()
    prefix = "EL" if country == "GR" else country
    try:
        if country == "ES":
            bare = text.replace(".", "").replace("-", "")
            return str(nif.validate(bare.removeprefix("ES") if len(bare) > 9 else bare))
        if country in UNION and text.startswith((prefix, country)):
            number = text.removeprefix(prefix) if text.startswith(prefix) else text.removeprefix(country)
            vat.validate(f"{prefix}{number}")
            return prefix + re.sub(r"[^A-Z0-9]", "", number)
    except ValidationError as error:
        raise InvalidTaxIdError from error
    if not _ELSEWHERE.fullmatch(text):
        raise InvalidTaxIdError
    return text
