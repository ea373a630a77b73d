"""Google and Facebook on this machine: a real HTTP server that answers as they document it.

Google by its discovery document (code flow, client secret in the body, PKCE S256, ID token, userinfo); Facebook by
the manual login flow (versioned Graph API, no PKCE, ``appsecret_proof``, an e-mail that may be missing). What a
person would press on their pages is what the test sets on :class:`OAuthProvider` before it follows the address.
"""

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt

GRAPH_VERSION = "v23.0"


@dataclass
class Person:
    """Somebody with an account at the provider; ``email`` None is one who signed up there by telephone."""

    subject: str
    email: str | None = None
    is_verified: bool = True
    first_name: str = "Gloria"
    last_name: str = "Google"


@dataclass
class Application:
    """A registration at the provider."""

    client_id: str
    client_secret: str
    redirect_uris: list[str]


@dataclass
class _Grant:
    application: Application
    person: Person
    redirect_uri: str
    challenge: str | None
    nonce: str | None
    is_google: bool


@dataclass
class Wishes:
    """What the next sign-in is to be like; the fields after the first two play a provider that misbehaves."""

    person: Person | None = None
    denies: bool = False
    token_status: int = 200
    userinfo_status: int = 200
    changed_claims: dict[str, Any] = field(default_factory=dict)
    userinfo_subject: str | None = None
    token_body: object = None
    profile_body: object = None


