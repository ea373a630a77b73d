"""Who a mail is for: named by id in the queue, resolved to an address only when the mail is made."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from tenants.accounts.models import AccountKind, EmailChange
from tenants.accounts.services.client_accounts import get_client
from tenants.accounts.services.email_changes import find_change
from tenants.accounts.services.staff_accounts import get_staff
from tenants.settings.models import PracticeSettings
from tenants.social.sign_ups import find_address
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import NotFoundError

PRACTICE_CONTACT = "practice_contact"
"""An ``address``: the contact address in the practice's settings."""
NEW_ADDRESS_PREFIX, OLD_ADDRESS_PREFIX = "email_change_new:", "email_change_old:"
"""An ``address``: one of a change of address; the change's id follows."""
SIGN_UP_PREFIX = "social_sign_up:"
"""An ``address``: the one that a sign-up by Google or Facebook waits to have confirmed; its id follows."""


class RecipientKind(StrEnum):
    """``address`` is one that belongs to no account; its id names where it is written, never the address."""

    CLIENT = "client"
    STAFF = "staff"
    ADDRESS = "address"


@dataclass(frozen=True, slots=True)
class Recipient:
    """Someone to be told, by id: the queue outlives erasure and holds no personal data.

    ``is_watching``: a member of staff whom it does not concern, but who hears of it by their role and choice.
    """

    kind: RecipientKind
    id: str
    is_watching: bool = False

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> Self:
        """As an event names it."""
        kind = RecipientKind(payload["recipient_kind"])
        return cls(kind, payload["recipient_id"], is_watching=payload.get("watching", False))

    @classmethod
    def client(cls, client_id: UUID) -> Self:
        """A client of the practice."""
        return cls(RecipientKind.CLIENT, str(client_id))

    @classmethod
    def staff(cls, staff_id: UUID) -> Self:
        """A member of staff."""
        return cls(RecipientKind.STAFF, str(staff_id))

    @classmethod
    def watching(cls, staff_id: UUID) -> Self:
        """A member of staff whom it does not concern."""
        return cls(RecipientKind.STAFF, str(staff_id), is_watching=True)

    @classmethod
    def changing_address(cls, change_id: UUID, *, is_new: bool) -> Self:
        """One of the two addresses of a change of address, whoever has it now."""
        return cls(RecipientKind.ADDRESS, f"{NEW_ADDRESS_PREFIX if is_new else OLD_ADDRESS_PREFIX}{change_id}")

    @classmethod
    def sign_up(cls, sign_up_id: UUID) -> Self:
        """Someone who is signing up by a provider and has yet to confirm an address."""
        return cls(RecipientKind.ADDRESS, f"{SIGN_UP_PREFIX}{sign_up_id}")

    @classmethod
    def practice_contact(cls) -> Self:
        """Whoever reads the practice's contact address."""
        return cls(RecipientKind.ADDRESS, PRACTICE_CONTACT)


@dataclass(frozen=True, slots=True)
class Reader:
    """A recipient as of now: where to write, how to greet, in which language and time zone to say it.

    ``role``: a member of staff's.
    """

    recipient: Recipient
    address: str
    first_name: str
    locale: str
    timezone: str
    role: str | None = None


StaffZone = Callable[[TenantSession, UUID], Awaitable[str | None]]
"""The time zone in which a member of staff works, if it is known."""
_staff_zones: list[StaffZone] = []


def register_staff_zone(find_zone: StaffZone) -> None:
    """Have ``find_zone`` say by which clock staff live; called at start-up by the feature that knows. Others live by
    the practice's."""
    if find_zone not in _staff_zones:
        _staff_zones.append(find_zone)


async def _zone_of(session: TenantSession, staff_id: UUID) -> str:
    for find_zone in _staff_zones:
        zone = await find_zone(session, staff_id)
        if zone is not None:
            return zone
    return session.tenant.timezone


async def find_reader(session: TenantSession, recipient: Recipient) -> Reader | None:
    """The recipient's address and preferences now, or None if nobody is to be written to any more."""
    if recipient.kind is RecipientKind.ADDRESS:
        return await _find_address(session, recipient)
    try:
        if recipient.kind is RecipientKind.CLIENT:
            client = await get_client(session, UUID(recipient.id))
            if not client.is_active:
                return None
            return Reader(recipient, client.email, client.first_name, client.locale, client.timezone)
        staff = await get_staff(session, UUID(recipient.id))
    except NotFoundError:
        return None
    if not staff.is_active:
        return None
    zone = await _zone_of(session, staff.id)
    return Reader(recipient, staff.email, staff.first_name, staff.locale, zone, staff.role)


async def _find_address(session: TenantSession, recipient: Recipient) -> Reader | None:
    tenant = session.tenant
    if recipient.id.startswith(SIGN_UP_PREFIX):
        found = await find_address(session, UUID(recipient.id.removeprefix(SIGN_UP_PREFIX)))
        return Reader(recipient, *found, tenant.timezone) if found else None
    for prefix in (NEW_ADDRESS_PREFIX, OLD_ADDRESS_PREFIX):
        if recipient.id.startswith(prefix):
            change = await find_change(session, UUID(recipient.id.removeprefix(prefix)))
            return await _find_changing(session, recipient, change, is_new=prefix == NEW_ADDRESS_PREFIX)
    contact = await find_contact_address(session) if recipient.id == PRACTICE_CONTACT else None
    return Reader(recipient, contact, "", tenant.locale, tenant.timezone) if contact else None


async def _find_changing(
    session: TenantSession, recipient: Recipient, change: EmailChange | None, *, is_new: bool
) -> Reader | None:
    """Greeted without a name: who reads an address is only known once it is confirmed."""
    if change is None:
        return None
    try:
        is_client = change.account_kind == AccountKind.CLIENT
        account = await (get_client if is_client else get_staff)(session, change.account_id)
    except NotFoundError:
        return None
    address = change.new_email if is_new else change.old_email
    return Reader(recipient, address, "", account.locale, session.tenant.timezone) if account.is_active else None


async def find_contact_address(session: TenantSession) -> str | None:
    """The practice's contact address, which is also where answers to its mails go."""
    settings = await session.get(PracticeSettings, 1)
    return settings.contact_email if settings else None
