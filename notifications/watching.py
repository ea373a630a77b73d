"""What staff hear of although it is not about themselves: who may, and who does unless they say otherwise.

Asked when something is announced, and again when the mail is sent: whoever has lost the right, the post or the wish
meanwhile gets nothing. So nothing is mailed that its reader may not see in the portal.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final
from uuid import UUID

from sqlalchemy import select

from notifications.catalogue import MailKind, Topic, row_of
from notifications.preferences.models import MailPreference
from notifications.recipients import Reader, Recipient, find_contact_address
from tenants.accounts.models import AccountKind, Staff, StaffRole
from tenants.accounts.permissions import Permission, may
from tenants.accounts.services.staff_accounts import list_active_staff
from tenants.settings.service import get_practice_settings
from todoenbalance.kit.database import TenantSession

_OWNER: Final = frozenset({StaffRole.OWNER})
_DESK: Final = frozenset({StaffRole.OWNER, StaffRole.MANAGER, StaffRole.RECEPTION})


@dataclass(frozen=True, slots=True)
class Watch:
    """Something that staff hear of whom it does not concern.

    ``permission``: who may; with ``if_seen`` those too who see everybody's calendar by the practice's setting.
    ``by_default``: the roles that hear of it until they say otherwise. ``always``: those of whom it can't be kept,
    since somebody has to act on it. ``follows``: who switched that topic off does not hear of this by default.
    """

    topic: Topic
    permission: Permission
    by_default: frozenset[StaffRole]
    always: frozenset[StaffRole] = frozenset()
    follows: Topic | None = None
    if_seen: bool = False

    def is_wanted(self, role: str, chosen: Mapping[str, bool]) -> bool:
        """Whether somebody of ``role`` who chose this hears of it, if they may."""
        if role in self.always:
            return True
        wished_so_far = self.follows is None or chosen.get(self.follows, True)
        return chosen.get(self.topic, role in self.by_default and wished_so_far)


WATCHES: Final[Mapping[Topic, Watch]] = MappingProxyType(
    {
        one.topic: one
        for one in (
            Watch(Topic.ALL_BOOKINGS, Permission.MANAGE_CALENDAR, _OWNER, follows=Topic.BOOKINGS, if_seen=True),
            Watch(Topic.REQUESTS, Permission.MANAGE_CALENDAR, _DESK, always=_OWNER),
            Watch(Topic.MONEY_TROUBLE, Permission.RECORD_PAYMENTS, _DESK, always=_OWNER),
            Watch(Topic.PAYMENTS, Permission.VIEW_PAYMENTS, _OWNER),
            Watch(Topic.UNREACHED, Permission.VIEW_EMAILS, _DESK),
        )
    }
)


async def list_watches_of(session: TenantSession, role: str) -> list[Watch]:
    """What somebody of ``role`` may hear of here."""
    return [watch for watch in WATCHES.values() if await _may_watch(session, watch, role)]


async def _may_watch(session: TenantSession, watch: Watch, role: str) -> bool:
    if may(role, watch.permission):
        return True
    if not watch.if_seen or not may(role, Permission.VIEW_CALENDAR):
        return False
    return (await get_practice_settings(session)).practitioners_see_all


async def list_practice_recipients(session: TenantSession, kind: str, *staff_ids: UUID | None) -> list[Recipient]:
    """Who hears of a mail of ``kind`` on the practice's side: whom it concerns (``staff_ids``, None is nobody), who
    watches it (of what can't be watched, the owners), the practice's contact address.

    Each address once: a colleague whose it is, or whose address is the contact, gets one mail, as whom it concerns.
    """
    team = {one.id: one for one in await list_active_staff(session)}
    watch = row_of(kind).watch
    concerned = [Recipient.staff(one) for one in staff_ids if one in team]
    if watch is None:
        others = [Recipient.staff(one.id) for one in team.values() if one.role == StaffRole.OWNER]
    else:
        others = await _list_watchers(session, WATCHES[watch], team.values())
    by_address: dict[str, Recipient] = {}
    for recipient in (*concerned, *others):
        by_address.setdefault(team[UUID(recipient.id)].email.casefold(), recipient)
    contact = await find_contact_address(session)
    if contact:
        by_address.setdefault(contact.casefold(), Recipient.practice_contact())
    return list(by_address.values())


async def _list_watchers(session: TenantSession, watch: Watch, team: Collection[Staff]) -> list[Recipient]:
    able = [one for one in team if _has_begun(one) and await _may_watch(session, watch, one.role)]
    chosen = await read_chosen(session, [one.id for one in able])
    return [Recipient.watching(one.id) for one in able if watch.is_wanted(one.role, chosen.get(one.id, {}))]


def _has_begun(staff: Staff) -> bool:
    """Whether it is known that the address is theirs: they accepted the invitation that went there. Somebody has to
    hear of what happens before anybody did, so owners count anyhow."""
    return staff.role == StaffRole.OWNER or staff.accepted_at is not None


async def read_chosen(session: TenantSession, staff_ids: Collection[UUID]) -> dict[UUID, dict[str, bool]]:
    """What each of these members of staff chose so far, by topic."""
    statement = select(MailPreference.account_id, MailPreference.topic, MailPreference.is_on).where(
        MailPreference.account_kind == AccountKind.STAFF, MailPreference.account_id.in_(staff_ids)
    )
    chosen: dict[UUID, dict[str, bool]] = {}
    for account_id, topic, is_on in (await session.execute(statement)).tuples():
        chosen.setdefault(account_id, {})[topic] = is_on
    return chosen


def topic_to_end(row: MailKind, reader: Reader) -> Topic | None:
    """The topic by which the reader may switch mails of this kind off; None if they may not."""
    if not reader.recipient.is_watching or row.watch is None:
        return row.topic if row.is_optional else None
    return None if reader.role in WATCHES[row.watch].always else row.watch


async def may_hear(session: TenantSession, row: MailKind, reader: Reader) -> bool:
    """Whether a member of staff may still hear of what is not their own; everybody may of what is."""
    if not reader.recipient.is_watching or row.watch is None:
        return True
    return reader.role is not None and await _may_watch(session, WATCHES[row.watch], reader.role)


async def is_wanted(session: TenantSession, row: MailKind, reader: Reader) -> bool:
    """Whether a member of staff still wants to hear of what is not their own."""
    if row.watch is None or reader.role is None:
        return True
    staff_id = UUID(reader.recipient.id)
    chosen = await read_chosen(session, [staff_id])
    return WATCHES[row.watch].is_wanted(reader.role, chosen.get(staff_id, {}))
