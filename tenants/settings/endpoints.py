"""The public profile: ``GET /practice``."""

from fastapi import APIRouter

from tenants.settings.schemas import CancellationPolicy, PracticeProfile, PrivacyPolicy
from tenants.settings.service import get_practice_settings, usable_methods
from todoenbalance.kit.web.dependencies import RuntimeDep, TenantDep, TenantSessionDep

router = APIRouter(tags=["practice"])


@router.get("/practice")
async def read_practice(tenant: TenantDep, session: TenantSessionDep, runtime: RuntimeDep) -> PracticeProfile:
    """Who this practice is and on which terms it books. Open to everyone."""
    settings = await get_practice_settings(session)
    return PracticeProfile(
        name=tenant.name,
        slug=tenant.slug,
        timezone=tenant.timezone,
        currency=tenant.currency,
        locale=tenant.locale,
        branding=settings.branding,
        payment_methods=usable_methods(runtime.settings, settings),
        cancellation_policy=CancellationPolicy(notice_hours=settings.cancellation_notice_hours),
        privacy_policy=PrivacyPolicy(version=settings.privacy_policy_version, url=settings.privacy_policy_url),
    )
