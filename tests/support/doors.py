"""The two doors with second factors, staff's and operators', as one thing to knock at."""

import secrets
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import select, update

from tenants.accounts.models import Staff, StaffAuditEntry
from tests.support.authenticator import Authenticator
from tests.support.practices import PASSWORD, make_staff_member
from tests.support.second_factors import bearer, log_in, set_up_totp
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext
from todoenbalance.operators.models import AuditEntry, Operator
from todoenbalance.operators.service import create_operator

STAFF, OPERATOR = "/api/v1/admin/auth", "/api/v1/platform/auth"


@dataclass
class Door:
    """Where accounts of one kind sign in, and one account."""

    http: httpx.AsyncClient
    at: str
    email: str
    account_id: UUID
    runtime: Runtime
    practice: TenantContext | None

    async def log_in(self) -> dict[str, Any]:
        return await log_in(self.http, self.email, at=self.at)

    async def signed_in(self) -> dict[str, str]:
        return bearer(await self.log_in())

    async def set_up(self, headers: dict[str, str] | None = None) -> tuple[str, list[str]]:
        return await set_up_totp(self.http, headers or await self.signed_in(), self.at)

    async def post(self, path: str, headers: dict[str, str] | None = None, **body: Any) -> httpx.Response:
        return await self.http.post(self.at + path, headers=headers, json=body)

    async def get(self, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
        return await self.http.get(self.at + path, headers=headers)

    async def delete(self, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
        return await self.http.delete(self.at + path, headers=headers)

    async def me(self, headers: dict[str, str]) -> int:
        """What an ordinary request is answered."""
        return (await self.get("/sessions", headers)).status_code

    async def add_passkey(self, headers: dict[str, str], key: Authenticator, name: str = "My phone") -> httpx.Response:
        options = await self.post("/mfa/passkeys/options", headers)
        assert options.status_code == 200, options.text
        return await self.post("/mfa/passkeys", headers, name=name, credential=key.create(options.json()))

    async def audit(self) -> list[str]:
        """What the account's owner did."""
        if self.practice is not None:
            async with self.runtime.database.tenant(self.practice) as session:
                statement = select(StaffAuditEntry.action).where(StaffAuditEntry.staff_id == self.account_id)
                return list((await session.scalars(statement.order_by(StaffAuditEntry.id))).all())
        async with self.runtime.database.platform() as session:
            mine = select(AuditEntry.action).where(AuditEntry.operator_id == self.account_id)
            return list((await session.scalars(mine.order_by(AuditEntry.id))).all())

    async def change(self, **values: Any) -> None:
        """Change the account's row behind everybody's back."""
        if self.practice is not None:
            async with self.runtime.database.tenant(self.practice) as session:
                await session.execute(update(Staff).where(Staff.id == self.account_id).values(**values))
        else:
            async with self.runtime.database.platform() as session:
                await session.execute(update(Operator).where(Operator.id == self.account_id).values(**values))

    async def another(self) -> "Door":
        """Somebody else's account at the same door."""
        return await make_door(self.http, self.runtime, self.practice)


async def make_door(http: httpx.AsyncClient, runtime: Runtime, practice: TenantContext | None) -> Door:
    """A fresh member of staff, or without a practice a fresh operator."""
    if practice is not None:
        member = await make_staff_member(runtime, practice)
        return Door(http, STAFF, member.email, member.id, runtime, practice)
    email = f"op-{secrets.token_hex(4)}@example.com"
    async with runtime.database.platform() as session:
        operator = await create_operator(session, email=email, password=PASSWORD)
    return Door(http, OPERATOR, email, operator.id, runtime, None)
