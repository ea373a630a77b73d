"""Which addresses and names a practice may write under."""

import re
import unicodedata
from typing import Final

import idna

from todoenbalance.kit.errors import InvalidInputError
from todoenbalance.kit.settings import Settings

DOMAIN_MOST: Final = 200
"""A DNS name has 253 characters, and labels of ours and the provider's come before it."""
_LOCAL: Final = re.compile(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LOCAL_MOST: Final = 64
_FREE_MAIL: Final = frozenset({
    "aol.com", "arrakis.es", "correo.com", "fastmail.com", "free.fr", "gmail.com", "gmail.es", "gmx.com",
    "gmx.de", "gmx.es", "gmx.net", "googlemail.com", "hey.com", "hotmail.co.uk", "hotmail.com", "hotmail.es",
    "hotmail.fr", "hotmail.it", "icloud.com", "iespana.es", "inbox.com", "laposte.net", "libero.it", "live.com",
    "live.es", "mac.com", "mail.com", "mail.ru", "mailfence.com", "me.com", "mixmail.com", "mundo-r.com",
    "msn.com", "movistar.es", "ono.com", "orange.es", "orange.fr", "outlook.com", "outlook.es", "outlook.fr",
    "outlook.pt", "pm.me", "posteo.de", "proton.me", "protonmail.ch", "protonmail.com", "qq.com",
    "rocketmail.com", "sapo.pt", "t-online.de", "telefonica.net", "telefonica.es", "telecable.es", "terra.com",
    "terra.es", "tuta.com", "tuta.io", "tutanota.com", "vodafone.es", "web.de", "wanadoo.es", "wanadoo.fr",
    "ya.com", "yahoo.co.uk", "yahoo.com", "yahoo.es", "yahoo.fr", "yahoo.it", "yandex.com", "yandex.ru",
    "ymail.com", "zoho.com", "zohomail.eu",
})  # fmt: skip
"""Nobody can enter anything in the DNS of these; they are known so that an owner is told at once, not after a day."""


def read_address(given: str, settings: Settings) -> tuple[str, str]:
    """The address and its domain, both as they travel: the domain in ASCII (IDNA 2008, RFC 5891), all lower case.

    Raises :class:`InvalidInputError`, its kind says why: ``sender_address_malformed``, ``sender_domain_free``,
    ``sender_domain_platform``.
    """
    local, _, named = given.strip().lower().rpartition("@")
    if not _LOCAL.fullmatch(local) or len(local) > _LOCAL_MOST:
        raise _refused("sender_address_malformed", "write an address without accents or spaces before the @")
    try:
        domain = idna.encode(named, uts46=True).decode("ascii").lower()
    except idna.IDNAError as error:
        raise _refused("sender_address_malformed", "this is no domain") from error
    if "." not in domain or len(domain) > DOMAIN_MOST or domain.rpartition(".")[2].isdigit():
        raise _refused("sender_address_malformed", "this is no domain")
    if domain in _FREE_MAIL:
        raise _refused("sender_domain_free", "this domain belongs to a mail provider: use one of your own")
    if any(_is_within(domain, own) or _is_within(own, domain) for own in platform_domains(settings)):
        raise _refused("sender_domain_platform", "this domain is the platform's")
    return f"{local}@{domain}", domain


def platform_domains(settings: Settings) -> tuple[str, ...]:
    """Domains that are never a practice's: the one that practices are reached at, and the platform's sender's."""
    return settings.base_domain, settings.mail.sender_address.rpartition("@")[2].lower()


def _is_within(domain: str, parent: str) -> bool:
    return domain == parent or domain.endswith(f".{parent}")


def read_name(given: str, settings: Settings) -> str:
    """The sender's name in one line.

    It may not pass for another address, nor for the platform: mails from the platform's address under such a name would
    be taken for the platform's own.
    Raises :class:`InvalidInputError` (``sender_name_malformed``, ``sender_name_platform``).
    """
    name = " ".join(given.split())
    # Cc, Cf: line breaks, and what turns or hides letters. An @ is for addresses.
    if "@" in name or any(unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Co") for letter in name):
        raise _refused("sender_name_malformed", "write a name, without @ and invisible characters", "name")
    platform = _bare(settings.mail.sender_name)
    if platform and platform in _bare(name):
        raise _refused("sender_name_platform", "this is the platform's name", "name")
    return name


def _bare(name: str) -> str:
    """What of a name is heard: without accents, case, spaces and signs."""
    return "".join(letter for letter in unicodedata.normalize("NFKD", name).casefold() if letter.isalnum())


def shown_domain(domain: str) -> str:
    """The domain with its own letters, as its owner knows it."""
    try:
        return idna.decode(domain)
    except idna.IDNAError:
        return domain


def _refused(kind: str, message: str, field: str = "address") -> InvalidInputError:
    return InvalidInputError(["body", field], message, kind)
