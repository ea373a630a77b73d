"""A request for one of the portal's pages, and the member of staff who is signed in, if anyone is."""

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import Depends, Request
from starlette.responses import Response

from admin_portal.calendar_access import CalendarEditor, calendar_editor
from admin_portal.pages.sentences import SENTENCES
from notifications.formats import describe
from tenants.accounts.auth import fresh_within
from tenants.accounts.models import AccountKind, Staff
from tenants.accounts.permissions import Permission, may
from tenants.accounts.services import audit, sign_ins
from tenants.accounts.services.second_factors import StaffMultiFactor
from tenants.accounts.services.sign_ins import StaffSignIn
from tenants.plans.capabilities import is_restricted
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import ForbiddenError
from todoenbalance.kit.pages.cookies import SignIn, drop_sign_in, keep_sign_in, read_sign_in
from todoenbalance.kit.pages.environment import Pages
from todoenbalance.kit.pages.redirects import SeeOtherError, with_next
from todoenbalance.kit.pages.security import SecurityPage, SecurityPaths
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.security.sign_ins import EndReason, FreshSignInRequiredError, SignInMethod, check_fresh
from todoenbalance.kit.security.tokens import InvalidTokenError
from todoenbalance.kit.tenancy import TenantContext
from todoenbalance.kit.web.context import context_of
from todoenbalance.kit.web.dependencies import RuntimeDep, TenantDep, TenantSessionDep

PAGES = Pages(Path(__file__).parent, sentences=SENTENCES)
COOKIE = "staff"
CONFIRM_PATH = "/admin/confirm"
SECOND_FACTOR_PATH = "/admin/security/second-factor"


def _(message: str) -> str:
    """Marks a sentence for the catalogue; it is translated when it is shown."""
    return message


_NAVIGATION = (
    ("/admin", _("Start"), None),
    ("/admin/appointments", _("Appointments"), Permission.VIEW_CALENDAR),
    ("/admin/group-sessions", _("Group sessions"), Permission.VIEW_CALENDAR),
    ("/admin/waitlist", _("Waiting list"), Permission.VIEW_CALENDAR),
    ("/admin/services", _("Services"), Permission.VIEW_CALENDAR),
    ("/admin/practitioners", _("Practitioners"), Permission.VIEW_CALENDAR),
    ("/admin/hours", _("Hours"), Permission.VIEW_CALENDAR),
    ("/admin/packages", _("Packages"), Permission.VIEW_CALENDAR),
    ("/admin/discounts", _("Discount codes"), Permission.MANAGE_CATALOGUE),
    ("/admin/payments", _("Payments"), Permission.VIEW_PAYMENTS),
    ("/admin/payment-accounts", _("Getting paid"), Permission.MANAGE_PAYMENT_ACCOUNTS),
    ("/admin/documents", _("Invoices"), Permission.VIEW_DOCUMENTS),
    ("/admin/sent-mails", _("Sent mails"), Permission.VIEW_EMAILS),
    ("/admin/staff", _("Staff"), Permission.MANAGE_STAFF),
    ("/admin/settings", _("Settings"), Permission.MANAGE_SETTINGS),
    ("/admin/mails", _("Words of mails"), Permission.MANAGE_SETTINGS),
    ("/admin/plan", _("Plan and invoices"), Permission.MANAGE_PLAN),
    ("/admin/audit", _("Who did what"), Permission.VIEW_AUDIT),
)


def cookie_audience(tenant: TenantContext) -> str:
    """Of the cookie's token: this practice's portal, and nothing else."""
    return f"staff-page:{tenant.key}"


PATHS = SecurityPaths(
    prefix="/admin",
    home="/admin",
    layout="portal.html",
    step_cookie="staff-step",
    lost=_("Ask an owner of the practice to reset your second factor."),
    password_page="/admin/security/password",  # noqa: S106 - an address
    email_page="/admin/security/email",
)