class OAuthProvider:
    """Both providers at one origin; their paths differ."""

    def __init__(self) -> None:
        self.wishes = Wishes()
        self.applications: dict[str, Application] = {}
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self._codes: dict[str, _Grant] = {}
        self._tokens: dict[str, _Grant] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.base = f"http://127.0.0.1:{self._server.server_address[1]}"

    def register(self, client_id: str, client_secret: str, *redirect_uris: str) -> Application:
        """What one does in the provider's console."""
        self.applications[client_id] = Application(client_id, client_secret, list(redirect_uris))
        return self.applications[client_id]

    @contextmanager
    def running(self) -> Iterator["OAuthProvider"]:
        """Serve within the block."""
        thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    # ---- the pages and endpoints; each answers a status, headers and a body

    def authorize(self, query: dict[str, str], *, is_google: bool) -> tuple[int, dict[str, str], Any]:
        """The page where a person agrees; here they have pressed already."""
        application = self.applications.get(query.get("client_id", ""))
        redirect_uri = query.get("redirect_uri", "")
        if application is None or redirect_uri not in application.redirect_uris:
            return 400, {}, "redirect_uri_mismatch"  # never a redirect to an address that nobody registered
        if self.wishes.denies or self.wishes.person is None:
            refusal = {"error": "access_denied", "state": query.get("state", "")}
            if not is_google:
                refusal |= {
                    "error_code": "200",
                    "error_reason": "user_denied",
                    "error_description": "Permissions error",
                }
            return 302, {"Location": f"{redirect_uri}?{urlencode(refusal)}"}, ""
        challenge = query.get("code_challenge")
        if challenge is not None and query.get("code_challenge_method") != "S256":
            return 400, {}, "invalid_request"
        code = secrets.token_urlsafe(24)
        self._codes[code] = _Grant(
            application, self.wishes.person, redirect_uri, challenge, query.get("nonce"), is_google
        )
        answer = {"state": query.get("state", ""), "code": code}
        fragment = "" if is_google else "#_=_"
        return 302, {"Location": f"{redirect_uri}?{urlencode(answer)}{fragment}"}, ""

    def token(self, form: dict[str, str], *, is_google: bool) -> tuple[int, dict[str, str], Any]:
        """The token endpoint: everything that was agreed must be the same again, and a code works once."""
        if self.wishes.token_status != 200:
            return self.wishes.token_status, {}, {}
        if self.wishes.token_body is not None:
            return 200, {}, self.wishes.token_body
        application = self.applications.get(form.get("client_id", ""))
        if application is None or form.get("client_secret") != application.client_secret:
            return _refuse(is_google, "invalid_client", 101)
        if form.get("grant_type") != "authorization_code":
            return _refuse(is_google, "unsupported_grant_type", 100)
        grant = self._codes.pop(form.get("code", ""), None)
        if grant is None or grant.is_google != is_google or grant.application is not application:
            return _refuse(is_google, "invalid_grant", 100, 36009)
        if form.get("redirect_uri") != grant.redirect_uri:
            return _refuse(is_google, "redirect_uri_mismatch", 191)
        if grant.challenge is not None and _s256(form.get("code_verifier", "")) != grant.challenge:
            return _refuse(is_google, "invalid_grant", 100)
        access_token = secrets.token_urlsafe(32)
        self._tokens[access_token] = grant
        answer: dict[str, Any] = {"access_token": access_token, "token_type": "Bearer", "expires_in": 3599}
        if is_google:
            answer |= {"scope": "openid email profile", "id_token": self._id_token(grant)}
        return 200, {}, answer

    def _id_token(self, grant: _Grant) -> str:
        now = int(time.time())
        claims = {
            "iss": "https://accounts.google.com",
            "aud": grant.application.client_id,
            "sub": grant.person.subject,
            "nonce": grant.nonce,
            "iat": now,
            "exp": now + 3600,
        }
        return jwt.encode(claims | self.wishes.changed_claims, "k" * 32, "HS256")

    def userinfo(self, authorization: str) -> tuple[int, dict[str, str], Any]:
        """OpenID Connect's userinfo endpoint."""
        grant = self._tokens.get(authorization.removeprefix("Bearer "))
        if grant is None or not grant.is_google or self.wishes.userinfo_status != 200:
            return (401 if grant is None else self.wishes.userinfo_status), {}, {"error": "invalid_token"}
        if self.wishes.profile_body is not None:
            return 200, {}, self.wishes.profile_body
        person = grant.person
        claims: dict[str, Any] = {
            "sub": self.wishes.userinfo_subject or person.subject,
            "name": f"{person.first_name} {person.last_name}",
            "given_name": person.first_name,
            "family_name": person.last_name,
            "picture": "https://lh3.googleusercontent.com/a/x",
        }
        if person.email is not None:
            claims |= {"email": person.email, "email_verified": person.is_verified}
        return 200, {}, claims

    def me(self, authorization: str, query: dict[str, str]) -> tuple[int, dict[str, str], Any]:
        """The Graph API's ``/me``: only the fields that were asked for, and the e-mail only if there is one."""
        access_token = authorization.removeprefix("Bearer ")
        grant = self._tokens.get(access_token)
        if grant is None or grant.is_google:
            return 400, {}, {"error": {"message": "An access token is required", "type": "OAuthException", "code": 190}}
        secret = grant.application.client_secret.encode()
        proof = hmac.new(secret, access_token.encode(), hashlib.sha256).hexdigest()
        if query.get("appsecret_proof") != proof or "access_token" in query:
            return (
                400,
                {},
                {"error": {"message": "Invalid appsecret_proof", "type": "GraphMethodException", "code": 100}},
            )
        if self.wishes.profile_body is not None:
            return 200, {}, self.wishes.profile_body
        person = grant.person
        known = {"id": person.subject, "first_name": person.first_name, "last_name": person.last_name}
        if person.email is not None:
            known["email"] = person.email
        wanted = query.get("fields", "id,name").split(",")
        return 200, {}, {name: value for name, value in known.items() if name in wanted or name == "id"}

    def _answer(self, method: str, target: str, body: str, authorization: str) -> tuple[int, dict[str, str], Any]:
        parts = urlsplit(target)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        form = {name: values[-1] for name, values in parse_qs(body).items()}
        self.requests.append((method, target, form))
        match method, parts.path:
            case "GET", "/o/oauth2/v2/auth":
                return self.authorize(query, is_google=True)
            case "POST", "/token":
                return self.token(form, is_google=True)
            case "GET", "/v1/userinfo":
                return self.userinfo(authorization)
            case "GET", path if path == f"/{GRAPH_VERSION}/dialog/oauth":
                return self.authorize(query, is_google=False)
            case (("GET" | "POST"), path) if path == f"/{GRAPH_VERSION}/oauth/access_token":
                return self.token(form or query, is_google=False)
            case "GET", path if path == f"/{GRAPH_VERSION}/me":
                return self.me(authorization, query)
        return 404, {}, "no such page"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def _serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                authorization = self.headers.get("Authorization", "")
                status, headers, content = provider._answer(self.command, self.path, body, authorization)
                raw = (content if isinstance(content, str) else json.dumps(content)).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Type", "text/plain" if isinstance(content, str) else "application/json")
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            do_GET = _serve  # noqa: N815 - the names that the standard library looks for
            do_POST = _serve  # noqa: N815 - the same

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name for it
                del format, args

        return Handler


def _refuse(is_google: bool, error: str, code: int, subcode: int | None = None) -> tuple[int, dict[str, str], Any]:
    """Each provider's own form of an error: Google's is RFC 6749's, Facebook's an object."""
    if is_google:
        return (401 if error == "invalid_client" else 400), {}, {"error": error, "error_description": "Bad Request"}
    body = {"message": "Error validating verification code.", "type": "OAuthException", "code": code}
    return 400, {}, {"error": body | ({"error_subcode": subcode} if subcode else {})}


def _s256(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
