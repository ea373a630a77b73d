"""A client's own data: consents, export, erasure. ``/users/me/…``."""

from typing import Any

from fastapi import APIRouter

from tenants.accounts.auth import CurrentClient, FreshClientSignIn
from tenants.privacy import erasure, service
from tenants.privacy.errors import AlreadyErasedError, OutdatedVersionError
from tenants.privacy.export import export_client
from tenants.privacy.models import Consent
from tenants.privacy.schemas import ConsentRead, ConsentRequest, ErasurePreview, ErasureReceipt
from todoenbalance.kit.pagination import Page
from todoenbalance.kit.security.sign_ins import FreshSignInRequiredError
from todoenbalance.kit.web.dependencies import LocaleDep, RuntimeDep, TenantSessionDep
from todoenbalance.kit.web.problems import responses

router = APIRouter(prefix="/users/me", tags=["own data"])


@router.get("/consents")
async def list_consents(client: CurrentClient, session: TenantSessionDep) -> Page[ConsentRead]:
    """What one agreed to, newest first."""
    rows = await service.list_consents(session, client.id)
    return Page(items=[ConsentRead.model_validate(row) for row in rows], next_cursor=None)


@router.post("/consents", status_code=201, response_model=ConsentRead, responses=responses(OutdatedVersionError))
async def give_consent(body: ConsentRequest, client: CurrentClient, session: TenantSessionDep) -> Consent:
    """Agree to the version in force. Safe to repeat."""
    return await service.accept_version(session, client.id, body.version, locale=client.locale)


@router.get("/export", responses=responses(FreshSignInRequiredError))
async def export_me(found: FreshClientSignIn, session: TenantSessionDep) -> dict[str, Any]:
    """Everything stored about oneself, as one document. Needs a fresh sign-in."""
    return await export_client(session, found.account.id)


@router.get("/erasure")
async def preview_erasure(client: CurrentClient, session: TenantSessionDep) -> ErasurePreview:
    """What deleting the account would do, class by class, and which appointments it would cancel."""
    return ErasurePreview.of_plan(await erasure.preview_erasure(session, client.id), client.locale)


@router.delete("", responses=responses(FreshSignInRequiredError, AlreadyErasedError))
async def erase_me(
    found: FreshClientSignIn, session: TenantSessionDep, runtime: RuntimeDep, locale: LocaleDep
) -> ErasureReceipt:
    """Erase one's account; what the law wants kept is sealed until a date. Cannot be undone. Needs a fresh sign-in.

    Appointments to come are cancelled as the client would. The receipt says what was done.
    """
    done = await erasure.erase_client(session, runtime.vault, found.account.id, requested_by="client")
    return ErasureReceipt.of(done, locale)
