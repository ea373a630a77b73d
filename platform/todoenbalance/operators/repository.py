"""Every query of operators' accounts and their audit trail."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, select

from todoenbalance.kit.database import PlatformSession
from todoenbalance.kit.pagination import paginate
from todoenbalance.kit.security.sign_ins import is_live
from todoenbalance.operators.models import AuditEntry, Operator, OperatorSignIn


class OperatorRepository:
    """Operators in the shared schema."""

    def __init__(self, session: PlatformSession) -> None:
        self._session = session

    def add(self, row: Operator | AuditEntry) -> None:
        """Insert with the next flush."""
        self._session.add(row)

    async def find(self, operator_id: UUID) -> Operator | None:
        """By id, or None."""
        return await self._session.get(Operator, operator_id)

    async def lock(self, operator_id: UUID) -> Operator | None:
        """The operator's row, locked and fresh: whoever changes their sign-ins or password takes this lock first."""
        return await self._session.get(
            Operator, operator_id, with_for_update={"key_share": True}, populate_existing=True
        )

    async def find_by_email(self, email: str) -> Operator | None:
        """By e-mail, case folded, or None."""
        statement = select(Operator).where(func.lower(Operator.email) == email.lower())
        return (await self._session.scalars(statement)).one_or_none()

    async def list_ids(self, *, besides: UUID | None = None, only_news_readers: bool = False) -> list[UUID]:
        """The operators there are, ``besides`` one, or only those who want to hear what waits."""
        statement = select(Operator.id).where(Operator.is_active).order_by(Operator.id)
        if besides is not None:
            statement = statement.where(Operator.id != besides)
        if only_news_readers:
            statement = statement.where(Operator.wants_news)
        return list((await self._session.scalars(statement)).all())

    async def list_user_agents(self, operator_id: UUID) -> list[str]:
        """What the browsers of an operator's kept sign-ins called themselves."""
        statement = select(OperatorSignIn.user_agent).where(OperatorSignIn.account_id == operator_id).distinct()
        return list((await self._session.scalars(statement)).all())

    async def find_signed_in(
        self, operator_id: UUID, sign_in_id: UUID | None, idle: timedelta
    ) -> tuple[Operator, OperatorSignIn] | None:
        """An operator and their sign-in, if it stands."""
        theirs = (OperatorSignIn.account_id == Operator.id) & is_live(OperatorSignIn, idle)
        statement = (
            select(Operator, OperatorSignIn)
            .join(OperatorSignIn, theirs)
            .where(Operator.id == operator_id, OperatorSignIn.id == sign_in_id)
        )
        row = (await self._session.execute(statement)).one_or_none()
        return (row[0], row[1]) if row else None

    async def page_of_audit(self, *, limit: int, cursor: str | None) -> tuple[list[AuditEntry], str | None]:
        """What operators did, newest first."""
        return await paginate(
            self._session, select(AuditEntry), [AuditEntry.id], limit=limit, cursor=cursor, descending=True
        )
