"""Signed webhooks: an authority, a certificate below it and an RSA key, all made here."""

import base64
import ipaddress
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CERTIFICATES_PATH: Final = "/v1/notifications/certs/"
ALGORITHM: Final = "SHA256withRSA"
SUBJECT: Final = "messageverificationcerts.paypal.com"


@cache
def _key(name: str) -> rsa.RSAPrivateKey:
    """Making one takes a while; each process makes each once."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Signer:
    """Signs webhooks as PayPal does, and serves the certificate to check them by."""

    def __init__(self, *, subject: str = SUBJECT, valid_for: timedelta = timedelta(days=90), ca: str = "ca") -> None:
        """``ca``: another name is another authority, which nobody trusts."""
        now = datetime.now(UTC)
        self.certificate_id = "CERT-360caa42-fca2a594-1d93a270"
        self._key = _key("leaf")
        self._ca_key = _key(ca)
        issuer = _name("Local Root")
        begins = min(now, now + valid_for) - timedelta(days=1)
        self._ca = (
            x509.CertificateBuilder()
            .subject_name(issuer)
            .issuer_name(issuer)
            .public_key(self._ca_key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins - timedelta(days=1))
            .not_valid_after(now + timedelta(days=3650))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs=False, certifies=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._ca_key.public_key()), critical=False)
            .sign(self._ca_key, hashes.SHA256())
        )
        self._leaf = (
            x509.CertificateBuilder()
            .subject_name(_name(subject))
            .issuer_name(issuer)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(now + valid_for)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs=True, certifies=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectAlternativeName([_alternative(subject)]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._ca_key.public_key()), critical=False
            )
            .sign(self._ca_key, hashes.SHA256())
        )

    @property
    def ca_pem(self) -> bytes:
        """The authority to trust in a test."""
        return self._ca.public_bytes(serialization.Encoding.PEM)

    @property
    def certificate_pem(self) -> bytes:
        """What is served at the certificate's address: the leaf and the authority."""
        return self._leaf.public_bytes(serialization.Encoding.PEM) + self.ca_pem

    def headers(
        self,
        body: bytes,
        webhook_id: str,
        certificates_at: str,
        *,
        transmission_id: str,
        moment: str | None = None,
    ) -> Mapping[str, str]:
        """The headers of a webhook; ``certificates_at`` is scheme and host of the certificate's address."""
        moment = moment or datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        signed = f"{transmission_id}|{moment}|{webhook_id}|{zlib.crc32(body)}".encode()
        signature = self._key.sign(signed, padding.PKCS1v15(), hashes.SHA256())
        return {
            "Content-Type": "application/json",
            "PAYPAL-TRANSMISSION-ID": transmission_id,
            "PAYPAL-TRANSMISSION-TIME": moment,
            "PAYPAL-TRANSMISSION-SIG": base64.b64encode(signature).decode(),
            "PAYPAL-CERT-URL": f"{certificates_at}{CERTIFICATES_PATH}{self.certificate_id}",
            "PAYPAL-AUTH-ALGO": ALGORITHM,
            "PAYPAL-AUTH-VERSION": "v2",
            "User-Agent": "PayPal/AUHD-1.0-1",
        }

    def is_signed(self, body: bytes, webhook_id: str, transmission_id: str, moment: str, signature: str) -> bool:
        """Whether we signed exactly this."""
        signed = f"{transmission_id}|{moment}|{webhook_id}|{zlib.crc32(body)}".encode()
        made = self._key.sign(signed, padding.PKCS1v15(), hashes.SHA256())
        # PKCS#1 v1.5 signatures of one text are all the same.
        return base64.b64encode(made).decode() == signature


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _alternative(subject: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(subject))
    except ValueError:
        return x509.DNSName(subject)


def _usage(*, signs: bool, certifies: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=certifies,
        crl_sign=certifies,
        encipher_only=False,
        decipher_only=False,
    )
