"""``Idempotency-Key`` at the endpoints of this area: claim the key, or answer what was answered before."""

from dataclasses import dataclass
from typing import Self
from uuid import UUID

from fastapi.responses import JSONResponse
from pydantic import BaseModel

from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import ServiceUnavailableError
from todoenbalance.kit.idempotency.service import claim_key, request_digest, store_answer

REPLAYED_HEADER = "Idempotent-Replayed"


@dataclass(frozen=True, slots=True)
class Once:
    """One request under its key (None: none was sent). ``replay`` is the first answer if this is a repetition."""

    account_id: UUID
    key: str | None
    replay: JSONResponse | None = None

    @classmethod
    async def claim(
        cls, session: TenantSession, account_id: UUID, key: str | None, operation: str, body: BaseModel, *path: object
    ) -> Self:
        """Take the key in the transaction of the work, before the work.

        A second request with the key waits for the first one's commit. Raises ``IdempotencyKeyReusedError``
        if the key stands for something else.
        """
        if key is None:
            return cls(account_id, None)
        digest = request_digest(body, *path)
        claim = await claim_key(session, account_id=account_id, key=key, operation=operation, digest=digest)
        if claim.is_first:
            return cls(account_id, key)
        if claim.status_code is None:
            raise ServiceUnavailableError
        return cls(account_id, key, JSONResponse(claim.response, claim.status_code, {REPLAYED_HEADER: "true"}))

    async def remember(self, session: TenantSession, status_code: int, answer: BaseModel) -> None:
        """Keep the answer, in the transaction that made it true."""
        if self.key is not None:
            await store_answer(
                session, account_id=self.account_id, key=self.key, status_code=status_code, response=answer
            )
