"""Staff: inviting, accepting, changing, finding them."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from tenants.accounts.errors import EmailTakenError, LastOwnerError, NotInvitedError
from tenants.accounts.events import STAFF_INVITED
from tenants.accounts.models import AccountKind, Staff, StaffRole
from tenants.accounts.repository import AccountRepository
from tenants.accounts.services import sign_ins
from tenants.accounts.services.links import INVITATION, make_one_time_token, read_link, spend_link
from tenants.plans.capabilities import Capability, need
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession, give_connection_back
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.outbox.publish import publish
from todoenbalance.kit.security.passwords import hash_password
from todoenbalance.kit.security.sign_ins import EndReason
from todoenbalance.kit.security.strength import DEFAULT_RULES, check_strength
from todoenbalance.kit.settings import AuthSettings, PasswordSettings


async def get_staff(session: TenantSession, staff_id: UUID) -> Staff:
    """A member of staff by id. Raises :class:`NotFoundError`."""
    staff = await AccountRepository(session).find_staff(staff_id)
    if staff is None:
        raise NotFoundError
    return staff


async def find_staff_names(session: TenantSession, staff_ids: Collection[UUID]) -> dict[UUID, str]:
    """First and last names by id, of those that there are, whether they still work here or not."""
    found = await AccountRepository(session).find_staff_members(staff_ids)
    return {one.id: f"{one.first_name} {one.last_name}".strip() for one in found}


async def list_staff(
    session: TenantSession, *, limit: int = 50, cursor: str | None = None
) -> tuple[list[Staff], str | None]:
    """A page of staff."""
    return await AccountRepository(session).page_of_staff(limit=limit, cursor=cursor)


async def list_owners(session: TenantSession) -> list[Staff]:
    """Active owners, who hear about what concerns the practice as a whole."""
    return await AccountRepository(session).list_owner_addresses()


async def list_active_staff(session: TenantSession) -> Sequence[Staff]:
    """Everybody who works here, in the order in which they were invited; some may not have accepted yet."""
    return await AccountRepository(session).list_active_staff()


def make_staff(email: str, first_name: str, last_name: str, role: StaffRole, locale: str) -> Staff:
    """A row for someone who is to be invited; without a password until they accept."""
    return Staff(
        id=new_id(),
        email=email,
        role=role,
        is_active=True,
        first_name=first_name,
        last_name=last_name,
        locale=locale,
        created_at=clock.now(),
    )


async def invite_staff(
    session: TenantSession,
    auth: AuthSettings,
    *,
    email: str,
    first_name: str,
    last_name: str,
    role: StaffRole,
    locale: str,
) -> tuple[Staff, str]:
    """A new member of staff and the token of their invitation; the invitation is mailed as well.

    Raises :class:`EmailTakenError`, and ``PracticePastDueError`` or ``NotInPlanError`` by the practice's plan.
    """
    need(session.tenant, Capability.INVITE_STAFF)
    accounts = AccountRepository(session)
    if await accounts.find_staff_by_email(email) is not None:
        raise EmailTakenError
    staff = make_staff(email, first_name, last_name, role, locale)
    row, token = make_one_time_token(INVITATION, AccountKind.STAFF, staff.id, timedelta(days=auth.invitation_days))
    try:
        async with session.begin_nested():
            accounts.add(staff)
    except IntegrityError as taken:  # by a double click for instance
        raise EmailTakenError from taken
    accounts.add(row)
    await publish(session, STAFF_INVITED, {"staff_id": str(staff.id)})
    return staff, token


async def invite_again(session: TenantSession, staff_id: UUID) -> Staff:
    """Mail someone's invitation once more. Raises :class:`NotFoundError`, :class:`NotInvitedError`."""
    staff = await get_staff(session, staff_id)
    if not staff.is_active or staff.accepted_at is not None:
        raise NotInvitedError
    await publish(session, STAFF_INVITED, {"staff_id": str(staff.id)})
    return staff


async def accept_invitation(
    session: TenantSession, token: str, password: str, *, rules: PasswordSettings = DEFAULT_RULES
) -> Staff:
    """Set the invited person's password; every other invitation of theirs is void then.

    Raises ``InvalidOneTimeTokenError``, ``WeakPasswordError`` (the link stays good).
    """
    invited = await read_link(session, AccountKind.STAFF, token, INVITATION)
    about = (invited.email, invited.first_name, invited.last_name)
    await give_connection_back(session)
    await check_strength(password, rules, about)
    hashed = await hash_password(password)
    _row, staff = await spend_link(session, AccountKind.STAFF, token, INVITATION)
    assert isinstance(staff, Staff)  # noqa: S101 - of that kind
    staff.hashed_password = hashed
    staff.accepted_at = clock.now()
    await AccountRepository(session).void_one_time_tokens(staff.id, INVITATION)
    return staff


async def change_staff(
    session: TenantSession,
    staff_id: UUID,
    *,
    role: StaffRole | None = None,
    is_active: bool | None = None,
    **names: str,
) -> Staff:
    """Change someone's role, names or whether they may sign in; deactivating ends their sign-ins.

    Raises :class:`NotFoundError`, :class:`LastOwnerError`.
    """
    accounts = AccountRepository(session)
    owners = await accounts.lock_owners()
    staff = await accounts.lock_account(AccountKind.STAFF, staff_id)
    if not isinstance(staff, Staff):
        raise NotFoundError
    loses_owner = (role not in (None, StaffRole.OWNER)) or is_active is False
    # Who has not accepted the invitation yet may never do so: the practice would be nobody's.
    if [owner.id for owner in owners if owner.accepted_at is not None] == [staff.id] and loses_owner:
        raise LastOwnerError
    if role is not None:
        staff.role = role
    if is_active is not None:
        staff.is_active = is_active
        if not is_active:
            await sign_ins.end_all(session, AccountKind.STAFF, staff.id, EndReason.DEACTIVATED)
            await accounts.void_one_time_tokens(staff.id)
    for name, value in names.items():
        setattr(staff, name, value)
    return staff
