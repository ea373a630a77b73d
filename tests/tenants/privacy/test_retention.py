"""What is old enough goes, by itself, every day; the rest stays."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from tenants.accounts.models import AccountKind, EmailChange, OneTimeToken, RefreshToken, SignIn, SignInAttempt
from tenants.privacy.events import HOUSEKEEPING
from tenants.privacy.retention import clean_practice
from tenants.social.models import OAuthFlow, SocialHandoff, SocialSignUp
from tests.support.events import queued, run_due_events
from tests.support.practices import make_client, make_practice
from todoenbalance.kit import clock, retention
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.idempotency.models import IdempotencyKey
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext
from todoenbalance.operators.housekeeping import clean_platform

MODELS: tuple[type[Any], ...] = (
    OneTimeToken,
    EmailChange,
    SocialHandoff,
    SocialSignUp,
    SignInAttempt,
    SignIn,
    RefreshToken,
    IdempotencyKey,
)


def make_old_things(session: TenantSession, days: int) -> None:
    """One of each, which ended so many days ago."""
    then, account = clock.now() - timedelta(days=days), new_id()
    whose = {"account_kind": AccountKind.CLIENT, "account_id": account}
    who = {"provider": "google", "subject": "s", "email": None, "first_name": "A", "last_name": "B", "locale": "es"}
    times = {"created_at": then, "expires_at": then}
    sign_in = new_id()
    session.add_all(
        [
            OneTimeToken(id=new_id(), purpose="x", token_hash=str(new_id()), **whose, **times),
            EmailChange(
                id=new_id(), old_email="a@x.example", new_email="b@x.example", sign_in_id=new_id(), **whose, **times
            ),
            SocialHandoff(
                id=new_id(), token_hash=str(new_id()), browser_hash="", is_email_vouched=False, **who, **times
            ),
            SocialSignUp(id=new_id(), token_hash=str(new_id()), codes_sent=0, attempts=0, **who, **times),
            SignInAttempt(subject=str(new_id()), failures=1, last_failed_at=then),
            SignIn(
                id=sign_in, method="password", authenticated_at=then, last_seen_at=then, user_agent="", address="",
                **whose, **times,
            ),
            RefreshToken(id=new_id(), family_id=sign_in, token_hash=str(new_id()), **whose, **times),
            IdempotencyKey(account_id=account, key="k", operation="x", request_digest="", created_at=then),
        ]
    )  # fmt: skip


async def counts(runtime: Runtime, practice: TenantContext) -> dict[str, int]:
    async with runtime.database.tenant(practice) as session:
        return {
            model.__tablename__: await session.scalar(select(func.count()).select_from(model)) or 0 for model in MODELS
        }


class TestAPractice:
    async def test_keeps_each_thing_its_time(self, runtime: Runtime, practice: TenantContext) -> None:
        async with runtime.database.tenant(practice) as session:
            for days in (0, 3, 30, 100, 500):
                make_old_things(session, days)
        await clean_practice(runtime.database, practice)
        left = await counts(runtime, practice)
        invitation = 1  # the owner's, who has not accepted yet
        assert left == {
            "one_time_tokens": 1 + invitation,
            "email_changes": 4,
            "social_handoffs": 1,
            "social_sign_ups": 1,
            "sign_in_attempts": 1,
            "sign_ins": 3,
            "refresh_tokens": 3,
            "idempotency_keys": 2,
        }

    async def test_ends_nobodys_sign_in(self, runtime: Runtime, practice: TenantContext) -> None:
        with clock.at(clock.now() - timedelta(days=20)):
            client = await make_client(runtime, practice)
        await clean_practice(runtime.database, practice)
        async with runtime.database.tenant(practice) as session:
            rows = await session.scalars(select(RefreshToken).where(RefreshToken.account_id == client.id))
            assert len(rows.all()) == 1

    async def test_is_cleaned_in_bounded_batches(
        self, runtime: Runtime, practice: TenantContext, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from tenants.privacy import retention as rules

        monkeypatch.setattr(retention, "BATCH", 2)
        monkeypatch.setattr(rules, "BATCH", 2)
        async with runtime.database.tenant(practice) as session:
            for _ in range(5):
                make_old_things(session, 100)
        assert await clean_practice(runtime.database, practice) == 7 * 5  # all but the changes of address

    async def test_has_one_row_that_comes_again_every_day(self, runtime: Runtime) -> None:
        practices = [await make_practice(runtime) for _ in range(4)]
        hours = set()
        for practice in practices:
            (row,) = [row for row in await queued(runtime, practice) if row.topic == HOUSEKEEPING]
            assert clock.now() - timedelta(minutes=1) <= row.run_at <= clock.now() + timedelta(days=1)
            hours.add(row.run_at)
        assert len(hours) == 4  # spread over the day
        async with runtime.database.tenant(practices[0]) as session:
            make_old_things(session, 500)
        with clock.at(clock.now() + timedelta(days=1, minutes=1)):
            await run_due_events(runtime, practices[0], rounds=1)
            (row,) = [row for row in await queued(runtime, practices[0]) if row.topic == HOUSEKEEPING]
            assert row.parked_at is None
            assert row.failures == 0
            assert timedelta(hours=23) < row.run_at - clock.now() <= timedelta(days=1)
        left = await counts(runtime, practices[0])
        assert left["sign_ins"] == left["refresh_tokens"] == left["idempotency_keys"] == 0

    async def test_is_cleaned_apart_from_others(
        self, runtime: Runtime, practice: TenantContext, other_practice: TenantContext
    ) -> None:
        for one in (practice, other_practice):
            async with runtime.database.tenant(one) as session:
                make_old_things(session, 500)
        await clean_practice(runtime.database, practice)
        assert (await counts(runtime, other_practice))["sign_ins"] == 1


async def test_the_platform_throws_away_what_went_to_a_provider_and_never_came_back(fresh_runtime: Runtime) -> None:
    now = clock.now()
    async with fresh_runtime.database.platform() as session:
        for days in (0, 3):
            session.add(
                OAuthFlow(
                    id=new_id(), provider="google", tenant_key="t_abcdefghij", hostname="x.localhost", return_to="/",
                    locale="es", verifier=b"", nonce="", browser_hash="", created_at=now,
                    expires_at=now - timedelta(days=days),
                )
            )  # fmt: skip
    assert await clean_platform(fresh_runtime.database) == 1
    assert await clean_platform(fresh_runtime.database) == 0
