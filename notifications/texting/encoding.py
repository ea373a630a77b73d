"""How a text message is cut into segments, which is what it costs by (3GPP TS 23.038, 6.2.1)."""

import unicodedata
from math import ceil

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = frozenset("^{}\\[~]|€")
"""Two places each, by the escape of the extension table."""
_GSM7, _GSM7_PART = 160, 153
_UCS2, _UCS2_PART = 70, 67
_DASHES = str.maketrans({"\u2013": "-", "\u2014": "-", "\u2019": "'", "\u2018": "'", "\u201c": '"', "\u201d": '"'})


def is_gsm7(text: str) -> bool:
    """Whether the default alphabet has every character: 160 go into one segment, else 70."""
    return all(one in _BASIC or one in _EXTENDED for one in text)


def count_segments(text: str) -> int:
    """How many segments ``text`` is sent in."""
    if is_gsm7(text):
        places, whole, part = sum(2 if one in _EXTENDED else 1 for one in text), _GSM7, _GSM7_PART
    else:
        places, whole, part = len(text.encode("utf-16-be")) // 2, _UCS2, _UCS2_PART
    return 1 if places <= whole else ceil(places / part)


def fit(text: str) -> str:
    """``text`` in fewer segments, if leaving out the accents that the alphabet lacks (á, í, ó, ú) makes it so."""
    plain = "".join(one if one in _BASIC else _without_accent(one) for one in text.translate(_DASHES))
    return plain if is_gsm7(plain) and count_segments(plain) < count_segments(text) else text


def _without_accent(letter: str) -> str:
    return "".join(one for one in unicodedata.normalize("NFKD", letter) if not unicodedata.combining(one))
