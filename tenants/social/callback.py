"""The one address that providers send browsers back to, on the platform's host."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from tenants.registry.errors import PracticeNotFoundError, PracticeSuspendedError
from tenants.registry.service import TenantDirectory
from tenants.social.errors import InvalidStateError
from tenants.social.flows import finish_flow
from tenants.social.models import SocialProvider
from todoenbalance.kit.pages.redirects import see_other
from todoenbalance.kit.ratelimit import OAUTH
from todoenbalance.kit.web.dependencies import RuntimeDep
from todoenbalance.kit.web.limits import limited
from todoenbalance.kit.web.problems import responses

router = APIRouter(tags=["sign-in of clients"])

_LONGEST = 4000


@router.get(
    "/auth/oauth/{provider}/callback",
    status_code=303,
    response_class=Response,
    dependencies=[Depends(limited(OAUTH))],
    responses=responses(InvalidStateError, PracticeNotFoundError, PracticeSuspendedError),
)
async def come_back(
    provider: SocialProvider,
    request: Request,
    runtime: RuntimeDep,
    state: Annotated[str, Query(max_length=_LONGEST)] = "",
    code: Annotated[str | None, Query(max_length=_LONGEST)] = None,
    error: Annotated[str | None, Query(max_length=200)] = None,
) -> Response:
    """On to the practice that the signed, single-use state names, with a one-time `handoff` code."""
    directory: TenantDirectory = request.app.state.directory
    location = await finish_flow(runtime, directory, provider, state=state, code=code, error=error)
    return see_other(location)
