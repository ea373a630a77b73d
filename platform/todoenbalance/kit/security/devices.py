"""Where a request came from, as far as it tells: shown in the list of sign-ins, so that a stranger's is noticed."""

from collections.abc import Collection
from dataclasses import dataclass

_AGENT_LIMIT = 200


@dataclass(frozen=True, slots=True)
class Device:
    """The browser's or program's own word (``User-Agent``), and the address that the request came from."""

    user_agent: str = ""
    address: str = ""

    @classmethod
    def of(cls, user_agent: str, address: str) -> "Device":
        """Cut to what is kept; control characters, which a log or a page must not show, are left out."""
        printable = "".join(character for character in user_agent if character.isprintable())
        return cls(printable[:_AGENT_LIMIT], address[:45])


UNKNOWN_DEVICE = Device()


_BROWSERS = (
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


def describe_user_agent(user_agent: str) -> str:
    """``Firefox, Windows`` for a browser's ``User-Agent``; a program's own word as it is; empty for none.

    Good enough for "was that me?"; nothing is decided by it. Browsers name their ancestors too, so the order counts.
    """
    browser = next((name for mark, name in _BROWSERS if mark in user_agent), None)
    if browser is None:
        return user_agent
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), None)
    return f"{browser}, {system}" if system else browser


def describe_browser(user_agent: str) -> str | None:
    """The same for mails: None for a program's own word, which may be anybody's text."""
    described = describe_user_agent(user_agent)
    return described if described != user_agent else None


def is_new(device: Device, known_agents: Collection[str]) -> bool:
    """Whether an account is used with a browser that it was not used with before, its very first aside.

    One that keeps to itself what it is counts as one that is not known, or a stranger would only have to say nothing.
    """
    known = {describe_user_agent(one) for one in known_agents}
    return any(known_agents) and describe_user_agent(device.user_agent) not in known
