"""Every query of consents and erasures."""

from uuid import UUID

from sqlalchemy import ColumnElement, exists, select

from tenants.privacy.models import Consent, Erasure
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.pagination import paginate


class PrivacyRepository:
    """Consents and erasures in one practice."""

    def __init__(self, session: TenantSession) -> None:
        self._session = session

    def add(self, row: Consent | Erasure) -> None:
        """Insert with the next flush."""
        self._session.add(row)

    async def list_consents(self, client_id: UUID) -> list[Consent]:
        """What a client agreed to, newest first."""
        statement = select(Consent).where(Consent.client_id == client_id)
        rows = await self._session.scalars(statement.order_by(Consent.accepted_at.desc(), Consent.id.desc()))
        return list(rows.all())

    async def find_consent(self, client_id: UUID, document: str, version: str) -> Consent | None:
        """That a client agreed to this version, or None."""
        statement = select(Consent).where(self._of(client_id, document, version)).order_by(Consent.id).limit(1)
        return (await self._session.scalars(statement)).one_or_none()

    async def has_consent(self, client_id: UUID, document: str, version: str) -> bool:
        """Whether a client agreed to this version."""
        return bool(await self._session.scalar(select(exists().where(self._of(client_id, document, version)))))

    @staticmethod
    def _of(client_id: UUID, document: str, version: str) -> ColumnElement[bool]:
        return (Consent.client_id == client_id) & (Consent.document == document) & (Consent.version == version)

    async def find_erasure(self, erasure_id: UUID, *, for_update: bool = False) -> Erasure | None:
        """By id, or None."""
        statement = select(Erasure).where(Erasure.id == erasure_id)
        if for_update:
            statement = statement.with_for_update().execution_options(populate_existing=True)
        return (await self._session.scalars(statement)).one_or_none()

    async def page_of_erasures(self, *, limit: int, cursor: str | None) -> tuple[list[Erasure], str | None]:
        """Newest first."""
        return await paginate(self._session, select(Erasure), [Erasure.id], limit=limit, cursor=cursor, descending=True)
