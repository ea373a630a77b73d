"""Text that people give us of themselves: one line, nothing that poses as something else."""

import re
import unicodedata

_REFUSED = ("Cc", "Cs", "Co", "Cn")
# Line ends, and the marks that turn the direction of what follows: a reader would see another text than there is.
_MISLEADING = "\u2028\u2029\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_ADDRESS = re.compile(r"://|www\.|\w\.\w{2,}/", re.IGNORECASE)


def check_one_line(value: str) -> str:
    """``value`` itself if it is one printable line.

    Raises ``ValueError``: control characters end up in mail headers and hide text from its reader.
    """
    if any(unicodedata.category(character) in _REFUSED or character in _MISLEADING for character in value):
        raise ValueError("must not contain control characters")
    return value


def check_name(value: str) -> str:
    """``value`` itself if it may be a person's or practice's name.

    Raises ``ValueError`` for addresses: the name stands in mails, and mails to strangers must not carry
    a sender's advertisement.
    """
    check_one_line(value)
    if _ADDRESS.search(value):
        raise ValueError("must not contain an address")
    return value
