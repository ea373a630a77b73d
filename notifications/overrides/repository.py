"""Every query of practices' own mails."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert

from notifications.overrides.models import MailTemplate, MailTemplateTest
from todoenbalance.kit.database import TenantSession


class MailTemplateRepository:
    """One practice's."""

    def __init__(self, session: TenantSession) -> None:
        self._session = session

    async def all(self) -> Sequence[MailTemplate]:
        """Every one."""
        return (await self._session.scalars(select(MailTemplate))).all()

    async def find(self, kind: str, language: str) -> MailTemplate | None:
        """That of one mail, or None: its words are the built-in ones."""
        statement = select(MailTemplate).where(MailTemplate.kind == kind, MailTemplate.language == language)
        return (await self._session.scalars(statement)).one_or_none()

    async def put(self, template_id: UUID, **values: Any) -> MailTemplate:
        """Write it, whether or not there is one; what went wrong with the former is forgotten."""
        changes = values | {"failed_at": None, "failure": None}
        statement = insert(MailTemplate).values(id=template_id, **changes)
        statement = statement.on_conflict_do_update(
            index_elements=[MailTemplate.kind, MailTemplate.language], set_=changes
        )
        saved = statement.returning(MailTemplate)
        return (await self._session.scalars(saved, execution_options={"populate_existing": True})).one()

    async def remove(self, kind: str, language: str) -> bool:
        """Whether there was one."""
        statement = delete(MailTemplate).where(MailTemplate.kind == kind, MailTemplate.language == language)
        return bool((await self._session.scalars(statement.returning(MailTemplate.id))).all())

    async def note_failure(self, row: MailTemplate, at: datetime, failure: dict[str, Any]) -> None:
        """The first failure of these words; mails that fail after it don't wait for one another's transactions."""
        same = (MailTemplate.id == row.id, MailTemplate.updated_at == row.updated_at, MailTemplate.failed_at.is_(None))
        await self._session.execute(update(MailTemplate).where(*same).values(failed_at=at, failure=failure))

    def add_test(self, test: MailTemplateTest) -> None:
        """Keep a draft for the mail that is to carry it."""
        self._session.add(test)

    async def find_test(self, test_id: UUID) -> MailTemplateTest | None:
        """A kept draft, for a day."""
        return await self._session.get(MailTemplateTest, test_id)
