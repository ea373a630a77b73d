"""Google (OpenID Connect) and Facebook (Graph API), over httpx-oauth's base client with our own endpoints.

Its ready-made clients are of no use here: Google's reads the People API instead of the OpenID claims and does not
look whether the address is verified, Facebook's is fixed to an old version and puts the token into the address.
"""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from contextlib import AbstractAsyncContextManager
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt
from httpx_oauth.exceptions import HTTPXOAuthError
from httpx_oauth.oauth2 import OAuth2, OAuth2RequestError, OAuth2Token
from pydantic import TypeAdapter, ValidationError

from tenants.accounts.schemas import Email
from tenants.social.models import SocialProvider
from tenants.social.port import (
    Profile,
    ProviderDeclinedError,
    ProviderError,
    ProviderMisconfiguredError,
    ProviderUnavailableError,
    Registration,
    SignInProvider,
)
from todoenbalance.kit import clock
from todoenbalance.kit.settings import ProviderSettings
from todoenbalance.kit.text import check_name
from todoenbalance.kit.trust import usual_trust

_TIMEOUT = httpx.Timeout(10.0, connect=5.0)
_LEEWAY_SECONDS = 60
_SUBJECT_LIMIT, _NAME_LIMIT = 255, 100
_email: TypeAdapter[str] = TypeAdapter(Email)

GOOGLE_ISSUERS = ("https://accounts.google.com", "accounts.google.com")
_GOOGLE_AUTHORIZE = "https://accounts.google.com/o/oauth2/v2/auth"
_GOOGLE_TOKEN = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
_GOOGLE_USERINFO = "https://openidconnect.googleapis.com/v1/userinfo"
_FACEBOOK_DIALOG = "https://www.facebook.com/{version}/dialog/oauth"
_FACEBOOK_TOKEN = "https://graph.facebook.com/{version}/oauth/access_token"  # noqa: S105 - an address
_FACEBOOK_ME = "https://graph.facebook.com/{version}/me"

_OUR_FAULT = frozenset({"invalid_client", "unauthorized_client", "redirect_uri_mismatch", "invalid_scope"})
_FACEBOOK_SPENT_CODE = frozenset({36007, 36009})
"""Facebook's ``error_subcode`` of a code that is too old, or was used."""


def make_provider(registration: Registration, settings: ProviderSettings) -> SignInProvider:
    """The provider that ``registration`` is for. Raises ``ValueError`` for one that there is not."""
    if SocialProvider(registration.provider) is SocialProvider.GOOGLE:
        return Google(registration, settings.google.base)
    return Facebook(registration, settings.facebook.base, settings.facebook.graph_version)


class _Client(OAuth2):
    """The base client, with time limits and no redirects: a code or a secret goes to this address or to none."""

    def get_httpx_client(self) -> AbstractAsyncContextManager[httpx.AsyncClient]:
        return httpx.AsyncClient(verify=usual_trust(), timeout=_TIMEOUT, follow_redirects=False)


class Google:
    """Authorization code with PKCE and a nonce; the profile is the userinfo endpoint's."""

    uses_pkce = True

    def __init__(self, registration: Registration, base: str | None = None) -> None:
        self._userinfo = _at(base, _GOOGLE_USERINFO)
        self._issuers = (*GOOGLE_ISSUERS, base.rstrip("/")) if base else GOOGLE_ISSUERS
        self._client = _Client(
            registration.client_id,
            registration.client_secret,
            _at(base, _GOOGLE_AUTHORIZE),
            _at(base, _GOOGLE_TOKEN),
            name=SocialProvider.GOOGLE,
            base_scopes=["openid", "email", "profile"],
        )

    async def authorization_url(self, redirect_uri: str, *, state: str, nonce: str, verifier: str) -> str:
        """With an account to choose: the browser may be signed in as somebody else in the family."""
        return await self._client.get_authorization_url(
            redirect_uri,
            state,
            code_challenge=code_challenge(verifier),
            code_challenge_method="S256",
            extras_params={"nonce": nonce, "prompt": "select_account"},
        )

    async def fetch_profile(self, code: str, redirect_uri: str, *, nonce: str, verifier: str) -> Profile:
        """The claims of userinfo, which must be about the same person as the ID token (OIDC Core, 5.3.2)."""
        token = await _exchange(self._client, code, redirect_uri, verifier)
        claims = await _read_json(self._userinfo, _access_token(token))
        subject = _subject(claims.get("sub"))
        if "id_token" in token:
            self._check_id_token(token["id_token"], nonce, subject)
        email = _address(claims.get("email"))
        return Profile(
            subject=subject,
            email=email,
            is_email_vouched=email is not None and claims.get("email_verified") is True,
            first_name=_name(claims.get("given_name")),
            last_name=_name(claims.get("family_name")),
        )

    def _check_id_token(self, id_token: object, nonce: str, subject: str) -> None:
        """It came from the token endpoint over TLS, which stands in for its signature (OIDC Core, 3.1.3.7, 6)."""
        try:
            claims = jwt.decode(str(id_token), options={"verify_signature": False})
            audience = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
            holds = (
                claims["iss"] in self._issuers
                and audience == [self._client.client_id]
                and hmac.compare_digest(str(claims["nonce"]).encode(), nonce.encode())
                and claims["sub"] == subject
                and int(claims["exp"]) > clock.now().timestamp() - _LEEWAY_SECONDS
            )
        except (jwt.PyJWTError, KeyError, TypeError, ValueError) as error:
            raise ProviderDeclinedError("the ID token can't be read") from error
        if not holds:
            raise ProviderDeclinedError("the ID token is not for this sign-in")


