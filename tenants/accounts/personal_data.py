"""What accounts store about a client: the profile, sign-ins, mailed links, dependants, what staff did with them."""

from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase

from tenants.accounts.models import (
    AccountKind,
    Client,
    Dependant,
    EmailChange,
    OneTimeToken,
    RefreshToken,
    SignIn,
    StaffAuditEntry,
)
from tenants.accounts.names import ERASED
from tenants.accounts.services.dependants import list_dependants
from tenants.privacy.port import Action, DataClass, Json, Person, Reason, Treatment, facts, listed
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession

_PROFILE = (
    "email",
    "first_name",
    "last_name",
    "phone",
    "birth_date",
    "locale",
    "timezone",
    "is_verified",
    "created_at",
)
_DEPENDANT = ("id", "first_name", "last_name", "birth_date", "relationship", "created_at", "archived_at")
_SIGN_IN = ("method", "created_at", "last_seen_at", "expires_at", "ended_at", "end_reason", "user_agent", "address")
_OF_ACCOUNTS = (RefreshToken, SignIn, OneTimeToken, EmailChange)


class AccountData:
    """The account itself; registered last, because the others refer to it."""

    name = "account"
    tables = frozenset(
        {
            "clients",
            "dependants",
            "sign_ins",
            "refresh_tokens",
            "one_time_tokens",
            "email_changes",
            "sign_in_attempts",  # keyed digests, thrown away after a day
            "audit_log",
        }
    )
    classes = frozenset({DataClass.PROFILE, DataClass.SIGN_INS, DataClass.DEPENDANTS, DataClass.AUDIT})

    async def find_subjects(self, session: TenantSession, client_id: UUID) -> frozenset[UUID]:
        """Mails are about the account, or about a change of its address."""
        changes = await session.scalars(select(EmailChange.id).where(*_theirs(EmailChange, client_id)))
        return frozenset({client_id, *changes.all()})

    async def export(self, session: TenantSession, person: Person) -> Json:
        """Without the password's hash and without tokens."""
        client = person.client
        changes = await session.scalars(select(EmailChange).where(*_theirs(EmailChange, client.id)))
        sign_ins = await session.scalars(
            select(SignIn).where(*_theirs(SignIn, client.id)).order_by(SignIn.created_at, SignIn.id)
        )
        links = await session.scalars(select(OneTimeToken).where(*_theirs(OneTimeToken, client.id)))
        acts = await session.scalars(
            select(StaffAuditEntry).where(StaffAuditEntry.subject_id == client.id).order_by(StaffAuditEntry.id)
        )
        return {
            "profile": {
                **facts(client, *_PROFILE, "privacy_accepted_at"),
                "has_password": client.hashed_password is not None,
            },
            "dependants": listed(await list_dependants(session, client.id, with_archived=True), *_DEPENDANT),
            "sign_ins": listed(sign_ins, *_SIGN_IN),
            "mailed_links": listed(links, "purpose", "created_at", "expires_at", "used_at"),
            "email_changes": listed(changes, "old_email", "new_email", "created_at", "closed_at"),
            "acts_of_staff": listed(acts, "action", "created_at"),
        }

    async def plan(self, session: TenantSession, person: Person) -> list[Treatment]:
        """The identity is kept, sealed, only as long as something that belongs to it must be."""
        until = person.kept_until
        people = await list_dependants(session, person.id, with_archived=True)
        named = [one for one in people if one.id in person.kept_ids]
        sign_ins = sum([await _count(session, model, *_theirs(model, person.id)) for model in _OF_ACCOUNTS])
        acts = await _count(session, StaffAuditEntry, StaffAuditEntry.subject_id == person.id)
        profile = (Action.BLOCK, Reason.BELONGS_TO_RECORD) if until else (Action.DELETE, Reason.NOT_NEEDED)
        return [
            Treatment(DataClass.PROFILE, profile[0], 1, profile[1], until),
            Treatment(DataClass.SIGN_INS, Action.DELETE, sign_ins, Reason.NOT_NEEDED),
            Treatment(DataClass.DEPENDANTS, Action.BLOCK, len(named), Reason.BELONGS_TO_RECORD, until),
            Treatment(DataClass.DEPENDANTS, Action.DELETE, len(people) - len(named), Reason.NOT_NEEDED),
            Treatment(DataClass.AUDIT, Action.ANONYMISE, acts, Reason.ACCOUNTABILITY),
        ]

    async def erase(self, session: TenantSession, person: Person) -> Json:
        """The row goes, or stays as a stub that names nobody where others still refer to it."""
        people = await list_dependants(session, person.id, with_archived=True)
        kept: Json = {}
        if person.kept_until is not None:
            named = listed((one for one in people if one.id in person.kept_ids), *_DEPENDANT)
            kept = {"profile": facts(person.client, *_PROFILE), "dependants": named}
        for model in _OF_ACCOUNTS:
            await session.execute(delete(model).where(*_theirs(model, person.id)))
        await session.execute(delete(Dependant).where(Dependant.client_id == person.id))
        _make_stub(person.client)
        await session.flush()  # the stub is what stays if the row can't go
        if person.kept_until is None:
            await _delete_if_unreferred(session, person.client)
        return kept


def _theirs(
    model: type[SignIn | RefreshToken | OneTimeToken | EmailChange], client_id: UUID
) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return model.account_kind == AccountKind.CLIENT, model.account_id == client_id


async def _count(session: TenantSession, model: type[DeclarativeBase], *which: ColumnElement[bool]) -> int:
    return await session.scalar(select(func.count()).select_from(model).where(*which)) or 0


def _make_stub(client: Client) -> None:
    client.email = f"erased-{client.id}@erased.invalid"
    client.hashed_password, client.phone, client.birth_date = None, None, None
    client.first_name = client.last_name = ERASED
    client.is_active, client.is_verified = False, False
    client.erased_at = clock.now()


async def _delete_if_unreferred(session: TenantSession, client: Client) -> None:
    try:
        async with session.begin_nested():
            await session.execute(
                delete(Client).where(Client.id == client.id).execution_options(synchronize_session=False)
            )
    except IntegrityError:  # the practice's calendar still has times of theirs
        return
    session.expunge(client)
