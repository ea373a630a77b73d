"""The certificates that PayPal signs webhooks with: from where, of whom, and until when we trust one.

The address of a certificate comes from whoever calls us. So it is held against a list before anything is asked of it,
it is asked for once at a time, what was refused is remembered for a while, and only so many are asked for in a minute.
"""

import asyncio
import re
import time
import warnings
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import certifi
import httpx
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from billing.providers.port import InvalidSignatureError, OutcomeUnknownError
from todoenbalance.kit import clock
from todoenbalance.kit.logs import get_logger
from todoenbalance.kit.settings import PaymentMode
from todoenbalance.kit.trust import usual_trust

_log = get_logger("billing.paypal")

PATH = re.compile(r"/v1/notifications/certs/[A-Za-z0-9_-]{1,80}")
HOSTS = {
    PaymentMode.LIVE: frozenset({"api.paypal.com", "api-m.paypal.com"}),
    PaymentMode.TEST: frozenset({"api.sandbox.paypal.com", "api-m.sandbox.paypal.com"}),
}
DOMAIN = "paypal.com"
MAX_BYTES = 64 * 1024
MAX_CERTIFICATES = 10
MIN_KEY_BITS = 2048
FETCH_SECONDS = 5.0
KEPT = 64
REFUSED_SECONDS = 300.0
"""How long an address that gave no good certificate is not asked again."""
UNREACHABLE_SECONDS = 5.0
"""The same for one that gave no answer."""
FETCHES_A_MINUTE = 30

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_T = TypeVar("_T")
RootsOf = Callable[[Sequence[x509.Certificate]], Sequence[x509.Certificate]]


class UntrustedCertificateError(InvalidSignatureError):
    """A certificate that we can't trust; PayPal itself may be asked about the signature instead."""


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose certificates are good: by which scheme, from which hosts, below which roots.

    ``roots_of``: the roots to build a chain to, given the certificates that were served.
    """

    scheme: str
    hosts: frozenset[str]
    roots_of: RootsOf
    domain: str = DOMAIN

    @classmethod
    def public(cls, mode: PaymentMode) -> "Trust":
        """PayPal's own hosts of a mode, over TLS, below the roots that browsers trust."""
        return cls("https", HOSTS[mode], lambda _served: _public_roots())

    @classmethod
    def stand_in(cls, base: str) -> "Trust":
        """A server in PayPal's place (never in production): its own host, below the authority that it serves itself."""
        parts = urlsplit(base)
        return cls(parts.scheme, frozenset({parts.netloc}), _self_signed)

    def allows(self, url: str) -> bool:
        """Whether a certificate may be fetched there."""
        if len(url) > 500 or not url.isascii():
            return False
        try:
            parts = urlsplit(url)
        except ValueError:
            return False
        # The whole address again, so that nothing hides in what was not looked at (user, port, query, fragment).
        is_plain = url == f"{self.scheme}://{parts.netloc}{parts.path}"
        return is_plain and parts.netloc in self.hosts and PATH.fullmatch(parts.path) is not None


@lru_cache(maxsize=1)
def _public_roots() -> tuple[x509.Certificate, ...]:
    # One by one: an old root that the library does not like must not take the others with it.
    return tuple(root for block in _PEM.findall(Path(certifi.where()).read_bytes()) if (root := _root(block)))


def _root(pem: bytes) -> x509.Certificate | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", CryptographyDeprecationWarning)
            return x509.load_pem_x509_certificate(pem)
    except (ValueError, CryptographyDeprecationWarning):
        return None


def _self_signed(served: Sequence[x509.Certificate]) -> Sequence[x509.Certificate]:
    return [one for one in served if one.subject == one.issuer]


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that PayPal signs with, until its certificate ends."""

    key: rsa.RSAPublicKey
    good_from: datetime
    good_until: datetime


def read_certificate(pem: bytes, trust: Trust) -> SigningKey:
    """The key of the first certificate in ``pem``, whose chain the others may complete.

    Raises :class:`UntrustedCertificateError`: not PEM, no chain to a root, over or not begun, no name of PayPal's, no
    RSA key of a good length.
    """
    try:
        served = x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise UntrustedCertificateError("certificate_unreadable") from error
    if not served or len(served) > MAX_CERTIFICATES:
        raise UntrustedCertificateError("certificate_unreadable")
    leaf = served[0]
    _check_chain(leaf, served[1:], trust, _name(leaf, trust.domain))
    key = leaf.public_key()
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < MIN_KEY_BITS:
        raise UntrustedCertificateError("certificate_key")
    return SigningKey(key, leaf.not_valid_before_utc, leaf.not_valid_after_utc)


def _check_chain(leaf: x509.Certificate, others: Sequence[x509.Certificate], trust: Trust, name: str) -> None:
    roots = list(trust.roots_of([leaf, *others]))
    if not roots:
        raise UntrustedCertificateError("certificate_chain")
    try:
        builder = PolicyBuilder().store(Store(roots)).time(clock.now())
        builder.build_server_verifier(x509.DNSName(name)).verify(leaf, list(others))
    except VerificationError as error:
        over = not leaf.not_valid_before_utc <= clock.now() <= leaf.not_valid_after_utc
        raise UntrustedCertificateError("certificate_over" if over else "certificate_chain") from error


def _name(leaf: x509.Certificate, domain: str) -> str:
    """A name in the certificate that is PayPal's."""
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        listed = names.get_values_for_type(x509.DNSName)
    except (x509.ExtensionNotFound, ValueError):
        listed = []
    for one in listed:
        if (one == domain or one.endswith(f".{domain}")) and "*" not in one:
            return one
    raise UntrustedCertificateError("certificate_name")