class Facebook:
    """Authorization code against the versioned Graph API; it never vouches for an address, and may know none.

    No PKCE: Facebook documents none for this flow. ``appsecret_proof`` shows that whoever uses the token knows
    our secret.
    """

    uses_pkce = False

    def __init__(self, registration: Registration, base: str | None, version: str) -> None:
        self._me = _at(base, _FACEBOOK_ME.format(version=version))
        self._client = _Client(
            registration.client_id,
            registration.client_secret,
            _at(base, _FACEBOOK_DIALOG.format(version=version)),
            _at(base, _FACEBOOK_TOKEN.format(version=version)),
            name=SocialProvider.FACEBOOK,
            base_scopes=["email", "public_profile"],
        )

    async def authorization_url(self, redirect_uri: str, *, state: str, nonce: str, verifier: str) -> str:
        """The login dialogue."""
        del nonce, verifier
        return await self._client.get_authorization_url(redirect_uri, state)

    async def fetch_profile(self, code: str, redirect_uri: str, *, nonce: str, verifier: str) -> Profile:
        """``/me``, with the token in a header."""
        del nonce, verifier
        access_token = _access_token(await _exchange(self._client, code, redirect_uri, None))
        proof = hmac.new(self._client.client_secret.encode(), access_token.encode(), hashlib.sha256).hexdigest()
        claims = await _read_json(
            self._me, access_token, {"fields": "id,first_name,last_name,email", "appsecret_proof": proof}
        )
        return Profile(
            subject=_subject(claims.get("id")),
            email=_address(claims.get("email")),
            is_email_vouched=False,
            first_name=_name(claims.get("first_name")),
            last_name=_name(claims.get("last_name")),
        )


def code_challenge(verifier: str) -> str:
    """PKCE's S256 (RFC 7636, 4.2)."""
    return urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _at(base: str | None, url: str) -> str:
    """``url``, at another origin where the settings name one."""
    return f"{base.rstrip('/')}{urlsplit(url).path}" if base else url


async def _exchange(client: _Client, code: str, redirect_uri: str, verifier: str | None) -> OAuth2Token:
    try:
        return await client.get_access_token(code, redirect_uri, verifier)
    except OAuth2RequestError as error:
        raise _translate(error.response) from error
    except (HTTPXOAuthError, TypeError, ValueError) as error:
        raise ProviderUnavailableError("the token endpoint's answer can't be read") from error


async def _read_json(url: str, access_token: str, params: dict[str, str] | None = None) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {access_token}", "Accept": "application/json"}
    try:
        async with httpx.AsyncClient(verify=usual_trust(), timeout=_TIMEOUT, follow_redirects=False) as client:
            answer = await client.get(url, params=params, headers=headers)
        if answer.status_code != 200:
            raise _translate(answer)
        claims = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        raise ProviderUnavailableError("the profile can't be read") from error
    if not isinstance(claims, dict):
        raise ProviderUnavailableError("the profile is no object")
    return claims


def _translate(answer: httpx.Response | None) -> ProviderError:
    """From what a provider answers to one of our three errors; its own words stay out, they may quote the code."""
    if answer is None or answer.status_code >= 500 or answer.status_code == 429:
        return ProviderUnavailableError("no answer" if answer is None else f"HTTP {answer.status_code}")
    try:
        body = answer.json()
        error = body.get("error") if isinstance(body, dict) else None
    except ValueError:
        error = None
    if isinstance(error, dict):  # Facebook's form
        if error.get("is_transient") is True:
            return ProviderUnavailableError(f"HTTP {answer.status_code}, transient")
        if error.get("error_subcode") in _FACEBOOK_SPENT_CODE:
            return ProviderDeclinedError("the code was used or is too old")
        return ProviderMisconfiguredError(f"HTTP {answer.status_code}, code {error.get('code')!r:.20}")
    if error in _OUR_FAULT:
        return ProviderMisconfiguredError(f"HTTP {answer.status_code}, {error}")
    return ProviderDeclinedError(f"HTTP {answer.status_code}")


def _access_token(token: OAuth2Token) -> str:
    found = token.get("access_token")
    if not isinstance(found, str) or not found or not found.isascii():
        raise ProviderUnavailableError("no access token in the answer")
    return found


def _subject(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _SUBJECT_LIMIT or not value.isprintable():
        raise ProviderUnavailableError("no subject in the profile")
    return value


def _address(value: object) -> str | None:
    """The address in the one form in which we keep addresses; None if there is none that we could write to."""
    try:
        return _email.validate_python(value)
    except ValidationError:
        return None


def _name(value: object) -> str:
    """A name as its owner gave it to the provider, held to what our own form would take; else nothing."""
    if not isinstance(value, str):
        return ""
    shortened = " ".join(value.split())[:_NAME_LIMIT].strip()
    try:
        return check_name(shortened)
    except ValueError:
        return ""
