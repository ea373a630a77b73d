"""The colours of a practice's mails: its own colour, made readable on light and on dark ground."""

from dataclasses import dataclass
from typing import Self

DEFAULT_COLOUR = "#1f6f54"
_READABLE = 4.5
"""The least contrast of text and ground (WCAG 2.2, 1.4.3)."""
_WHITE, _BLACK, _DARK_CARD = "#ffffff", "#000000", "#1b2621"
_STEPS = 20


@dataclass(frozen=True, slots=True)
class Look:
    """``accent`` fills buttons, which say ``on_accent``; ``text`` and ``dark_text`` are for words and links."""

    accent: str
    on_accent: str
    text: str
    dark_text: str

    @classmethod
    def of(cls, colour: str | None) -> Self:
        """From a colour like ``#1f6f54``; None is the house's own. On any colour black or white reaches 4.58."""
        accent = (colour or DEFAULT_COLOUR).lower()
        return cls(
            accent=accent,
            on_accent=max((_WHITE, _BLACK), key=lambda ink: contrast(accent, ink)),
            text=_towards(accent, _BLACK, ground=_WHITE),
            dark_text=_towards(accent, _WHITE, ground=_DARK_CARD),
        )


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours, 1 to 21 (WCAG 2.2)."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _luminance(colour: str) -> float:
    red, green, blue = (
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in (channel / 255 for channel in _channels(colour))
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _towards(colour: str, end: str, *, ground: str) -> str:
    """``colour``, moved towards ``end`` until it can be read on ``ground``."""
    for step in range(_STEPS + 1):
        share = step / _STEPS
        mixed = (round(a + (b - a) * share) for a, b in zip(_channels(colour), _channels(end), strict=True))
        candidate = "#{:02x}{:02x}{:02x}".format(*mixed)
        if contrast(candidate, ground) >= _READABLE:
            return candidate
    return end
