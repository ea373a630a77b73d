"""A request for one of the portal's pages, and the member of staff who is signed in, if anyone is."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Request
from starlette.responses import Response

from admin_portal.calendar_access import CalendarEditor, calendar_editor
from admin_portal.pages.sentences import SENTENCES
from tenants.accounts import service as accounts
from tenants.accounts.models import AccountKind, Staff
from tenants.accounts.permissions import Permission, may
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import ForbiddenError
from todoenbalance.kit.pages.cookies import SignIn, drop_sign_in, keep_sign_in, read_sign_in
from todoenbalance.kit.pages.environment import Pages
from todoenbalance.kit.pages.page import Page
from todoenbalance.kit.pages.redirects import SeeOtherError, with_next
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.security.tokens import InvalidTokenError
from todoenbalance.kit.tenancy import TenantContext
from todoenbalance.kit.web.context import context_of
from todoenbalance.kit.web.dependencies import RuntimeDep, TenantDep, TenantSessionDep

PAGES = Pages(Path(__file__).parent, sentences=SENTENCES)
COOKIE = "staff"


def _(message: str) -> str:
    """Marks a sentence for the catalogue; it is translated when it is shown."""
    return message


_NAVIGATION = (
    ("/admin", _("Start"), None),
    ("/admin/appointments", _("Appointments"), Permission.VIEW_CALENDAR),
    ("/admin/services", _("Services"), Permission.VIEW_CALENDAR),
    ("/admin/practitioners", _("Practitioners"), Permission.VIEW_CALENDAR),
    ("/admin/hours", _("Hours"), Permission.VIEW_CALENDAR),
    ("/admin/payments", _("Payments"), Permission.VIEW_PAYMENTS),
)


def cookie_audience(tenant: TenantContext) -> str:
    """Of the cookie's token: this practice's portal, and nothing else."""
    return f"staff-page:{tenant.key}"


class VisitorPage(Page):
    """A page for anyone; ``staff`` is None for someone who is not signed in."""

    def __init__(
        self, request: Request, runtime: Runtime, session: TenantSession, staff: Staff | None, session_id: UUID | None
    ) -> None:
        super().__init__(PAGES, request, runtime, session_id)
        self.session = session
        self.staff = staff

    @property
    def tenant(self) -> TenantContext:
        """The practice."""
        return self.session.tenant

    def may(self, permission: Permission) -> bool:
        """Whether the visitor's role has it."""
        return self.staff is not None and may(self.staff.role, permission)

    def values(self) -> dict[str, Any]:
        """For the layout."""
        navigation = [(path, label) for path, label, needed in _NAVIGATION if needed is None or self.may(needed)]
        return {
            "owner": self.tenant.name,
            "staff": self.staff,
            "navigation": navigation if self.staff is not None else [],
            "may": lambda name: self.may(Permission(name)),
        }

    async def sign_in(self, response: Response, staff: Staff) -> None:
        """Begin a sign-in of ``staff``, in place of the one there may be."""
        if self.session_id is not None:
            await accounts.end_session_by_id(self.session, self.session_id)
        auth = self.runtime.settings.auth
        pair = await accounts.start_session(self.session, self.runtime.signer, auth, AccountKind.STAFF, staff.id)
        lifetime = timedelta(hours=auth.staff_refresh_hours)
        sign_in = SignIn(staff.id, pair.session_id)
        keep_sign_in(response, self.runtime, COOKIE, cookie_audience(self.tenant), sign_in, lifetime)

    async def sign_out(self, response: Response) -> None:
        """End the sign-in, here and in the database."""
        if self.session_id is not None:
            await accounts.end_session_by_id(self.session, self.session_id)
        drop_sign_in(response, self.runtime.settings, COOKIE)


class StaffPage(VisitorPage):
    """A page for a member of staff who is signed in."""

    staff: Staff

    def need(self, permission: Permission) -> None:
        """Raises :class:`ForbiddenError` if their role has not this permission."""
        if not self.may(permission):
            raise ForbiddenError

    async def need_editor(self) -> CalendarEditor:
        """Whose calendar they may change, by the API's rule. Raises :class:`ForbiddenError` if nobody's."""
        return await calendar_editor(self.staff, self.session)

    def record(self, action: str, subject_id: UUID, **detail: Any) -> None:
        """Add a line to the practice's audit trail."""
        accounts.record_staff_action(
            self.session, self.staff.id, action, subject_id, request_id=self.request_id, **detail
        )


async def visitor_page(
    request: Request, runtime: RuntimeDep, tenant: TenantDep, session: TenantSessionDep
) -> VisitorPage:
    """Whoever asks. A cookie whose sign-in has ended, or whose owner works here no more, is none."""
    staff, session_id = None, None
    sign_in = read_sign_in(request, runtime, COOKIE, cookie_audience(tenant))
    if sign_in is not None and await accounts.session_is_live(session, sign_in.session_id):
        try:
            staff = await accounts.get_signed_in_staff(session, sign_in.account_id)
        except InvalidTokenError:
            staff = None
        else:
            session_id = sign_in.session_id
            context_of(request).locale = staff.locale
    return VisitorPage(request, runtime, session, staff, session_id)


Visitor = Annotated[VisitorPage, Depends(visitor_page)]


async def staff_page(visitor: Visitor) -> StaffPage:
    """A signed-in member of staff; others are sent to sign in and come back. Raises :class:`SeeOtherError`."""
    if visitor.staff is None:
        raise SeeOtherError(with_next("/admin/sign-in", visitor.request))
    return StaffPage(visitor.request, visitor.runtime, visitor.session, visitor.staff, visitor.session_id)


SignedIn = Annotated[StaffPage, Depends(staff_page)]
