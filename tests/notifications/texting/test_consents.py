"""Agreeing to text messages by API and by page, the code, STOP, reports of the gateway, and what an account leaves."""

import asyncio
import json
import re
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest

from notifications.catalogue import Channel
from notifications.rules import TOO_MANY_LATELY
from notifications.texting.consents import (
    CODE_LIFETIME,
    STOP_HOLDS,
    TEXT_CODE,
    codes_of,
    confirm_consent,
    give_consent,
    withdraw_consent,
)
from notifications.texting.errors import WrongTextCodeError
from notifications.texting.models import GivenBy, TextStatus, WithdrawnBy
from notifications.texting.signatures import sign
from tenants.privacy.erasure import erase_client
from tests.conftest import HttpFactory
from tests.notifications.texting.conftest import NUMBER, PHONE
from tests.notifications.texting.helpers import agree, consents_of, set_phone, texts_of
from tests.support.blocked import until_blocked
from tests.support.events import run_due_events
from tests.support.pages import HTML, assert_sober, submit
from tests.support.pages import sign_in as sign_in_at
from tests.support.practices import PASSWORD, SignedIn, make_client, make_staff_member
from tests.support.problems import assert_problem
from tests.support.providers.text_gateway import TextGateway
from todoenbalance.app import Surfaces, create_app
from todoenbalance.kit import clock
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext
from todoenbalance.kit.text_settings import TextSettings
from todoenbalance.subscriptions import register_personal_data_sources

API = "/api/v1/users/me/text-consents"
SETTINGS = "/api/v1/admin/settings/texts"
SMS = {"channel": "sms"}


@pytest.fixture
def api(http: HttpFactory, texting: TenantContext, client: SignedIn) -> httpx.AsyncClient:
    return http(texting, headers=client.headers)


def code_in(gateway: TextGateway) -> str:
    """Of the message that came last."""
    found = re.search(r"\b[0-9]{6}\b", gateway.texts[-1])
    assert found is not None
    return found[0]


def other_code(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06}"


