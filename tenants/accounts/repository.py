"""Every query of accounts."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, or_, select, update

from tenants.accounts.models import (
    AccountKind,
    Client,
    EmailChange,
    OneTimeToken,
    SignIn,
    Staff,
    StaffAuditEntry,
    StaffRole,
)
from tenants.settings.service import second_factor_is_required
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.pagination import paginate
from todoenbalance.kit.security.sign_ins import EndReason, is_live
from todoenbalance.kit.security.tokens import hash_opaque_token


class AccountRepository:
    """Clients, staff and their one-time tokens in one practice."""

    def __init__(self, session: TenantSession) -> None:
        self._session = session

    def add(self, row: Client | Staff | OneTimeToken | EmailChange | StaffAuditEntry) -> None:
        """Insert with the next flush."""
        self._session.add(row)

    async def find_client(self, client_id: UUID) -> Client | None:
        """By id, or None."""
        return await self._session.get(Client, client_id)

    async def find_clients(self, client_ids: Collection[UUID]) -> dict[UUID, Client]:
        """Those of these ids that there are, by id."""
        rows = await self._session.scalars(select(Client).where(Client.id.in_(client_ids)))
        return {row.id: row for row in rows}

    async def find_client_by_email(self, email: str) -> Client | None:
        """By e-mail, case folded, or None."""
        return (
            await self._session.scalars(select(Client).where(func.lower(Client.email) == email.lower()))
        ).one_or_none()

    async def lock_account(self, kind: AccountKind, account_id: UUID) -> Client | Staff | None:
        """The account's row, locked and fresh: whoever changes its sign-ins or password takes this lock first."""
        model: type[Client] | type[Staff] = Client if kind is AccountKind.CLIENT else Staff
        return await self._session.get(model, account_id, with_for_update={"key_share": True}, populate_existing=True)

    async def hold_client(self, client_id: UUID) -> Client | None:
        """A client's row as it is now, which nobody may change until the transaction ends; several may hold it."""
        return await self._session.get(Client, client_id, with_for_update={"read": True}, populate_existing=True)

    async def is_erased(self, client_id: UUID) -> bool:
        """Whether the client's data were erased; asked of the database anew."""
        statement = select(Client.id).where(Client.id == client_id, Client.erased_at.is_not(None))
        return await self._session.scalar(statement) is not None

    async def find_staff(self, staff_id: UUID) -> Staff | None:
        """By id, or None."""
        return await self._session.get(Staff, staff_id)

    async def find_staff_members(self, staff_ids: Collection[UUID]) -> Sequence[Staff]:
        """Those of these that there are."""
        if not staff_ids:
            return ()
        return (await self._session.scalars(select(Staff).where(Staff.id.in_(staff_ids)))).all()

    async def find_staff_by_email(self, email: str) -> Staff | None:
        """By e-mail, case folded, or None."""
        return (
            await self._session.scalars(select(Staff).where(func.lower(Staff.email) == email.lower()))
        ).one_or_none()

    async def page_of_clients(
        self, *, search: str | None, among: Select[tuple[UUID]] | None, limit: int, cursor: str | None
    ) -> tuple[list[Client], str | None]:
        """Clients, newest first, without those who were erased.

        ``search`` is part of a name or e-mail, ``among`` selects ids.
        """
        statement = select(Client).where(Client.erased_at.is_(None))
        if among is not None:
            statement = statement.where(Client.id.in_(among))
        if search:
            pattern = "%" + search.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
            name = func.concat_ws(" ", Client.first_name, Client.last_name)
            statement = statement.where(or_(name.ilike(pattern), Client.email.ilike(pattern)))
        return await paginate(self._session, statement, [Client.id], limit=limit, cursor=cursor, descending=True)

    async def find_client_among(self, client_id: UUID, among: Select[tuple[UUID]]) -> Client | None:
        """By id, if it is one of those that are selected."""
        statement = select(Client).where(Client.id == client_id, Client.id.in_(among))
        return (await self._session.scalars(statement)).one_or_none()

    async def page_of_staff(self, *, limit: int, cursor: str | None) -> tuple[list[Staff], str | None]:
        """Staff in the order they were invited."""
        return await paginate(self._session, select(Staff), [Staff.id], limit=limit, cursor=cursor)

    async def page_of_actions(self, *, limit: int, cursor: str | None) -> tuple[list[StaffAuditEntry], str | None]:
        """The audit trail, newest first."""
        keys = [StaffAuditEntry.id]
        return await paginate(self._session, select(StaffAuditEntry), keys, limit=limit, cursor=cursor, descending=True)

    async def actions_on(self, subject_id: UUID, limit: int) -> Sequence[StaffAuditEntry]:
        """What was done to one thing, newest first."""
        statement = select(StaffAuditEntry).where(StaffAuditEntry.subject_id == subject_id)
        return (await self._session.scalars(statement.order_by(StaffAuditEntry.id.desc()).limit(limit))).all()

    async def count_clients(self) -> int:
        """How many clients the practice has, without those who were erased."""
        statement = select(func.count()).select_from(Client).where(Client.erased_at.is_(None))
        return (await self._session.scalar(statement)) or 0

    async def lock_owners(self) -> list[Staff]:
        """Active owners, locked, so that two requests can't each remove the other one."""
        statement = select(Staff).where(Staff.role == StaffRole.OWNER, Staff.is_active).order_by(Staff.id)
        return list((await self._session.scalars(statement.with_for_update())).all())

    async def list_owner_addresses(self) -> list[Staff]:
        """Active owners, who hear about what concerns the practice as a whole."""
        statement = select(Staff).where(Staff.role == StaffRole.OWNER, Staff.is_active).order_by(Staff.id)
        return list((await self._session.scalars(statement)).all())

    async def list_active_staff(self) -> Sequence[Staff]:
        """Everybody who works here, invited only or not."""
        return (await self._session.scalars(select(Staff).where(Staff.is_active).order_by(Staff.id))).all()

    async def find_one_time_token(self, token: str, purpose: str) -> OneTimeToken | None:
        """A live token of that purpose, locked so that it is spent once, or None."""
        statement = (
            select(OneTimeToken)
            .where(
                OneTimeToken.token_hash == hash_opaque_token(token),
                OneTimeToken.purpose == purpose,
                OneTimeToken.used_at.is_(None),
                OneTimeToken.expires_at > clock.now(),
            )
            .with_for_update()
        )
        return (await self._session.scalars(statement)).one_or_none()

    async def peek_one_time_token(self, token: str, purposes: Collection[str]) -> OneTimeToken | None:
        """A live token of one of those purposes, not locked, or None."""
        statement = select(OneTimeToken).where(
            OneTimeToken.token_hash == hash_opaque_token(token),
            OneTimeToken.purpose.in_(purposes),
            OneTimeToken.used_at.is_(None),
            OneTimeToken.expires_at > clock.now(),
        )
        return (await self._session.scalars(statement)).one_or_none()

    async def find_email_change(self, change_id: UUID) -> EmailChange | None:
        """A change of address, as it is now, or None. Who decides by it holds the account's lock."""
        return await self._session.get(EmailChange, change_id, populate_existing=True)

    async def find_open_email_change(self, kind: AccountKind, account_id: UUID) -> EmailChange | None:
        """The change of address that an account waits for, or None."""
        statement = select(EmailChange).where(
            EmailChange.account_kind == kind,
            EmailChange.account_id == account_id,
            EmailChange.closed_at.is_(None),
            EmailChange.expires_at > clock.now(),
        )
        return (await self._session.scalars(statement.order_by(EmailChange.id.desc()).limit(1))).one_or_none()

    async def close_email_changes(self, kind: AccountKind, account_id: UUID) -> None:
        """Give up whatever change of address an account waits for."""
        await self._session.execute(
            update(EmailChange)
            .where(
                EmailChange.account_kind == kind,
                EmailChange.account_id == account_id,
                EmailChange.closed_at.is_(None),
            )
            .values(closed_at=clock.now())
        )

    async def void_one_time_tokens(self, account_id: UUID, *purposes: str) -> None:
        """Make earlier links of those purposes useless; without a purpose, every one."""
        which = [OneTimeToken.account_id == account_id, OneTimeToken.used_at.is_(None)]
        if purposes:
            which.append(OneTimeToken.purpose.in_(purposes))
        await self._session.execute(update(OneTimeToken).where(*which).values(used_at=clock.now()))

    async def list_user_agents(self, kind: AccountKind, account_id: UUID) -> Sequence[str]:
        """What an account was signed in with as far as is kept, each once; empty: who did not say."""
        mine = (SignIn.account_kind == kind, SignIn.account_id == account_id)
        return (await self._session.scalars(select(SignIn.user_agent).where(*mine).distinct())).all()

    async def end_sign_in(self, sign_in_id: UUID, reason: EndReason) -> None:
        """End one sign-in, of whichever kind of account."""
        await self._end(reason, SignIn.id == sign_in_id)

    async def end_sign_ins(
        self, kind: AccountKind, account_id: UUID, reason: EndReason, *, besides: UUID | None = None
    ) -> None:
        """End every sign-in of an account, ``besides`` one."""
        which = [SignIn.account_kind == kind, SignIn.account_id == account_id]
        await self._end(reason, *which, *([SignIn.id != besides] if besides else []))

    async def _end(self, reason: EndReason, *which: ColumnElement[bool]) -> None:
        await self._session.execute(
            update(SignIn).where(*which, SignIn.ended_at.is_(None)).values(ended_at=clock.now(), end_reason=reason)
        )

    async def find_signed_in_client(
        self, client_id: UUID, sign_in_id: UUID | None, idle: timedelta
    ) -> tuple[Client, SignIn] | None:
        """A client and their sign-in, if it stands."""
        theirs = (SignIn.account_kind == AccountKind.CLIENT) & (SignIn.account_id == Client.id)
        statement = (
            select(Client, SignIn)
            .join(SignIn, theirs & is_live(SignIn, idle))
            .where(Client.id == client_id, SignIn.id == sign_in_id)
        )
        row = (await self._session.execute(statement)).one_or_none()
        return (row[0], row[1]) if row else None

    async def find_signed_in_staff(
        self, staff_id: UUID, sign_in_id: UUID | None, idle: timedelta
    ) -> tuple[Staff, SignIn, bool] | None:
        """A member of staff and their sign-in, if it stands; and whether the practice wants a second factor."""
        theirs = (SignIn.account_kind == AccountKind.STAFF) & (SignIn.account_id == Staff.id)
        statement = (
            select(Staff, SignIn, second_factor_is_required())
            .join(SignIn, theirs & is_live(SignIn, idle))
            .where(Staff.id == staff_id, SignIn.id == sign_in_id)
        )
        row = (await self._session.execute(statement)).one_or_none()
        return (row[0], row[1], row[2]) if row else None
