"""The signed links by which a reader chooses which mails they get, without signing in.

A link names the practice, the account and the topic of the mail that it came in, and has a keyed digest of all three.
It opens nothing but these choices, at this practice, and does not run out: who finds an old mail must be able to stop
it (RFC 8058 has no use for a link that asks one to sign in). It holds as long as the key that signed it is configured.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from uuid import UUID

from notifications.catalogue import Topic
from notifications.preferences.service import Account
from tenants.accounts.models import AccountKind
from tenants.accounts.services.client_accounts import get_client
from tenants.accounts.services.staff_accounts import get_staff
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.security.tokens import TokenSigner
from todoenbalance.kit.tenancy import TenantContext

PATH = "/mail-preferences/{token}"
_DIGEST_LENGTH = 32
"""Hexadecimal digits of the digest, so 128 bits: far beyond guessing, and the header stays short."""
_LETTERS = {AccountKind.CLIENT: "c", AccountKind.STAFF: "s"}
_KINDS = {letter: kind for kind, letter in _LETTERS.items()}


@dataclass(frozen=True, slots=True)
class PreferenceLink:
    """What a token says, once it is believed."""

    account: Account
    topic: Topic


@dataclass(frozen=True, slots=True)
class LinkReader:
    """Of whose choices a page may show this much and no more. ``address`` is masked."""

    first_name: str
    address: str
    locale: str


def make_token(signer: TokenSigner, tenant: TenantContext, account: Account, topic: Topic) -> str:
    """The token of ``account`` at ``tenant``, from a mail about ``topic``."""
    whose = urlsafe_b64encode(account.id.bytes).rstrip(b"=").decode()
    said = f"{_LETTERS[account.kind]}.{whose}.{topic}"
    return f"{said}.{signer.digest(_signed(tenant, said))[:_DIGEST_LENGTH]}"


def preferences_url(runtime: Runtime, tenant: TenantContext, account: Account, topic: Topic) -> str:
    """The page behind the token, and where the one click of RFC 8058 is posted."""
    token = make_token(runtime.signer, tenant, account, topic)
    return runtime.settings.practice_url(tenant.slug, PATH.format(token=token))


def read_token(signer: TokenSigner, tenant: TenantContext, token: str) -> PreferenceLink:
    """What ``token`` says here. Raises :class:`NotFoundError` for any that was not made for this practice."""
    said, _, digest = token.rpartition(".")
    known = (made[:_DIGEST_LENGTH] for made in signer.digests(_signed(tenant, said)))
    if not any(hmac.compare_digest(digest.encode(), one.encode()) for one in known):
        raise NotFoundError
    letter, whose, topic = said.split(".")
    return PreferenceLink(Account(_KINDS[letter], UUID(bytes=urlsafe_b64decode(whose + "=="))), Topic(topic))


def _signed(tenant: TenantContext, said: str) -> str:
    return f"mail-preferences:{tenant.key}:{said}"


async def find_link_reader(session: TenantSession, account: Account) -> LinkReader:
    """Whom the link's page greets. Raises :class:`NotFoundError` for an account that is gone or closed."""
    found = await (get_staff if account.is_staff else get_client)(session, account.id)
    if not found.is_active:
        raise NotFoundError
    return LinkReader(found.first_name, mask(found.email), found.locale)


def mask(address: str) -> str:
    """``c•••@e•••.com``: enough for its owner to know which one it is."""
    local, _, domain = address.rpartition("@")
    name, _, rest = domain.rpartition(".")
    return f"{local[:1]}•••@{name[:1]}•••.{rest}"
