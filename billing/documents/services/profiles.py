"""As who the practice issues, to whom clients have theirs made out, and the practice's own rates."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from billing.documents.errors import IssuerMissingError
from billing.documents.models import BillingProfile, IssuerProfile, TaxRate
from billing.documents.repository import DocumentRepository
from billing.documents.services.issuing import retry_pending
from billing.documents.tax_ids import normalise_tax_id
from tenants.accounts.services.client_accounts import get_client
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import InvalidInputError, NotFoundError


async def find_issuer(session: TenantSession) -> IssuerProfile | None:
    """The practice as issuer, or None while nobody has filled it in."""
    return await DocumentRepository(session).find_issuer()


async def get_issuer(session: TenantSession) -> IssuerProfile:
    """The same. Raises :class:`IssuerMissingError`."""
    issuer = await find_issuer(session)
    if issuer is None:
        raise IssuerMissingError
    return issuer


async def set_issuer(session: TenantSession, values: dict[str, Any]) -> IssuerProfile:
    """Fill in the practice's details or change them; what was issued keeps what it says, and what waits is tried again.

    Raises :class:`InvalidTaxIdError` and ``InvalidInputError`` for an area that isn't the country's or two series
    of one name.
    """
    values = values | {"tax_id": normalise_tax_id(values["tax_id"], values["country"])}
    if (values["country"] == "ES") != (values["tax_area"] != "other"):
        raise InvalidInputError(["body", "tax_area"], "not an area of that country", "tax_area_of_country")
    series = [values[f"{name}_series"] for name in ("simplified", "full", "rectifying", "receipt")]
    if len(set(series)) < len(series):
        raise InvalidInputError(["body", "rectifying_series"], "each kind has a series of its own", "series_differ")
    documents = DocumentRepository(session)
    issuer = await documents.find_issuer(for_update=True)
    if issuer is None:
        await documents.add(IssuerProfile(id=1, updated_at=clock.now(), **values))
    else:
        for name, value in values.items():
            setattr(issuer, name, value)
        issuer.updated_at = clock.now()
    await session.flush()  # what waits is tried again with it
    await retry_pending(session)
    return await get_issuer(session)


async def list_rates(session: TenantSession) -> list[TaxRate]:
    """The practice's own rates."""
    return await DocumentRepository(session).rates()


async def set_rates(session: TenantSession, rates: Sequence[dict[str, Any]]) -> list[TaxRate]:
    """Put these in place of the practice's own rates; what waits is tried again.

    Raises ``InvalidInputError`` for two of one treatment from the same day.
    """
    keys = {(one["treatment"], one["valid_from"]) for one in rates}
    if len(keys) < len(rates):
        raise InvalidInputError(["body", "rates"], "one rate for a treatment and a day", "rates_differ")
    await DocumentRepository(session).replace_rates([TaxRate(**one) for one in rates])
    await retry_pending(session)
    return await list_rates(session)


async def find_billing_profile(session: TenantSession, client_id: UUID) -> BillingProfile | None:
    """To whom a client's invoices are made out, if they have said."""
    return await DocumentRepository(session).find_billing_profile(client_id)


async def get_billing_profile(session: TenantSession, client_id: UUID) -> BillingProfile:
    """The same. Raises ``NotFoundError``."""
    profile = await find_billing_profile(session, client_id)
    if profile is None:
        raise NotFoundError
    return profile


async def set_billing_profile(session: TenantSession, client_id: UUID, values: dict[str, Any]) -> BillingProfile:
    """Say or change it; their invoices that waited for it are tried again.

    Raises ``NotFoundError`` for a client that is none or was erased, :class:`InvalidTaxIdError`.
    """
    if (await get_client(session, client_id)).erased_at is not None:
        raise NotFoundError
    values = values | {"tax_id": normalise_tax_id(values["tax_id"], values["country"])}
    documents = DocumentRepository(session)
    profile = await documents.find_billing_profile(client_id, for_update=True)
    if profile is None:
        profile = BillingProfile(client_id=client_id, updated_at=clock.now(), **values)
        await documents.add(profile)
    else:
        for name, value in values.items():
            setattr(profile, name, value)
        profile.updated_at = clock.now()
    await retry_pending(session, client_id)
    return profile


async def remove_billing_profile(session: TenantSession, client_id: UUID) -> None:
    """Take it away; invoices keep what they say."""
    await DocumentRepository(session).remove_billing_profile(client_id)