class TestByApi:
    async def test_it_counts_once_the_code_came_back_and_is_kept_with_its_words(
        self, runtime: Runtime, texting: TenantContext, client: SignedIn, api: httpx.AsyncClient, gateway: TextGateway
    ) -> None:
        [shown] = (await api.get(API)).json()["items"]
        assert (shown["state"], shown["number"], shown["given_at"]) == ("off", NUMBER, None)
        assert texting.name in shown["sentence"]
        assert NUMBER in shown["sentence"]
        answer = await api.post(API, json=SMS)
        assert answer.status_code == 202
        assert answer.json()["items"][0]["state"] == "waiting"
        await run_due_events(runtime, texting)
        code = code_in(gateway)
        assert gateway.texts == [f"{texting.name}: tu código es {code}. Caduca en 15 minutos."]
        assert_problem(await api.post(f"{API}/sms/confirm", json={"code": other_code(code)}), 422, "wrong_code")
        confirmed = await api.post(f"{API}/sms/confirm", json={"code": code})
        assert confirmed.json()["items"][0]["state"] == "on"
        [row] = await consents_of(runtime, texting, client.id)
        assert (row.sentence, row.locale, row.given_by, row.number) == (shown["sentence"], "es", "api", NUMBER)
        assert row.tries == 1
        # Agreeing again changes nothing and sends nothing.
        assert (await api.post(API, json=SMS)).json()["items"][0]["state"] == "on"
        await run_due_events(runtime, texting)
        assert len(gateway.messages) == 1
        for _ in range(2):
            assert (await api.delete(f"{API}/sms")).status_code == 204
        [row] = await consents_of(runtime, texting, client.id)
        assert row.withdrawn_by == "client"
        assert (await api.get(API)).json()["items"][0]["state"] == "off"

    async def test_five_wrong_codes_or_a_quarter_of_an_hour_end_it(
        self, runtime: Runtime, texting: TenantContext, client: SignedIn, api: httpx.AsyncClient, gateway: TextGateway
    ) -> None:
        await api.post(API, json=SMS)
        await run_due_events(runtime, texting)
        code = code_in(gateway)
        for _ in range(5):
            assert (await api.post(f"{API}/sms/confirm", json={"code": other_code(code)})).status_code == 422
        assert_problem(await api.post(f"{API}/sms/confirm", json={"code": code}), 422, "wrong_code")
        await api.post(API, json=SMS)
        await run_due_events(runtime, texting)
        assert code_in(gateway) != code
        [row] = await consents_of(runtime, texting, client.id)
        for seconds, is_in_time in ((1, False), (-1, True)):
            moment = row.given_at + CODE_LIFETIME + timedelta(seconds=seconds)
            with clock.at(moment):
                async with runtime.database.tenant(texting) as session:
                    confirming = confirm_consent(session, runtime, client.id, Channel.SMS, code_in(gateway))
                    if is_in_time:
                        await confirming
                    else:
                        with pytest.raises(WrongTextCodeError):
                            await confirming
        for wrong in ("", "12345", "1234567", "abcdef", "１２３４５６"):
            assert (await api.post(f"{API}/sms/confirm", json={"code": wrong})).status_code == 422

    async def test_one_numbers_owner_is_left_alone_whoever_asks(
        self, runtime: Runtime, texting: TenantContext, http: HttpFactory, gateway: TextGateway
    ) -> None:
        for _ in range(4):
            stranger = await make_client(runtime, texting, phone=PHONE)
            assert (await http(texting, headers=stranger.headers).post(API, json=SMS)).status_code == 202
        await run_due_events(runtime, texting)
        assert len(gateway.messages) == 3
        assert [row.failure for row in await texts_of(runtime, texting, TEXT_CODE)].count(TOO_MANY_LATELY) == 1

    async def test_a_code_that_was_not_sent_is_nobodys_to_guess(
        self, runtime: Runtime, texting: TenantContext, client: SignedIn, api: httpx.AsyncClient
    ) -> None:
        await api.post(API, json=SMS)
        [row] = await consents_of(runtime, texting, client.id)
        async with runtime.database.tenant(texting) as session:
            code = codes_of(runtime.signer, session, row)[0]
        assert_problem(await api.post(f"{API}/sms/confirm", json={"code": code}), 422, "wrong_code")
        await run_due_events(runtime, texting)
        assert (await api.post(f"{API}/sms/confirm", json={"code": code})).json()["items"][0]["state"] == "on"

    @pytest.mark.parametrize("phone", [None, "611 222 333", "+34 911 222 333", "+1 900 555 0100", "0034611222333"])
    async def test_a_number_that_is_not_written_to(
        self, phone: str | None, runtime: Runtime, texting: TenantContext, client: SignedIn, api: httpx.AsyncClient
    ) -> None:
        await set_phone(runtime, texting, client, phone)
        assert_problem(await api.post(API, json=SMS), 422, "number_not_usable")
        assert (await api.get(API)).json()["items"][0]["number"] is None

    async def test_another_number_needs_another_consent(
        self, runtime: Runtime, texting: TenantContext, client: SignedIn, api: httpx.AsyncClient
    ) -> None:
        await agree(runtime, texting, client)
        changed = await api.patch("/api/v1/users/me", json={"phone": "+34 699 999 999"})
        assert changed.status_code == 200
        assert (await api.get(API)).json()["items"][0]["state"] == "off"
        await agree(runtime, texting, client)
        first, second = await consents_of(runtime, texting, client.id)
        assert (first.number, first.withdrawn_by) == (NUMBER, "renewed")
        assert (second.number, second.withdrawn_by) == ("+34699999999", None)

    async def test_nobody_elses_code_confirms(
        self, runtime: Runtime, texting: TenantContext, client: SignedIn, api: httpx.AsyncClient, http: HttpFactory
    ) -> None:
        other = await make_client(runtime, texting, phone="+34 622 222 222")
        await api.post(API, json=SMS)
        await http(texting, headers=other.headers).post(API, json=SMS)
        [theirs] = await consents_of(runtime, texting, other.id)
        async with runtime.database.tenant(texting) as session:
            code = codes_of(runtime.signer, session, theirs)[0]
        assert (await api.post(f"{API}/sms/confirm", json={"code": code})).status_code == 422
        assert (await api.post(f"{API}/whatsapp/confirm", json={"code": code})).status_code == 422
        assert (await api.post(API, json={"channel": "whatsapp"})).status_code == 404  # not the operator's


