"""``Idempotency-Key``: the same key with the same body answers the first answer again.

The key's row is inserted in the transaction of the work itself: a second request with the key waits on
the unique index until the first has committed, then answers what the first did. A first request that
failed left nothing behind, so repeating it does the work.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import ProblemError
from todoenbalance.kit.idempotency.models import IdempotencyKey


class IdempotencyKeyReusedError(ProblemError):
    """The key was used before for something else."""

    status = 422
    code = "idempotency_key_reused"
    title = "Idempotency key reused"
    messages: ClassVar[dict[str, str]] = {
        "en": "This idempotency key was used before with another request.",
        "es": "Esta clave de idempotencia ya se usó con otra petición.",
    }


@dataclass(frozen=True, slots=True)
class Claim:
    """What is known of a key: ``is_first`` if this request brought it, else the first one's answer so far.

    ``response`` is None while the first request's work is unfinished; ``resource_id`` then says what it
    had begun, so that it can be carried on.
    """

    is_first: bool
    resource_id: UUID | None
    status_code: int | None
    response: dict[str, Any] | None


def request_digest(body: BaseModel, *path: object) -> str:
    """A digest of what was asked: the parsed body, so that white space and order of names don't matter."""
    text = json.dumps([body.model_dump(mode="json"), *map(str, path)], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


async def claim_key(
    session: TenantSession,
    *,
    account_id: UUID,
    key: str,
    operation: str,
    digest: str,
    resource_id: UUID | None = None,
) -> Claim:
    """Take the key for this request, or learn what became of it.

    Raises :class:`IdempotencyKeyReusedError` if it stands for another operation or body.
    """
    inserted = await session.execute(
        insert(IdempotencyKey)
        .values(
            account_id=account_id,
            key=key,
            operation=operation,
            request_digest=digest,
            resource_id=resource_id,
            created_at=clock.now(),
        )
        .on_conflict_do_nothing()
        .returning(IdempotencyKey.key)
    )
    if inserted.scalar_one_or_none() is not None:
        return Claim(True, resource_id, None, None)
    row = (
        await session.scalars(
            select(IdempotencyKey).where(IdempotencyKey.account_id == account_id, IdempotencyKey.key == key)
        )
    ).one()
    if row.operation != operation or row.request_digest != digest:
        raise IdempotencyKeyReusedError
    return Claim(False, row.resource_id, row.status_code, row.response)


async def name_resource(session: TenantSession, *, account_id: UUID, key: str, resource_id: UUID) -> None:
    """Remember what the request that holds the key has begun, where that was not known when it took the key."""
    (await session.get_one(IdempotencyKey, (account_id, key))).resource_id = resource_id


async def store_answer(
    session: TenantSession, *, account_id: UUID, key: str, status_code: int, response: BaseModel
) -> None:
    """Remember the answer, in the transaction that made it true."""
    row = await session.get_one(IdempotencyKey, (account_id, key))
    row.status_code = status_code
    row.response = response.model_dump(mode="json")
