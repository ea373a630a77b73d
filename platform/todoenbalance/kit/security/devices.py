"""Where a request came from, as far as it tells: shown in the list of sign-ins, so that a stranger's is noticed."""

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