class TestRaces:
    async def test_one_that_is_confirmed_while_it_is_withdrawn_is_kept_with_both(
        self, runtime: Runtime, texting: TenantContext, client: SignedIn, gateway: TextGateway
    ) -> None:
        async with runtime.database.tenant(texting) as session:
            await give_consent(session, runtime, client.id, Channel.SMS, GivenBy.PAGE, "es")
        await run_due_events(runtime, texting)

        async def withdraw() -> bool:
            async with runtime.database.tenant(texting) as session:
                return await withdraw_consent(session, client.id, Channel.SMS, WithdrawnBy.STAFF)

        async with runtime.database.tenant(texting) as session:
            await confirm_consent(session, runtime, client.id, Channel.SMS, code_in(gateway))
            await session.flush()
            withdrawing = asyncio.create_task(withdraw())
            await until_blocked(session)
        assert await withdrawing
        [row] = await consents_of(runtime, texting, client.id)
        assert (row.confirmed_at is not None, row.withdrawn_by) == (True, "staff")


class TestNothingIsSeen:
    @pytest.fixture
    async def plain(self, runtime: Runtime, surfaces: Surfaces) -> httpx.ASGITransport:
        """The same deployment without a gateway."""
        off = replace(runtime, settings=runtime.settings.model_copy(update={"texts": TextSettings()}))
        return httpx.ASGITransport(create_app(off, surfaces), raise_app_exceptions=False)

    async def test_without_a_gateway(
        self, runtime: Runtime, texting: TenantContext, client: SignedIn, plain: httpx.ASGITransport
    ) -> None:
        owner = await make_staff_member(runtime, texting)
        base = f"http://{texting.slug}.localhost:8000"
        async with httpx.AsyncClient(transport=plain, base_url=base, headers=client.headers) as api:
            assert (await api.get(API)).status_code == 404
            assert (await api.post(API, json=SMS)).status_code == 404
            assert (await api.get(SETTINGS, headers=owner.headers)).status_code == 404
            wish = {"is_on": True, "limit": 5}
            assert (await api.put(SETTINGS, json=wish, headers=owner.headers)).status_code == 404
        async with httpx.AsyncClient(transport=plain, base_url=base, headers=HTML) as browser:
            await sign_in_at(browser, "/sign-in", client.email, PASSWORD)
            page = await browser.get("/account/mails")
            assert "mensaje de texto" not in page.text
        async with httpx.AsyncClient(transport=plain, base_url=base, headers=HTML) as browser:
            await sign_in_at(browser, "/admin/sign-in", owner.email, PASSWORD)
            assert "/admin/texts" not in (await browser.get("/admin/settings")).text
            assert (await browser.get("/admin/texts")).status_code == 404

    async def test_where_the_practice_does_not_want_them(
        self, runtime: Runtime, practice: TenantContext, http: HttpFactory
    ) -> None:
        client = await make_client(runtime, practice, phone=PHONE)
        api = http(practice, headers=client.headers)
        assert (await api.get(API)).status_code == 404
        assert (await api.post(API, json=SMS)).status_code == 404
        assert (await api.delete(f"{API}/sms")).status_code == 204  # what was given is withdrawn all the same


