"""A copy of a mail that opens nothing: links lead where they led, without what made them keys.

Links in mails are bearer links: whoever has one may cancel an appointment, switch mails off, join a meeting. A link is
kept only if all of its address is plain words, numbers and ids; of any other the part that can be a key is left out.
So a new kind of link is safe here before anybody thinks of it. Elsewhere a plain word may be the key itself (a video
meeting's code, the name of a room): of links that don't lead to the practice, only the host is kept.
"""

import re
from typing import Final

GONE: Final = "…"
"""Stands where something was left out."""
# Up to what ends an address in a text and in an attribute of HTML. Schemes of programs too (webcal:).
_LINK: Final = re.compile(r"(?P<origin>[a-z][a-z0-9+.-]{1,60}://[^\s/?#\"'<>]+)(?P<rest>[^\s\"'<>]*)", re.IGNORECASE)
_PLAIN: Final = re.compile(r"[a-z]{1,20}(?:[-_][a-z]{1,20}){0,5}|\d{1,10}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|")


def redact(content: str, own_host: str) -> str:
    """A text or HTML without the keys in its links; ``own_host``: the practice's."""
    return _LINK.sub(lambda found: _without_key(found, own_host.lower()), content)


def _without_key(found: re.Match[str], own_host: str) -> str:
    """``https://host/a/KEY?x=1`` is ``https://host/a/…``."""
    scheme, _, authority = found["origin"].partition("://")
    host, rest = authority.rpartition("@")[2], found["rest"]
    origin = f"{scheme}://{host}"
    if host.lower().partition(":")[0] != own_host:
        return f"{origin}/{GONE}" if rest.strip("/") else f"{origin}{rest}"
    path = re.split(r"[?#]", rest, maxsplit=1)[0]
    kept: list[str] = []
    for segment in path.split("/")[1:]:
        if not _PLAIN.fullmatch(segment):
            return "/".join([origin, *kept, GONE])
        kept.append(segment)
    known = "/".join([origin, *kept])
    return known if len(path) == len(rest) else f"{known}?{GONE}"
