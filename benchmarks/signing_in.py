"""A wrong password against an unknown account: whoever measures the answers must not learn who is a client."""

import time
from itertools import count
from urllib.parse import urlencode

import httpx

from benchmarks.errors import BenchmarkError
from benchmarks.load import Sample, alternate
from benchmarks.options import Options
from benchmarks.practices import provision
from benchmarks.report import Comparison
from benchmarks.stack import Say, Server, Stack
from tenants.accounts.models import Client
from todoenbalance.kit import clock
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.security.passwords import hash_password
from todoenbalance.kit.tenancy import TenantContext

_ATTEMPTS_A_ROUND = 40


async def compare_refusals(stack: Stack, api: Server, runtime: Runtime, options: Options, say: Say) -> list[Comparison]:
    """By turns, one at a time, each attempt on an account (or an address) of its own: nobody is locked meanwhile."""
    del stack
    turns = 2 * options.rounds + 1
    say(f"refused sign-ins, {turns * _ATTEMPTS_A_ROUND} of each kind")
    practice = await provision(runtime, "signed-in-to")
    await _make_clients(runtime, practice, turns * _ATTEMPTS_A_ROUND)
    known, unknown = count(), count()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{api.port}", headers={"Host": practice.hostname}) as http:

        async def wrong_password() -> Sample:
            return await _refused(http, [f"client-{next(known)}@example.com" for _ in range(_ATTEMPTS_A_ROUND)])

        async def unknown_account() -> Sample:
            return await _refused(http, [f"nobody-{next(unknown)}@example.com" for _ in range(_ATTEMPTS_A_ROUND)])

        await alternate(1, [wrong_password, unknown_account])
        ours, theirs = await alternate(turns - 1, [wrong_password, unknown_account])
    return [Comparison("sign-in with a wrong password", ours, "an unknown account", theirs, has_rate=False)]


async def _make_clients(runtime: Runtime, practice: TenantContext, number: int) -> None:
    hashed, now = await hash_password("lantern orbit velvet 7"), clock.now()
    async with runtime.database.tenant(practice) as session:
        session.add_all(
            Client(
                id=new_id(),
                email=f"client-{one}@example.com",
                hashed_password=hashed,
                is_active=True,
                is_verified=True,
                first_name="Carla",
                last_name="Cliente",
                locale="es",
                timezone=practice.timezone,
                privacy_accepted_at=now,
                created_at=now,
            )
            for one in range(number)
        )


async def _refused(http: httpx.AsyncClient, addresses: list[str]) -> Sample:
    seconds: list[float] = []
    for address in addresses:
        form = urlencode({"username": address, "password": "not the password"}).encode()
        begun = time.perf_counter()
        answer = await http.post(
            "/api/v1/auth/login", content=form, headers={"Content-Type": "application/x-www-form-urlencoded"}
        )
        seconds.append(time.perf_counter() - begun)
        if answer.status_code != 401:
            raise BenchmarkError(f"a wrong password was answered {answer.status_code}: {answer.text}")
    return Sample(seconds, sum(seconds))
