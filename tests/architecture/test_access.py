"""Every route of the OpenAPI documents, called by everybody; who is let in is the table in ``access.py``."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

import httpx
import jwt
import pytest
from sqlalchemy import update

from tenants.accounts.models import SignIn, StaffRole
from tests.architecture.access import TABLE
from tests.conftest import HttpFactory
from tests.support.operators import make_operator
from tests.support.practices import make_client, make_staff_member
from todoenbalance.kit import clock
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext
from todoenbalance.operators.models import OperatorSignIn

Headers = dict[str, str]
LETTERS = {"O": StaffRole.OWNER, "M": StaffRole.MANAGER, "P": StaffRole.PRACTITIONER, "R": StaffRole.RECEPTION}
METHODS = ("get", "post", "put", "patch", "delete")
# Not part of the contract: development pages; webhooks, whose signature is their guard.
ELSEWHERE = ("/dev/", "/webhooks/", "/sandbox/")
STALE = timedelta(minutes=16)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    method: str
    path: str
    who: str
    is_fresh: bool

    @property
    def kind(self) -> str:
        """Whose token it takes."""
        return self.who if self.who in ("anyone", "client", "operator") else "staff"

    @property
    def roles(self) -> set[StaffRole]:
        """The roles of staff that are let in."""
        letters = LETTERS if self.who == "staff" else self.who
        return {LETTERS[letter] for letter in letters} if self.kind == "staff" else set()


def read_table() -> list[Row]:
    rows = []
    for line in TABLE.strip().splitlines():
        method, path, who, *fresh = line.split()
        rows.append(Row(method.lower(), path, who, fresh == ["fresh"]))
    return rows


ROWS = read_table()


async def routes(http: HttpFactory, practice: TenantContext) -> set[tuple[str, str]]:
    """Method and path of every operation of both documents."""
    documents = [
        (await http(practice).get("/api/v1/openapi.json")).json(),
        (await http().get("/api/v1/platform/openapi.json")).json(),
    ]
    return {
        (method, path)
        for document in documents
        for path, item in document["paths"].items()
        for method in item
        if method in METHODS and not path.startswith(ELSEWHERE)
    }


@dataclass(frozen=True, slots=True)
class Caller:
    """Makes calls to one route, on the host that it belongs to, with made-up ids and an empty body."""

    http: HttpFactory
    practice: TenantContext
    row: Row

    async def call(self, headers: Headers) -> httpx.Response:
        path = re.sub(r"\{[^}]+\}", lambda _name: str(uuid4()), self.row.path)
        is_platform = self.row.path.startswith(("/api/v1/platform", "/auth/"))
        client = self.http(None if is_platform else self.practice)
        body: dict[str, str] | None = {} if self.row.method != "get" else None
        return await client.request(self.row.method, path, headers=headers, json=body)

    async def is_refused(self, headers: Headers, status: int, code: str | None = None) -> str | None:
        """What is wrong if it is not; None if it is as it should be."""
        answer = await self.call(headers)
        if answer.status_code == status and (code is None or answer.json()["code"] == code):
            return None
        return f"{self.row.method} {self.row.path}: {answer.status_code} {answer.text[:100]} instead of {status}"

    async def is_let_in(self, headers: Headers) -> str | None:
        """The same for someone who may call: whatever else is wrong with the call, it is not who they are."""
        answer = await self.call(headers)
        if answer.status_code not in (401, 403) and answer.status_code < 500:
            return None
        return f"{self.row.method} {self.row.path}: {answer.status_code} {answer.text[:100]} for who may call it"


@pytest.fixture
def people(runtime: Runtime) -> dict[str, Callable[[TenantContext], Awaitable[Headers]]]:
    """A new account of each kind and role: a call may end its own sign-in, or the account."""

    def staff(role: StaffRole) -> Callable[[TenantContext], Awaitable[Headers]]:
        async def made(tenant: TenantContext) -> Headers:
            return (await make_staff_member(runtime, tenant, role)).headers

        return made

    async def client(tenant: TenantContext) -> Headers:
        return (await make_client(runtime, tenant)).headers

    async def operator(_tenant: TenantContext) -> Headers:
        return (await make_operator(runtime)).headers

    return {"client": client, "operator": operator, **{role: staff(role) for role in StaffRole}}


def tampered(headers: Headers) -> list[Headers]:
    """The same claims with another signature, with none, and other claims with the same signature."""
    token = headers["Authorization"].removeprefix("Bearer ")
    head, body, signature = token.split(".")
    claims = jwt.decode(token, options={"verify_signature": False})
    kid = jwt.get_unverified_header(token)["kid"]
    forged = [
        f"{head}.{body}.{signature[:-4]}AAAA",
        jwt.encode(claims, "", "none", headers={"kid": kid}),
        jwt.encode(claims, "another key that is long enough for this", "HS256", headers={"kid": kid}),
        ".".join([head, jwt.encode(claims | {"sub": str(uuid4())}, "x" * 40, "HS256").split(".")[1], signature]),
    ]
    return [{"Authorization": f"Bearer {one}"} for one in forged]


async def test_the_table_names_every_route_once(http: HttpFactory, practice: TenantContext) -> None:
    named = [(row.method, row.path) for row in ROWS]
    assert len(named) == len(set(named))
    assert set(named) == await routes(http, practice)


async def test_nobody_gets_in_with_no_token_or_one_of_another_kind_practice_or_time(
    http: HttpFactory,
    practice: TenantContext,
    other_practice: TenantContext,
    people: dict[str, Callable[[TenantContext], Awaitable[Headers]]],
) -> None:
    here = {name: await make(practice) for name, make in people.items()}
    there = [await make(other_practice) for name, make in people.items() if name != "operator"]
    with clock.at(clock.now() - timedelta(days=1)):
        expired = {name: await make(practice) for name, make in people.items()}
    wrong = []
    for row in ROWS:
        if row.kind == "anyone":
            continue
        own = {row.kind} if row.kind != "staff" else set(StaffRole)
        one = next(name for name in here if name in own)
        others = [headers for name, headers in here.items() if name not in own]
        strangers = [{}, expired[one], *tampered(here[one]), *others, *there]
        caller = Caller(http, practice, row)
        wrong += [await caller.is_refused(headers, 401) for headers in strangers]
    assert [found for found in wrong if found] == []


async def test_those_who_may_call_get_in_and_staff_of_other_roles_do_not(
    http: HttpFactory, practice: TenantContext, people: dict[str, Callable[[TenantContext], Awaitable[Headers]]]
) -> None:
    wrong: list[str | None] = []
    for row in ROWS:
        caller = Caller(http, practice, row)
        if row.kind == "staff":
            for role in StaffRole:
                headers = await people[role](practice)
                allowed = role in row.roles
                wrong.append(
                    await caller.is_let_in(headers) if allowed else await caller.is_refused(headers, 403, "forbidden")
                )
        elif row.kind != "anyone":
            wrong.append(await caller.is_let_in(await people[row.kind](practice)))
        else:
            answer = await caller.call({})
            # A proof in the body may be missing or wrong, which is said of the body, not of the caller.
            if answer.status_code == 403 or answer.status_code >= 500:
                wrong.append(f"{row.method} {row.path}: {answer.status_code}")
    assert [found for found in wrong if found] == []


async def age(runtime: Runtime, practice: TenantContext, headers: Headers) -> None:
    """Have the owner of a token have proved who they are a while ago."""
    claims = jwt.decode(headers["Authorization"].removeprefix("Bearer "), options={"verify_signature": False})
    then = clock.now() - STALE
    async with runtime.database.tenant(practice) as session:
        await session.execute(update(SignIn).where(SignIn.id == UUID(claims["sid"])).values(authenticated_at=then))
    async with runtime.database.platform() as platform:
        mine = OperatorSignIn.id == UUID(claims["sid"])
        await platform.execute(update(OperatorSignIn).where(mine).values(authenticated_at=then))


async def test_sensitive_acts_want_a_fresh_sign_in_and_nothing_else_does(
    http: HttpFactory,
    runtime: Runtime,
    practice: TenantContext,
    people: dict[str, Callable[[TenantContext], Awaitable[Headers]]],
) -> None:
    wrong: list[str | None] = []
    for row in ROWS:
        if row.kind == "anyone":
            continue
        caller = Caller(http, practice, row)
        headers = await people[next(iter(row.roles), row.kind)](practice)
        await age(runtime, practice, headers)
        if row.is_fresh:
            wrong.append(await caller.is_refused(headers, 403, "fresh_sign_in_required"))
        else:
            wrong.append(await caller.is_let_in(headers))
    assert [found for found in wrong if found] == []
