"""Access tokens (JWT, RFC 7519) and opaque random tokens.

The audience of an access token names the kind of account and the practice, so a token issued for one
practice verifies nowhere else (RFC 8725, 3.9).
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import jwt

from todoenbalance.kit import clock
from todoenbalance.kit.errors import NotAuthenticatedError

_ALGORITHM = "HS256"


class InvalidTokenError(NotAuthenticatedError):
    """The access token is missing, expired, tampered with, or made for another host or kind of account."""

    code = "invalid_token"
    messages = {  # noqa: RUF012 - declared ClassVar on the base
        "en": "The sign-in is not valid here or has expired.",
        "es": "La sesión no es válida aquí o ha caducado.",
    }


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """What an access token says: whose it is and which sign-in (session) it belongs to."""

    subject: UUID
    session_id: UUID | None
    audience: str
    issued_at: datetime
    extra: dict[str, Any]


class TokenSigner:
    """Signs with the first key, verifies with any: keys rotate by configuration without signing anyone out."""

    def __init__(self, keys: dict[str, str]) -> None:
        self._keys = keys
        self._kid = next(iter(keys))

    def issue(
        self,
        subject: UUID,
        audience: str,
        lifetime: timedelta,
        *,
        session_id: UUID | None = None,
        **extra: Any,
    ) -> str:
        """A signed token for ``subject`` that ends after ``lifetime``."""
        now = clock.now()
        payload = {
            **extra,
            "sub": str(subject),
            "aud": audience,
            "iat": int(now.timestamp()),
            "exp": int((now + lifetime).timestamp()),
            **({"sid": str(session_id)} if session_id else {}),
        }
        return jwt.encode(payload, self._keys[self._kid], _ALGORITHM, headers={"kid": self._kid})

    def verify(self, token: str, audience: str) -> AccessClaims:
        """The claims of a token for ``audience``. Raises :class:`InvalidTokenError` for any other token."""
        try:
            kid = jwt.get_unverified_header(token).get("kid", "")
            claims = jwt.decode(
                token,
                self._keys[kid],
                algorithms=[_ALGORITHM],
                audience=audience,
                options={"require": ["sub", "aud", "exp", "iat"], "verify_exp": False, "verify_iat": False},
            )
            issued_at = datetime.fromtimestamp(int(claims["iat"]), tz=clock.now().tzinfo)
            if int(claims["exp"]) <= clock.now().timestamp():
                raise InvalidTokenError
            known = {"sub", "aud", "iat", "exp", "sid"}
            return AccessClaims(
                subject=UUID(claims["sub"]),
                session_id=UUID(claims["sid"]) if "sid" in claims else None,
                audience=audience,
                issued_at=issued_at,
                extra={name: value for name, value in claims.items() if name not in known},
            )
        except (jwt.PyJWTError, KeyError, ValueError, TypeError, AttributeError, OverflowError) as error:
            raise InvalidTokenError from error

    def digest(self, text: str) -> str:
        """A keyed digest (HMAC-SHA256, hex) of ``text``, for values that are looked up but not readable."""
        return _keyed_digest(self._keys[self._kid], text)

    def digests(self, text: str) -> list[str]:
        """The digests of ``text`` by every key, the signing one's first: what was stored before a rotation is found."""
        return [_keyed_digest(key, text) for key in self._keys.values()]


def _keyed_digest(key: str, text: str) -> str:
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()


def new_opaque_token() -> str:
    """256 random bits, URL-safe: refresh tokens, invitations, one-time links."""
    return secrets.token_urlsafe(32)


def hash_opaque_token(token: str) -> str:
    """What we store of an opaque token. Plain SHA-256 is enough: the token is random, not a password."""
    return hashlib.sha256(token.encode()).hexdigest()
