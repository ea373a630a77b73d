"""By whom clients may sign in: the practice's registrations at Google and Facebook."""

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from admin_portal.pages.page import SignedIn, StaffPage
from admin_portal.sign_in_providers import change_provider
from tenants.accounts.permissions import Permission
from tenants.social import registrations
from tenants.social.models import SocialProvider
from tenants.social.schemas import ProviderPut
from todoenbalance.kit.errors import NotFoundError, ProblemError
from todoenbalance.kit.pages.forms import Form
from todoenbalance.kit.pages.redirects import see_other

router = APIRouter(include_in_schema=False)

_PATH = "/admin/sign-in-providers"
NAMES = {SocialProvider.GOOGLE: "Google", SocialProvider.FACEBOOK: "Facebook"}


@router.get("/sign-in-providers")
async def show_providers(page: SignedIn) -> Response:
    """Each provider: whose registration counts, the address to register there, and a form for one's own."""
    page.need(Permission.MANAGE_SETTINGS)
    page.need_fresh(_PATH)
    return await _render(page, {})


async def _render(
    page: StaffPage, refused: dict[SocialProvider, Form], problem: ProblemError | None = None
) -> Response:
    statuses = await registrations.list_statuses(page.session, page.runtime)
    forms = {
        status.provider: refused.get(status.provider)
        or page.blank_form(
            client_id=status.client_id if status.source == "practice" else None,
            is_enabled="yes" if status.is_offered or status.source != "practice" else None,
        )
        for status in statuses
    }
    values: dict[str, Any] = {"statuses": statuses, "forms": forms, "names": NAMES}
    if problem is not None:
        return page.render_refused("sign_in_providers.html", next(iter(refused.values())), problem, **values)
    return page.render("sign_in_providers.html", form=page.blank_form(), **values)


@router.post("/sign-in-providers/{name}")
async def change(page: SignedIn, name: str) -> Response:
    """Use the practice's own registration, or turn the provider off."""
    form = await page.read_form()
    page.need(Permission.MANAGE_SETTINGS)
    page.need_fresh(_PATH)
    provider = _known(name)
    try:
        wish = form.parse(
            ProviderPut, {**form.optional("client_id", "client_secret"), "is_enabled": form.get("is_enabled") == "yes"}
        )
        async with page.session.begin_nested():
            await change_provider(page.session, page.runtime, page.staff, provider, wish, page.request_id)
    except ProblemError as problem:
        return await _render(page, {provider: form}, problem)
    return see_other(_PATH)


@router.post("/sign-in-providers/{name}/forget")
async def forget(page: SignedIn, name: str) -> Response:
    """Forget the practice's own registration; the platform's serves again, if there is one."""
    await page.read_form()
    page.need(Permission.MANAGE_SETTINGS)
    page.need_fresh(_PATH)
    provider = _known(name)
    await registrations.forget_provider(page.session, provider)
    page.record("sign_in_provider.forgotten", None, provider=provider)
    return see_other(_PATH)


def _known(name: str) -> SocialProvider:
    """Raises :class:`NotFoundError` for any other name, once it is known who asks."""
    if name not in list(SocialProvider):
        raise NotFoundError
    return SocialProvider(name)