class TestPages:
    async def test_a_client_agrees_confirms_and_withdraws(
        self, runtime: Runtime, texting: TenantContext, http: HttpFactory, client: SignedIn, gateway: TextGateway
    ) -> None:
        browser = http(texting, headers=HTML)
        await sign_in_at(browser, "/sign-in", client.email, PASSWORD)
        action = "/account/mails/texts"
        page = await browser.get("/account/mails")
        assert_sober(page)
        assert f"al {NUMBER}" in page.text
        assert (await submit(browser, page, action, do="give")).status_code == 303
        await run_due_events(runtime, texting)
        waiting = await browser.get("/account/mails")
        assert_sober(waiting)
        wrong = await submit(browser, waiting, action, do="confirm", code=other_code(code_in(gateway)))
        assert wrong.status_code == 422
        assert "no es el código" in wrong.text
        assert (await submit(browser, wrong, action, do="confirm", code=code_in(gateway))).status_code == 303
        [row] = await consents_of(runtime, texting, client.id)
        assert (row.given_by, row.tries, row.confirmed_at is not None) == ("page", 1, True)
        agreed = await browser.get("/account/mails")
        assert row.sentence in agreed.text.replace("&#39;", "'")
        assert (await submit(browser, agreed, action, do="withdraw")).status_code == 303
        assert (await consents_of(runtime, texting, client.id))[0].withdrawn_by == "client"
        for odd in ({"do": "dance"}, {"do": "give", "channel": "pigeon"}):
            assert (await submit(browser, agreed, action, **odd)).status_code == 404
        await set_phone(runtime, texting, client, None)
        assert "prefijo de país" in (await browser.get("/account/mails")).text
        refused = await submit(browser, page, action, do="give")
        assert refused.status_code == 422

    async def test_an_owner_switches_them_on_by_page_and_by_api(
        self, runtime: Runtime, practice: TenantContext, http: HttpFactory
    ) -> None:
        owner = await make_staff_member(runtime, practice)
        browser, api = http(practice, headers=HTML), http(practice, headers=owner.headers)
        await sign_in_at(browser, "/admin/sign-in", owner.email, PASSWORD)
        assert "/admin/texts" in (await browser.get("/admin/settings")).text
        page = await browser.get("/admin/texts")
        assert_sober(page)
        assert (await submit(browser, page, "/admin/texts", is_on="yes", limit="many")).status_code == 422
        assert (await submit(browser, page, "/admin/texts", is_on="yes", limit="40")).status_code == 303
        assert (await api.get(SETTINGS)).json() == {"is_on": True, "limit": 40, "most": 500, "used": 0}
        changed = await api.put(SETTINGS, json={"is_on": True, "limit": 9000})
        assert (changed.status_code, changed.json()["limit"]) == (200, 500)  # the operator's limit holds
        assert (await api.put(SETTINGS, json={"is_on": True, "limit": -1})).status_code == 422


