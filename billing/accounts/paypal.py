"""A practice's own application at PayPal."""

import re
from typing import Final
from uuid import UUID

from billing.accounts.authors import Author
from billing.accounts.credentials import Entered, connect_by_credentials
from billing.accounts.errors import CredentialsRefusedError
from billing.accounts.models import AccountKind
from billing.accounts.port import PAYPAL
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import PaymentMode
from todoenbalance.kit.tenancy import TenantContext

_CREDENTIAL: Final = re.compile(r"[A-Za-z0-9_.-]{4,255}")


async def connect_paypal(
    runtime: Runtime, tenant: TenantContext, author: Author, *, client_id: str, client_secret: str, mode: PaymentMode
) -> UUID:
    """Have clients pay into the account whose application this is.

    ``mode`` decides at which of PayPal's hosts the credentials are tried: they work at one alone. Raises what
    :func:`~billing.accounts.credentials.connect_by_credentials` does.
    """
    for name, value in (("client_id", client_id), ("client_secret", client_secret)):
        if not _CREDENTIAL.fullmatch(value):
            raise CredentialsRefusedError(name, "credentials_malformed")
    entered = Entered(
        provider=PAYPAL,
        kind=AccountKind.CREDENTIALS,
        mode=mode,
        secret_field="client_secret",  # noqa: S106 - a field's name
        credentials={"client_id": client_id, "client_secret": client_secret},
    )
    return await connect_by_credentials(runtime, tenant, author, entered)
