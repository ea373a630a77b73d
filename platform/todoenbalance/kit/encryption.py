"""Secrets at rest: AES-256-GCM, the practice as associated data, key id for rotation."""

import base64
import hashlib
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12


class DecryptionError(Exception):
    """The text was not encrypted by us, for this practice, with a key that we still hold."""


class Vault:
    """Encrypts small secrets. The practice's key is bound in: a row copied elsewhere does not decrypt."""

    def __init__(self, keys: dict[str, str]) -> None:
        self._ciphers = {
            kid: AESGCM(hashlib.sha256(b"todoenbalance.vault:" + secret.encode()).digest())
            for kid, secret in keys.items()
        }
        self._kid = next(iter(keys))

    def encrypt(self, plain: str, *, tenant_key: str) -> str:
        """``kid:base64(nonce + ciphertext)``."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._ciphers[self._kid].encrypt(nonce, plain.encode(), tenant_key.encode())
        return f"{self._kid}:{base64.b64encode(nonce + sealed).decode()}"

    def is_current(self, stored: str) -> bool:
        """Whether the present key sealed it; if not, it must be sealed anew before its key is dropped."""
        return stored.partition(":")[0] == self._kid

    def decrypt(self, stored: str, *, tenant_key: str) -> str:
        """The secret itself. Raises :class:`DecryptionError`."""
        kid, _, encoded = stored.partition(":")
        try:
            raw = base64.b64decode(encoded)
            plain = self._ciphers[kid].decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], tenant_key.encode())
        except (KeyError, ValueError, InvalidTag) as error:
            raise DecryptionError from error
        return plain.decode()