class TestReports:
    @pytest.fixture
    async def sent(self, runtime: Runtime, texting: TenantContext, api: httpx.AsyncClient, gateway: TextGateway) -> str:
        """A message that went out: a code, which is then confirmed."""
        await api.post(API, json=SMS)
        await run_due_events(runtime, texting)
        await api.post(f"{API}/sms/confirm", json={"code": code_in(gateway)})
        return next(iter(gateway.messages))

    async def test_what_became_of_it_in_any_order(
        self, runtime: Runtime, texting: TenantContext, http: HttpFactory, gateway: TextGateway, sent: str
    ) -> None:
        path = httpx.URL(gateway.messages[sent].body["status_url"]).path
        seen = []
        for status in ("failed", "delivered", "delivered", "failed"):
            body, headers = gateway.report(sent, status)
            assert (await http().post(path, content=body, headers=headers)).status_code == 200
            [log] = await texts_of(runtime, texting, TEXT_CODE)
            seen.append(log.delivery)
        assert seen == ["failed", "delivered", "delivered", "delivered"]
        assert log.status == TextStatus.SENT

    async def test_stop_ends_the_consent_and_a_newer_one_stays(
        self,
        runtime: Runtime,
        texting: TenantContext,
        http: HttpFactory,
        client: SignedIn,
        gateway: TextGateway,
        sent: str,
    ) -> None:
        path = f"/webhooks/texts/{texting.key}"
        body, headers = gateway.report(sent, "stopped")
        with clock.at(clock.now() + timedelta(minutes=2)):
            await agree(runtime, texting, client, Channel.SMS)  # counts already: nothing changes
            assert (await http().post(path, content=body, headers=headers)).status_code == 200
            [row] = await consents_of(runtime, texting, client.id)
            assert row.withdrawn_by == "reply"
            await agree(runtime, texting, client, Channel.SMS)
            assert (await http().post(path, content=body, headers=headers)).status_code == 200  # a replay
        assert [one.withdrawn_by for one in await consents_of(runtime, texting, client.id)] == ["reply", None]

    async def test_a_number_that_said_stop_hears_nothing_of_strangers_for_a_while(
        self, runtime: Runtime, texting: TenantContext, http: HttpFactory, api: httpx.AsyncClient, gateway: TextGateway
    ) -> None:
        await api.post(API, json=SMS)
        await run_due_events(runtime, texting)
        await api.delete(f"{API}/sms")  # before the answer comes: no consent is left that it could end
        [asked] = gateway.messages
        body, headers = gateway.report(asked, "stopped")
        assert (await http().post(f"/webhooks/texts/{texting.key}", content=body, headers=headers)).status_code == 200
        other = await make_client(runtime, texting, phone=PHONE)
        for there in (api, http(texting, headers=other.headers)):
            assert_problem(await there.post(API, json=SMS), 409, "number_said_stop")
        await run_due_events(runtime, texting)
        assert len(gateway.messages) == 1
        async with runtime.database.tenant(texting) as session:
            with clock.at(clock.now() + STOP_HOLDS):
                await give_consent(session, runtime, other.id, Channel.SMS, GivenBy.API, "es")

    async def test_what_is_not_signed_or_not_ours_does_nothing(
        self, runtime: Runtime, texting: TenantContext, other_practice: TenantContext, http: HttpFactory,
        gateway: TextGateway, sent: str,
    ) -> None:  # fmt: skip
        path = f"/webhooks/texts/{texting.key}"
        body, headers = gateway.report(sent, "failed")
        other_key = gateway.report(sent, "failed", key=b"x" * 32)
        old = body, sign(gateway.key, "r", body, clock.now() - timedelta(minutes=6))
        odd = json.dumps({"id": sent, "status": "read"}).encode()
        no_json = b"[" * 5000
        for one, named in (
            (body, {}),
            (body + b" ", headers),
            (body, headers | {"webhook-id": "another"}),
            (body, headers | {"webhook-signature": "v1,é"}),
            (body, headers | {"webhook-timestamp": "0"}),
            other_key,
            old,
            (odd, sign(gateway.key, "r", odd, clock.now())),
            (no_json, sign(gateway.key, "r", no_json, clock.now())),
        ):
            encoded = [(name.encode(), value.encode()) for name, value in named.items()]
            assert (await http().post(path, content=one, headers=encoded)).status_code == 400
        assert (await http().post(path, content=b"x" * 10_001, headers=headers)).status_code == 413
        assert (await http().post("/webhooks/texts/nobody", content=body, headers=headers)).status_code == 404
        elsewhere = f"/webhooks/texts/{other_practice.key}"
        assert (await http().post(elsewhere, content=body, headers=headers)).status_code == 200  # not known there
        assert (await http(texting).post(path, content=body, headers=headers)).status_code == 404  # a practice's host
        [log] = await texts_of(runtime, texting, TEXT_CODE)
        assert log.delivery is None


async def test_export_has_all_of_it_and_erasure_leaves_no_number(
    runtime: Runtime, texting: TenantContext, client: SignedIn, api: httpx.AsyncClient, gateway: TextGateway
) -> None:
    register_personal_data_sources()
    await api.post(API, json=SMS)
    await run_due_events(runtime, texting)
    await api.post(f"{API}/sms/confirm", json={"code": code_in(gateway)})
    exported = (await api.get("/api/v1/users/me/export")).json()["data"]["texts"]
    assert [(one["number"], one["kind"], one["status"]) for one in exported["texts"]] == [(NUMBER, TEXT_CODE, "sent")]
    assert [(one["channel"], one["number"]) for one in exported["text_consents"]] == [("sms", NUMBER)]
    async with runtime.database.tenant(texting) as session:
        await erase_client(session, runtime.vault, client.id, requested_by="client")
    assert await consents_of(runtime, texting, client.id) == []
    [log] = await texts_of(runtime, texting, TEXT_CODE)
    assert (log.number, log.provider_ref, log.status) == ("", None, "sent")
