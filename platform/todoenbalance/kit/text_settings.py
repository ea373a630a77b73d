"""Settings of text messages: off unless somebody who runs a gateway says where it is."""

import base64
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr

_SHORTEST_KEY = 24
"""Bytes of a signing key, by the Standard Webhooks specification."""
_PREFIX = "whsec_"


class TextSettings(BaseModel):
    """Who carries text messages. ``off``: nobody does, and nothing of them is shown anywhere.

    ``url``: where the gateway takes messages (https; http outside production only). ``token``: shown to it as a bearer
    token. ``signing_keys``: ``whsec_…`` as in the Standard Webhooks specification; several, by commas, while one is
    being replaced: the first signs, all vouch for what the gateway reports.
    ``prefixes``: beginnings of the numbers that are written to, by commas. ``monthly_limit``: segments that one
    practice may send in a month at most, whatever it wishes for itself.
    """

    adapter: str = Field(default="off", pattern="^(off|gateway|mailbox)$")
    url: str = ""
    token: SecretStr = SecretStr("")
    signing_keys: SecretStr = SecretStr("")
    channels: str = Field(default="sms", pattern="^(sms|whatsapp|sms,whatsapp)$")
    prefixes: str = Field(default="+346,+347", pattern=r"^\+[1-9][0-9]{0,13}(,\+[1-9][0-9]{0,13})*$")
    monthly_limit: int = Field(default=500, ge=0, le=1_000_000)

    @property
    def is_on(self) -> bool:
        """Whether anybody carries text messages here."""
        return self.adapter != "off"

    @property
    def keys(self) -> list[bytes]:
        """The keys as bytes. Raises ``ValueError`` for one that is not of the form, or too short."""
        found = []
        for part in filter(None, (part.strip() for part in self.signing_keys.get_secret_value().split(","))):
            # binascii.Error is a ValueError, and would not quote the key.
            key = base64.b64decode(part.removeprefix(_PREFIX), validate=True) if part.startswith(_PREFIX) else b""
            if len(key) < _SHORTEST_KEY:
                raise ValueError("not `whsec_` and the base64 of at least 24 bytes")
            found.append(key)
        return found

    def find_problem(self, *, is_production: bool, has_mailbox: bool) -> str | None:
        """Why a deployment with these settings must not start, or None. Quotes no secret."""
        if self.adapter == "mailbox":
            if is_production or not has_mailbox:
                return "adapter: the development mailbox needs mail.adapter mailbox, which production refuses"
            return None
        return self._gateway_problem(is_production) if self.is_on else None

    def _gateway_problem(self, is_production: bool) -> str | None:
        try:
            parts = urlsplit(self.url)
            has_more = bool(parts.username or parts.password or parts.query or parts.fragment)
        except ValueError:
            return "url: not an address"
        if not parts.hostname or parts.scheme not in (("https",) if is_production else ("https", "http")):
            return "url: an https address is needed where texts.adapter is gateway"
        if has_more:
            return "url: neither credentials nor a query"
        token = self.token.get_secret_value()
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            return "token: needed where texts.adapter is gateway, without spaces or line breaks"
        try:
            return None if self.keys else "signing_keys: needed where texts.adapter is gateway"
        except ValueError as error:
            return f"signing_keys: {error}"
