"""Own keys and PayPal: tried, sealed, registered for events, changed, left."""

import secrets
from datetime import timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import update

from billing.accounts.models import PaymentAccount
from billing.accounts.service import load_access
from tests.support.mails import mails_of
from tests.support.payment_accounts import API, PUBLISHABLE, Counter
from tests.support.practices import make_practice, make_staff_member
from tests.support.problems import assert_problem
from todoenbalance.cli.sealed import reseal
from todoenbalance.kit import clock
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import Environment, Settings


class TestOwnKeys:
    async def test_they_are_tried_sealed_and_registered_for_events(self, counter: Counter) -> None:
        account_ref, key = counter.own_account()
        answer = await counter.put_keys(key)
        assert answer.status_code == 200, answer.text
        seen = answer.json()["account"]
        assert (seen["status"], seen["kind"], seen["account_ref"]) == ("active", "own_keys", account_ref)
        assert (seen["is_usable"], seen["has_webhook"], seen["reason"]) == (True, True, None)
        row = await counter.present("stripe")
        assert key not in f"{row.credentials} {row.webhook_secret}"
        access = await load_access(counter.runtime, counter.practice, "stripe")
        assert access.credentials == {"secret_key": key}
        (endpoint,) = counter.stripe.objects("webhook_endpoint", account_ref)
        assert endpoint["url"] == f"http://localhost:8000/webhooks/stripe/{counter.practice.key}"
        assert access.webhook_secret is not None
        assert await counter.audit() == ["payment_account.credentials_entered"]
        assert "stripe" in await counter.methods()

    @pytest.mark.parametrize(
        ("secret_key", "publishable_key", "field", "kind"),
        [
            ("pk_test_1234abcd", PUBLISHABLE, "secret_key", "secret_key_is_publishable"),
            ("whsec_1234abcd", PUBLISHABLE, "secret_key", "secret_key_malformed"),
            ("sk_test_1234abcd", "sk_test_1234abcd", "publishable_key", "publishable_key_is_secret"),
            ("sk_test_1234abcd", "pk_live_1234abcd", "publishable_key", "keys_of_two_modes"),
            ("rk_live_1234abcd", PUBLISHABLE, "publishable_key", "keys_of_two_modes"),
            ("sk_test_nobodys1", PUBLISHABLE, "secret_key", "credentials_refused"),
            ("sk_test_platform", PUBLISHABLE, "secret_key", "credentials_of_the_platform"),
        ],
    )
    async def test_keys_of_the_wrong_kind_are_refused_with_the_field(
        self, counter: Counter, secret_key: str, publishable_key: str, field: str, kind: str
    ) -> None:
        answer = await counter.put_keys(secret_key, publishable_key)
        assert_problem(answer, 422, "validation_error")
        (error,) = answer.json()["errors"]
        assert (error["loc"], error["type"]) == (["body", field], kind)
        assert secret_key not in answer.text
        assert await counter.accounts("stripe") == []

    async def test_a_new_key_of_the_same_account_takes_the_old_ones_place(self, counter: Counter) -> None:
        account_ref, key = counter.own_account()
        await counter.put_keys(key)
        rolled = counter.stripe.roll_key(key)
        await counter.check("stripe")
        broken = await counter.present("stripe")
        assert (broken.status, broken.problem) == ("restricted", "credentials_refused")
        assert "stripe" not in await counter.methods()
        await counter.check("stripe")
        await counter.run()
        told = [
            m for m in await mails_of(counter.runtime, counter.practice, counter.owner.email) if "Stripe" in m.subject
        ]
        assert len(told) == 1
        assert (await counter.put_keys(rolled)).json()["account"]["status"] == "active"
        assert len(await counter.accounts("stripe")) == 1
        assert len(counter.stripe.objects("webhook_endpoint", account_ref)) == 1
        assert "stripe" in await counter.methods()

    async def test_another_account_or_mode_wants_a_disconnection_first(self, counter: Counter) -> None:
        await counter.put_keys(counter.own_account()[1])
        second = await counter.put_keys(counter.own_account()[1])
        assert_problem(second, 409, "another_account_connected")
        assert_problem(await counter.api.post(f"{API}/stripe/connect"), 409, "another_account_connected")

    async def test_an_account_of_another_practice_is_refused(self, counter: Counter) -> None:

        from billing.accounts.authors import Author
        from billing.accounts.errors import AccountTakenError
        from billing.accounts.own_keys import connect_own_keys

        _, key = counter.own_account()
        await counter.put_keys(key)
        other = await make_practice(counter.runtime)
        staff = await make_staff_member(counter.runtime, other)
        with pytest.raises(AccountTakenError):
            await connect_own_keys(
                counter.runtime, other, Author(staff.id), secret_key=key, publishable_key=PUBLISHABLE
            )

    async def test_a_provider_that_falls_silent_after_the_trial_is_gone_on_with_by_the_queue(
        self, counter: Counter
    ) -> None:
        account_ref, key = counter.own_account()
        counter.stripe.faults.lose_answer("/v1/webhook_endpoints", method="POST", times=3)
        assert (await counter.put_keys(key)).json()["account"]["status"] == "pending"
        with clock.at(clock.now() + timedelta(hours=2)):
            await counter.run()
            row = await counter.present("stripe")
            assert (row.status, row.problem) == ("active", None)
        with clock.at(clock.now() + timedelta(hours=30)):
            await counter.run()
        (left,) = counter.stripe.objects("webhook_endpoint", account_ref)
        assert left["id"] == (await counter.present("stripe")).webhook_ref

    async def test_where_no_address_is_taken_payments_are_found_by_asking_and_it_is_said(
        self, counter: Counter
    ) -> None:
        _, key = counter.own_account()
        counter.stripe.faults.answer(400, "/v1/webhook_endpoints", method="POST")
        seen = (await counter.put_keys(key)).json()["account"]
        assert (seen["status"], seen["problem"], seen["is_usable"]) == ("active", "webhook_missing", True)
        assert (await counter.check("stripe"))["problem"] is None


