"""Having operators told of what happens to their accounts, in the transaction in which it does."""

from uuid import UUID

from notifications.operator_mails.announcing import announce_to_operators
from todoenbalance.kit.database import PlatformSession
from todoenbalance.kit.ids import new_id
from todoenbalance.operators.repository import OperatorRepository


async def tell_operator(session: PlatformSession, kind: str, operator_id: UUID, version: str | None = None) -> None:
    """Queue a mail to an operator about their own account; a mail of its own each time, unless there is a version."""
    told = version or str(new_id())
    await announce_to_operators(
        session, kind, subject_id=operator_id, version=told, operator_ids=[operator_id]
    )  # fmt: skip


async def tell_other_operators(session: PlatformSession, kind: str, operator_id: UUID) -> None:
    """Queue a mail about an operator's account to every other one."""
    others = await OperatorRepository(session).list_ids(besides=operator_id)
    await announce_to_operators(session, kind, subject_id=operator_id, version=str(new_id()), operator_ids=others)
