"""Text that people give us of themselves: one line, nothing that poses as something else."""

import unicodedata

_REFUSED = ("Cc", "Cs", "Co", "Cn")
_LINE_ENDS = "\u2028\u2029"


def check_one_line(value: str) -> str:
    """``value`` itself if it is one printable line.

    Raises ``ValueError``: control characters end up in mail headers and hide text from its reader.
    """
    if any(
        unicodedata.category(character) in ("Cc", "Cs", "Co", "Cn") or character in _LINE_ENDS for character in value
    ):
        raise ValueError("must not contain control characters")
    return value


def check_name(value: str) -> str:
    """``value`` itself if it may be a person's or practice's name.

    Raises ``ValueError`` for addresses: the name stands in mails, and mails to strangers must not carry
    a sender's advertisement.
    """
    check_one_line(value)
    if "://" in value or "www." in value.lower():
        raise ValueError("must not contain an address")
    return value
