"""Making a practice: everything or nothing, from the same migrations as everyone else's."""

import asyncio
from dataclasses import replace

import psycopg
import pytest
from sqlalchemy import text

from migrations.render import head, tenant_upgrade
from tenants.provisioning import service
from tenants.provisioning.service import NewOwner, NewTenant, provision_tenant
from tenants.registry.errors import SlugTakenError
from tests.support.practices import make_practice
from todoenbalance.devstack.postgres import EmbeddedPostgres
from todoenbalance.kit.errors import InvalidInputError
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import Settings

NEW = NewTenant(
    slug="nutri",
    name="Nutri",
    country="ES",
    timezone="Europe/Madrid",
    locale="es",
    currency="EUR",
    owner=NewOwner("owner@example.com", "Olga", "Dueña"),
)


def traces(cluster: EmbeddedPostgres, settings: Settings) -> dict[str, int]:
    """What practices leave in a database: roles (of the whole server), schemas, registry rows, queue rows."""
    database = settings.database_url.get_secret_value().rpartition("/")[2].partition("?")[0]
    with psycopg.connect(cluster.url_for(database)) as conn:
        row = conn.execute(
            "SELECT (SELECT count(*) FROM pg_roles WHERE rolname LIKE 't\\_%'),"
            " (SELECT count(*) FROM pg_namespace WHERE nspname LIKE 't\\_%'),"
            " (SELECT count(*) FROM platform.tenants), (SELECT count(*) FROM platform.outbox)"
        ).fetchone()
    assert row is not None
    return dict(zip(("roles", "schemas", "tenants", "events"), row, strict=True))


class TestANewPractice:
    async def test_has_its_own_schema_owned_by_its_own_role(self, runtime: Runtime) -> None:
        tenant = await make_practice(runtime)
        async with runtime.database.platform() as session:
            owner = await session.scalar(
                text("SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = :name"), {"name": tenant.key}
            )
            role = (
                await session.execute(
                    text(
                        "SELECT rolcanlogin, rolsuper, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = :name"
                    ),
                    {"name": tenant.key},
                )
            ).one()
        assert owner == tenant.key
        assert tuple(role) == (False, False, False, False)

    async def test_two_at_once_with_one_slug_make_one(
        self, fresh_runtime: Runtime, fresh_settings: Settings, cluster: EmbeddedPostgres
    ) -> None:
        before = traces(cluster, fresh_settings)

        async def make() -> bool:
            try:
                async with fresh_runtime.database.platform() as session:
                    await provision_tenant(session, fresh_settings, NEW)
            except SlugTakenError:
                return False
            return True

        assert sum(await asyncio.gather(*(make() for _ in range(6)))) == 1
        after = traces(cluster, fresh_settings)
        assert {name: after[name] - before[name] for name in after} == {
            "roles": 1,
            "schemas": 1,
            "tenants": 1,
            "events": 3,  # the invitation, its housekeeping, and its books
        }

    @pytest.mark.parametrize(
        "broken", ["_make_schema", "tenant_upgrade", "make_staff", "release_tenant", "publish", "invitation_url"]
    )
    async def test_leaves_nothing_behind_wherever_it_fails(
        self,
        broken: str,
        fresh_runtime: Runtime,
        fresh_settings: Settings,
        cluster: EmbeddedPostgres,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        before = traces(cluster, fresh_settings)

        def fail(*_: object, **__: object) -> None:
            raise OSError("the machine is on fire")

        monkeypatch.setattr(service, broken, fail)
        with pytest.raises(OSError, match="fire"):
            async with fresh_runtime.database.platform() as session:
                await provision_tenant(session, fresh_settings, NEW)
        assert traces(cluster, fresh_settings) == before

    @pytest.mark.parametrize(
        "slug", ["a", "ab", "UPPER", "with_underscore", "-x-y", "x--y", "www", "api", "ñandú", "x" * 41, "a.b"]
    )
    async def test_a_bad_slug_is_refused(self, runtime: Runtime, slug: str) -> None:
        async with runtime.database.platform() as session:
            with pytest.raises(InvalidInputError):
                await provision_tenant(session, runtime.settings, replace(NEW, slug=slug))

    @pytest.mark.parametrize(
        "change",
        [
            {"timezone": "Mars/Olympus"},
            {"timezone": "../etc/passwd"},
            {"currency": "XXQ"},
            {"currency": "eur"},
            {"country": "XX"},
            {"country": "es"},
            {"locale": "fr"},
            {"name": "   "},
        ],
    )
    async def test_bad_facts_are_refused(self, runtime: Runtime, change: dict[str, str]) -> None:
        async with runtime.database.platform() as session:
            with pytest.raises(InvalidInputError):
                await provision_tenant(session, runtime.settings, replace(NEW, **change))  # type: ignore[arg-type]  # all of these are text


class TestTheRenderedStream:
    def test_composes_nothing_that_a_percent_sign_would_change(self) -> None:
        assert not any("%" in statement for statement in tenant_upgrade(None))

    def test_from_the_head_there_is_nothing_to_do(self) -> None:
        assert tenant_upgrade(head("tenant")) == ()
