"""Fixtures: a real PostgreSQL per worker, migrated by the real revisions, and fresh practices in it.

Practices are isolated by the product itself (a schema and a role each), so a test that needs a clean slate
takes a fresh practice and commits as it likes; nothing is rolled back behind the code's back.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import hypothesis
import psycopg
import pytest
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine

from migrations.runner import migrate_all
from tests.contract.reporting import (  # noqa: F401 - hooks of pytest
    pytest_configure,
    pytest_report_header,
    pytest_terminal_summary,
)
from tests.support.practice_pool import PracticePool
from tests.support.practices import make_practice, use_pool
from todoenbalance.app import Surfaces, create_app
from todoenbalance.devstack.postgres import EmbeddedPostgres
from todoenbalance.kit.database import Database, TenantSession, create_engine
from todoenbalance.kit.database_setup import prepare_database, secure_database
from todoenbalance.kit.logs import configure_logs
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.security.passwords import hash_cheaply
from todoenbalance.kit.security.recovery_codes import hash_recovery_codes_cheaply
from todoenbalance.kit.settings import Environment, PoolSettings, RateLimitSettings, Settings
from todoenbalance.kit.tenancy import TenantContext

LOGIN_ROLE = "todoenbalance"
LOGIN_PASSWORD = "tests-only"
DATABASE = "todoenbalance_test"
HttpFactory = Callable[..., httpx.AsyncClient]

# How long an example takes is the machine's business: on a busy one hypothesis' 200 ms would fail what is right.
hypothesis.settings.register_profile("todoenbalance", deadline=None)
hypothesis.settings.load_profile("todoenbalance")


@pytest.fixture(scope="session", autouse=True)
def _logs() -> None:
    """The product's own log format: structlog's default draws the variables of every frame of a traceback."""
    configure_logs("WARNING", json=False)


@pytest.fixture(scope="session", autouse=True)
def _cheap_passwords() -> None:
    """The same algorithms with less work; what runs in processes of its own (end to end) has the real cost."""
    hash_cheaply()
    hash_recovery_codes_cheaply()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Tests run on asyncio, as the product does."""
    return "asyncio"


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL server of this worker's own; what it loses in a crash is nobody's loss."""
    server = EmbeddedPostgres(tmp_path_factory.mktemp("postgres"), durable=False)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def practice_pool(cluster: EmbeddedPostgres) -> Iterator[PracticePool]:
    """The practices of this worker's database, which one test after the other has for itself."""
    pool = PracticePool(cluster.url_for(DATABASE), cluster.url_for(DATABASE, LOGIN_ROLE, LOGIN_PASSWORD))
    use_pool(pool)
    yield pool
    pool.close()


@pytest.fixture(autouse=True)
def _lent_practices(request: pytest.FixtureRequest) -> Iterator[None]:
    """What a test takes from the pool goes back when it ends."""
    pool = request.getfixturevalue("practice_pool") if "settings" in request.fixturenames else None
    if pool is None:
        yield
        return
    pool.begin_test()
    yield
    pool.end_test()
    if "runtime" in request.fixturenames:
        pool.forget_operators()


def _settings(cluster: EmbeddedPostgres, database: str, **values: object) -> Settings:
    return Settings.model_validate(
        {
            "environment": Environment.TEST,
            "base_domain": "localhost",
            "public_port": 8000,
            "database_url": SecretStr(cluster.url_for(database, LOGIN_ROLE, LOGIN_PASSWORD)),
            "redis_url": SecretStr("redis://127.0.0.1:1/0"),
            "secret_keys": SecretStr(f"test:{secrets.token_urlsafe(32)}"),
            # On a busy machine a connection takes its time.
            "pool": PoolSettings(size=5, overflow=15, connect_seconds=60),
            # Every test comes from one address.
            "rate_limits": RateLimitSettings(factor=100),
        }
        | values
    )


@pytest.fixture(scope="session")
def settings(cluster: EmbeddedPostgres, practice_pool: PracticePool) -> Settings:
    """Settings of this worker's database, which is prepared and migrated once."""
    made = _settings(cluster, DATABASE)
    prepare_database(admin_url=cluster.admin_url, login_url=made.database_url.get_secret_value())
    report = asyncio.run(migrate_all(made))
    assert report.ok, report.lines()
    return made


@pytest.fixture(scope="session")
def template_database(cluster: EmbeddedPostgres) -> str:
    """A migrated database without practices, to clone."""
    made = _settings(cluster, "todoenbalance_template")
    prepare_database(admin_url=cluster.admin_url, login_url=made.database_url.get_secret_value())
    assert asyncio.run(migrate_all(made)).ok
    return "todoenbalance_template"


@pytest.fixture
def fresh_settings(cluster: EmbeddedPostgres, template_database: str) -> Iterator[Settings]:
    """Settings of a database of the test's own, for tests of what spans practices (queue, migrations)."""
    name = f"fresh_{secrets.token_hex(4)}"
    with psycopg.connect(cluster.admin_url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {template_database} OWNER {LOGIN_ROLE}".encode())
    made = _settings(cluster, name)
    secure_database(made.database_url.get_secret_value())
    yield made
    with psycopg.connect(cluster.admin_url, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture(scope="session")
def engine(settings: Settings) -> AsyncEngine:
    """One for the worker, as in the product: what it compiled once it need not compile for each test."""
    return create_engine(settings.database_url.get_secret_value(), settings.pool)


@pytest.fixture
async def runtime(settings: Settings, engine: AsyncEngine) -> AsyncIterator[Runtime]:
    """The process's tools over this worker's database, with connections of the test's own."""
    made = replace(Runtime.from_settings(settings), database=Database(engine))
    yield made
    await made.close()


@pytest.fixture
async def fresh_runtime(fresh_settings: Settings) -> AsyncIterator[Runtime]:
    """The same over a database of the test's own."""
    made = Runtime.from_settings(fresh_settings)
    yield made
    await made.close()


@pytest.fixture
async def practice(runtime: Runtime) -> TenantContext:
    """A fresh practice in Europe/Madrid, in euros, in Spanish."""
    return await make_practice(runtime)


@pytest.fixture
async def other_practice(runtime: Runtime) -> TenantContext:
    """Another fresh practice, which the first must never reach."""
    return await make_practice(runtime, timezone="Atlantic/Canary")


@pytest.fixture
async def session(runtime: Runtime, practice: TenantContext) -> AsyncIterator[TenantSession]:
    """A transaction of the practice, rolled back at the end unless the test commits."""
    async with TenantSession(runtime.database.engine, practice) as opened:
        yield opened


@pytest.fixture(scope="session")
def surfaces(settings: Settings) -> Surfaces:
    """The two applications, built once a worker."""
    return Surfaces.build(settings)


@pytest.fixture
async def http(runtime: Runtime, surfaces: Surfaces) -> AsyncIterator[HttpFactory]:
    """``http(practice)`` (or ``http()`` for the platform's host): a client of the whole application in this process."""
    app = create_app(runtime, surfaces)
    made: list[httpx.AsyncClient] = []

    def factory(practice: TenantContext | None = None, **options: Any) -> httpx.AsyncClient:
        host = f"{practice.slug}.localhost" if practice else "localhost"
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        made.append(httpx.AsyncClient(transport=transport, base_url=f"http://{host}:8000", **options))
        return made[-1]

    yield factory
    for client in made:
        await client.aclose()


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A folder for what a test starts."""
    return tmp_path / "data"