class CertificateStore:
    """Certificates by address, kept until they end. One for each process and trust."""

    def __init__(self, trust: Trust) -> None:
        self._trust = trust
        self._kept: OrderedDict[str, SigningKey] = OrderedDict()
        self._refused: OrderedDict[str, tuple[float, Exception]] = OrderedDict()
        self._fetched_at: list[float] = []
        self._running: dict[str, asyncio.Task[SigningKey]] = {}

    async def get(self, url: str) -> SigningKey:
        """The key of the certificate there. The network is asked only for an address that is not known yet.

        Raises :class:`UntrustedCertificateError`, and :class:`OutcomeUnknownError` when it can't be had at present.
        """
        if not self._trust.allows(url):
            raise InvalidSignatureError("certificate_address")
        kept = self._kept.get(url)
        if kept is not None:
            if kept.good_from <= clock.now() <= kept.good_until:
                self._kept.move_to_end(url)
                return kept
            del self._kept[url]
        refused = self._refused.get(url)
        if refused is not None:
            if time.monotonic() < refused[0]:
                raise refused[1]
            del self._refused[url]
        return await self._fetch_once(url)

    async def _fetch_once(self, url: str) -> SigningKey:
        """Whoever asks while it is on its way waits for the same answer, and leaving does not stop it for the rest."""
        task = self._running.get(url)
        if task is None or task.get_loop() is not asyncio.get_running_loop():
            self._count_fetch()
            task = self._running[url] = asyncio.create_task(self._fetch(url))
        try:
            return await asyncio.shield(task)
        finally:
            if task.done() and self._running.get(url) is task:
                del self._running[url]

    def _count_fetch(self) -> None:
        now = time.monotonic()
        self._fetched_at = [at for at in self._fetched_at if now - at < 60]
        if len(self._fetched_at) >= FETCHES_A_MINUTE:
            _log.warning("paypal_certificates_asked_too_often")
            raise OutcomeUnknownError("certificate_busy")
        self._fetched_at.append(now)

    async def _fetch(self, url: str) -> SigningKey:
        try:
            pem = await _download(url)
            key = read_certificate(pem, self._trust)
        except UntrustedCertificateError as error:
            self._remember(self._refused, url, (time.monotonic() + REFUSED_SECONDS, error))
            _log.warning("paypal_certificate_refused", code=error.code)
            raise
        except OutcomeUnknownError as error:
            self._remember(self._refused, url, (time.monotonic() + UNREACHABLE_SECONDS, error))
            raise
        self._remember(self._kept, url, key)
        return key

    @staticmethod
    def _remember(into: OrderedDict[str, _T], url: str, value: _T) -> None:
        into[url] = value
        into.move_to_end(url)
        if len(into) > KEPT:
            into.popitem(last=False)


async def _download(url: str) -> bytes:
    """Raises :class:`UntrustedCertificateError` for a clear no, :class:`OutcomeUnknownError` for no answer."""
    try:
        async with asyncio.timeout(FETCH_SECONDS):
            return await _read_limited(url)
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
        raise OutcomeUnknownError("certificate_unreachable") from Exception(type(error).__name__)


async def _read_limited(url: str) -> bytes:
    content = bytearray()
    # Nothing from the environment, and no redirects: the list of hosts is the whole point.
    async with (
        httpx.AsyncClient(
            verify=usual_trust(), timeout=FETCH_SECONDS, trust_env=False, follow_redirects=False
        ) as client,
        client.stream("GET", url) as answer,
    ):
        if answer.status_code >= 500 or answer.status_code == 429:
            raise OutcomeUnknownError("certificate_unreachable")
        if answer.status_code != 200:
            raise UntrustedCertificateError("certificate_not_there")
        async for chunk in answer.aiter_bytes():
            content += chunk
            if len(content) > MAX_BYTES:
                raise UntrustedCertificateError("certificate_too_large")
    return bytes(content)