class VisitorPage(SecurityPage):
    """A page for anyone; ``staff`` is None for someone who is not signed in."""

    paths = PATHS

    def __init__(
        self, request: Request, runtime: Runtime, session: TenantSession, signed_in: StaffSignIn | None
    ) -> None:
        super().__init__(PAGES, request, runtime, signed_in.sign_in.id if signed_in else None)
        self.session = session
        self.signed_in = signed_in
        self.staff = signed_in.account if signed_in else None

    @property
    def tenant(self) -> TenantContext:
        """The practice."""
        return self.session.tenant

    @property
    def steps(self) -> StaffMultiFactor:
        """The rules of signing in, for this request."""
        hostname = context_of(self.request).hostname
        return StaffMultiFactor(self.session, self.runtime, hostname, self.device, self.request_id)

    @property
    def zone(self) -> ZoneInfo:
        """The practice's."""
        return ZoneInfo(self.tenant.timezone)

    def may(self, permission: Permission) -> bool:
        """Whether the visitor's role has it."""
        return self.staff is not None and may(self.staff.role, permission)

    def values(self) -> dict[str, Any]:
        """For the layout."""
        navigation = [(path, label) for path, label, needed in _NAVIGATION if needed is None or self.may(needed)]
        return {
            "owner": self.tenant.name,
            "layout": "portal.html",
            "prefix": "/admin",
            "staff": self.staff,
            "navigation": navigation if self.staff is not None else [],
            "may": lambda name: self.may(Permission(name)),
            "overdue": self._overdue() if self.may(Permission.MANAGE_PLAN) else None,
        }

    def _overdue(self) -> str | None:
        """What those who can pay for the plan are told on every page while money is owed; clients never are."""
        from_day = self.tenant.restricted_from
        if from_day is None:
            return None
        if is_restricted(self.tenant):
            return self.t(_("The payment of your plan is missing, so some things wait until it is made."))
        day = describe(from_day, self.tenant.timezone, self.locale).day
        return self.t(_("The payment of your plan is due. From %(day)s on some things wait until it is made."), day=day)

    async def sign_in(
        self,
        response: Response,
        account: Staff,
        method: SignInMethod = SignInMethod.PASSWORD,
        *,
        has_second_factor: bool = False,
    ) -> None:
        """Begin a sign-in of ``account``, in place of the one there may be."""
        if self.session_id is not None:
            await sign_ins.end_session_by_id(self.session, self.session_id, EndReason.REPLACED)
        pair = await self.steps.start(account, method, has_second_factor=has_second_factor)
        lifetime = sign_ins.session_limits(AccountKind.STAFF, self.runtime.settings.auth).absolute
        sign_in = SignIn(account.id, pair.session_id)
        keep_sign_in(response, self.runtime, COOKIE, cookie_audience(self.tenant), sign_in, lifetime)

    async def sign_out(self, response: Response) -> None:
        """End the sign-in, here and in the database."""
        if self.session_id is not None:
            await sign_ins.end_session_by_id(self.session, self.session_id)
        drop_sign_in(response, self.runtime.settings, COOKIE)


class StaffPage(VisitorPage):
    """A page for a member of staff who is signed in."""

    staff: Staff
    signed_in: StaffSignIn

    def need_fresh(self, back_to: str) -> None:
        """Have them prove once more who they are, unless they lately did, and come to ``back_to`` then.

        Raises :class:`SeeOtherError`.
        """
        try:
            check_fresh(self.signed_in.sign_in, fresh_within(self.runtime.settings.auth))
        except FreshSignInRequiredError as stale:
            raise SeeOtherError(f"{CONFIRM_PATH}?next={quote(back_to, safe='')}") from stale

    def need(self, permission: Permission) -> None:
        """Raises :class:`ForbiddenError` if their role has not this permission."""
        if not self.may(permission):
            raise ForbiddenError

    async def need_editor(self) -> CalendarEditor:
        """Whose calendar they may change, by the API's rule. Raises :class:`ForbiddenError` if nobody's."""
        return await calendar_editor(self.staff, self.session)

    def record(self, action: str, subject_id: UUID | None, **detail: Any) -> None:
        """Add a line to the practice's audit trail."""
        audit.record_staff_action(self.session, self.staff.id, action, subject_id, request_id=self.request_id, **detail)


async def visitor_page(
    request: Request, runtime: RuntimeDep, tenant: TenantDep, session: TenantSessionDep
) -> VisitorPage:
    """Whoever asks. A cookie whose sign-in has ended, or whose owner works here no more, is none."""
    cookie = read_sign_in(request, runtime, COOKIE, cookie_audience(tenant))
    if cookie is None:
        return VisitorPage(request, runtime, session, None)
    try:
        found = await sign_ins.get_signed_in_staff(session, runtime.settings.auth, cookie.account_id, cookie.session_id)
    except InvalidTokenError:
        return VisitorPage(request, runtime, session, None)
    context_of(request).locale = found.account.locale
    return VisitorPage(request, runtime, session, found)


Visitor = Annotated[VisitorPage, Depends(visitor_page)]


async def incomplete_staff_page(visitor: Visitor) -> StaffPage:
    """Someone signed in, also if they still owe a second factor; others are sent to sign in and come back."""
    if visitor.staff is None:
        raise SeeOtherError(with_next("/admin/sign-in", visitor.request))
    page = StaffPage(visitor.request, visitor.runtime, visitor.session, visitor.signed_in)
    page.needs_second_factor = page.signed_in.needs_second_factor
    return page


IncompleteSignedIn = Annotated[StaffPage, Depends(incomplete_staff_page)]
"""For setting up the second factor that is owed, and nothing else."""


async def staff_page(page: IncompleteSignedIn) -> StaffPage:
    """A signed-in member of staff; one who owes a second factor is sent to set it up. Raises :class:`SeeOtherError`."""
    if page.signed_in.needs_second_factor:
        raise SeeOtherError(SECOND_FACTOR_PATH)
    return page


SignedIn = Annotated[StaffPage, Depends(staff_page)]