class TestPayPal:
    async def test_credentials_are_tried_at_the_right_host_and_a_webhook_is_made(self, counter: Counter) -> None:
        counter.paypal.add_app(counter.client_id)
        answer = await counter.put_paypal()
        assert answer.status_code == 200, answer.text
        seen = answer.json()["account"]
        assert (seen["status"], seen["account_ref"], seen["has_webhook"]) == ("active", counter.client_id, True)
        (webhook,) = counter.webhooks_at_paypal()
        assert webhook["url"] == f"http://localhost:8000/webhooks/paypal/{counter.practice.key}"
        assert (await counter.present("paypal")).webhook_ref == webhook["id"]
        assert "paypal" in await counter.methods()

    async def test_wrong_credentials_are_refused_and_nothing_is_kept(self, counter: Counter) -> None:
        counter.paypal.add_app(counter.client_id)
        answer = await counter.put_paypal(client_secret="wrong-one")
        assert_problem(answer, 422, "validation_error")
        assert answer.json()["errors"][0]["loc"] == ["body", "client_secret"]
        assert "wrong-one" not in answer.text
        assert await counter.accounts("paypal") == []

    async def test_credentials_that_stop_working_take_paypal_off_the_list_and_back(self, counter: Counter) -> None:
        counter.paypal.add_app(counter.client_id)
        await counter.put_paypal()
        counter.paypal.withdraw(counter.client_id)
        seen = await counter.check("paypal")
        assert (seen["status"], seen["problem"], seen["next_step"]) == (
            "restricted", "credentials_refused", "enter_credentials",
        )  # fmt: skip
        assert "paypal" not in await counter.methods()

    async def test_a_change_of_slug_leaves_the_address_as_it_is(self, counter: Counter) -> None:
        from tenants.registry.models import Tenant

        counter.paypal.add_app(counter.client_id)
        await counter.put_paypal()
        async with counter.runtime.database.platform() as session:
            slug = f"n{secrets.token_hex(5)}"
            await session.execute(update(Tenant).where(Tenant.key == counter.practice.key).values(slug=slug))
        with clock.at(clock.now() + timedelta(days=1)):
            await counter.run()
        (webhook,) = counter.webhooks_at_paypal()
        assert webhook["url"].endswith(f"/webhooks/paypal/{counter.practice.key}")


class TestSecrets:
    async def test_a_rotation_of_keys_covers_them(self, counter: Counter, settings: Settings) -> None:
        _, key = counter.own_account()
        await counter.put_keys(key)
        old, new = settings.secret_keys.get_secret_value(), f"new:{secrets.token_urlsafe(32)}"
        providers = {"providers": counter.runtime.settings.providers}
        changed = Runtime.from_settings(
            settings.model_copy(update={"secret_keys": SecretStr(f"{new},{old}"), **providers})
        )
        only_new = Runtime.from_settings(settings.model_copy(update={"secret_keys": SecretStr(new), **providers}))
        try:
            assert (await reseal(changed)).renewed >= 2
            access = await load_access(only_new, counter.practice, "stripe")
            assert access.credentials == {"secret_key": key}
            assert access.webhook_secret
            await reseal(counter.runtime)
        finally:
            await changed.close()
            await only_new.close()

    async def test_a_test_account_in_production_is_seen_and_not_usable(self, counter: Counter) -> None:
        from billing.accounts.overview import get_account_view

        await counter.put_keys(counter.own_account()[1])
        strict = counter.runtime.settings.model_copy(update={"environment": Environment.PRODUCTION})
        async with counter.runtime.database.tenant(counter.practice) as session:
            view = await get_account_view(session, strict, "stripe", "es")
        assert view.account is not None
        assert (view.account.is_usable, view.account.status) == (False, "active")
        assert "modo de pruebas" in str(view.account.reason)

    async def test_secrets_that_no_key_opens_are_said_to_be_so(self, counter: Counter) -> None:
        await counter.put_keys(counter.own_account()[1])
        async with counter.runtime.database.tenant(counter.practice) as session:
            await session.execute(update(PaymentAccount).values(credentials="gone:AAAA"))
        assert (await counter.check("stripe"))["problem"] == "secrets_unreadable"
