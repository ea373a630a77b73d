"""A practice that brings keys of its own Stripe account."""

import re
from typing import Final
from uuid import UUID

from billing.accounts.authors import Author
from billing.accounts.credentials import Entered, connect_by_credentials
from billing.accounts.errors import CredentialsRefusedError
from billing.accounts.models import AccountKind
from billing.accounts.port import STRIPE
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import stripe_mode
from todoenbalance.kit.tenancy import TenantContext

_SECRET: Final = re.compile(r"[sr]k_(test|live)_[A-Za-z0-9_]{4,240}")
_PUBLISHABLE: Final = re.compile(r"pk_(test|live)_[A-Za-z0-9_]{4,240}")


async def connect_own_keys(
    runtime: Runtime, tenant: TenantContext, author: Author, *, secret_key: str, publishable_key: str
) -> UUID:
    """Have clients pay into the account of these keys; restricted ones (``rk_``) that may read it will do.

    Raises what :func:`~billing.accounts.credentials.connect_by_credentials` does.
    """
    _check_kinds(secret_key, publishable_key)
    if secret_key == runtime.settings.providers.stripe.secret_key.get_secret_value():
        raise CredentialsRefusedError("secret_key", "credentials_of_the_platform")
    entered = Entered(
        provider=STRIPE,
        kind=AccountKind.OWN_KEYS,
        mode=stripe_mode(secret_key),
        secret_field="secret_key",  # noqa: S106 - a field's name
        credentials={"secret_key": secret_key},
        publishable_key=publishable_key,
    )
    return await connect_by_credentials(runtime, tenant, author, entered)


def _check_kinds(secret_key: str, publishable_key: str) -> None:
    """Each key in its own field, both of one mode. Raises :class:`CredentialsRefusedError`."""
    if secret_key.startswith("pk_"):
        raise CredentialsRefusedError("secret_key", "secret_key_is_publishable")
    if not _SECRET.fullmatch(secret_key):
        raise CredentialsRefusedError("secret_key", "secret_key_malformed")
    if publishable_key.startswith(("sk_", "rk_")):
        raise CredentialsRefusedError("publishable_key", "publishable_key_is_secret")
    if not _PUBLISHABLE.fullmatch(publishable_key):
        raise CredentialsRefusedError("publishable_key", "publishable_key_malformed")
    if stripe_mode(secret_key) != stripe_mode(publishable_key):
        raise CredentialsRefusedError("publishable_key", "keys_of_two_modes")
