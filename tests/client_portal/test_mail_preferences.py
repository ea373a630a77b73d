"""Which mails one gets: by the link of a mail, by the button of a mail program, in one's account, by the API."""

import httpx
import pytest
from sqlalchemy import select

from notifications.catalogue import Topic
from notifications.preferences.links import make_token
from notifications.preferences.models import MailPreference
from notifications.preferences.service import Account
from tenants.accounts.models import AccountKind, Client, StaffRole
from tenants.privacy.erasure import erase_client
from tenants.privacy.port import personal_data_sources
from tests.conftest import HttpFactory
from tests.support.pages import HTML, assert_sober, form_of, submit
from tests.support.pages import sign_in as sign_in_at
from tests.support.practices import PASSWORD, SignedIn, make_client, make_staff_member
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

ONE_CLICK = {"List-Unsubscribe": "One-Click"}
API = "/api/v1/users/me/mail-preferences"


@pytest.fixture
async def account(runtime: Runtime, practice: TenantContext) -> SignedIn:
    """A client who reads English."""
    return await make_client(runtime, practice, email="carla.perez@example.com", locale="en")


def link(runtime: Runtime, practice: TenantContext, account: SignedIn, kind: AccountKind = AccountKind.CLIENT) -> str:
    topic = Topic.REMINDERS if kind is AccountKind.CLIENT else Topic.BOOKINGS
    return f"/mail-preferences/{make_token(runtime.signer, practice, Account(kind, account.id), topic)}"


async def choices(runtime: Runtime, practice: TenantContext) -> dict[str, tuple[bool, str]]:
    """Topics, whether they are on, and by which way they were changed."""
    async with runtime.database.tenant(practice) as session:
        rows = (await session.scalars(select(MailPreference))).all()
        return {row.topic: (row.is_on, row.changed_by) for row in rows}


class TestOneClick:
    @pytest.mark.parametrize("encoding", ["urlencoded", "multipart"])
    async def test_a_mail_programs_post_switches_the_topic_off_once_and_for_all(
        self, runtime: Runtime, practice: TenantContext, http: HttpFactory, account: SignedIn, encoding: str
    ) -> None:
        path = link(runtime, practice, account)
        for _ in range(2):
            robot = http(practice, headers={"Origin": "https://mail.example", "Sec-Fetch-Site": "cross-site"})
            if encoding == "multipart":
                answer = await robot.post(path, files={"List-Unsubscribe": (None, "One-Click")})
            else:
                answer = await robot.post(path, data=ONE_CLICK)
            assert answer.status_code == 200
            assert "set-cookie" not in answer.headers
            assert await choices(runtime, practice) == {"reminders": (False, "one_click")}

    async def test_reading_changes_nothing_and_neither_does_any_other_post(
        self, runtime: Runtime, practice: TenantContext, http: HttpFactory, account: SignedIn
    ) -> None:
        path = link(runtime, practice, account)
        browser = http(practice, headers=HTML)
        for method in ("GET", "HEAD", "OPTIONS", "GET"):
            assert (await browser.request(method, path)).status_code in (200, 405)
        for body in ({}, {"List-Unsubscribe": "Two-Clicks"}, {"other": "One-Click"}):
            answer = await http(practice).post(path, data=body)
            assert answer.status_code == 422
            assert answer.headers["content-type"] == "application/problem+json"
        assert (await browser.post(f"{path}/choices", data={"shown": "reminders"})).status_code == 403
        assert await choices(runtime, practice) == {}

    async def test_a_token_is_of_no_use_elsewhere_changed_or_for_nobody(
        self,
        runtime: Runtime,
        practice: TenantContext,
        other_practice: TenantContext,
        http: HttpFactory,
        account: SignedIn,
    ) -> None:
        path = link(runtime, practice, account)
        head, _, digest = path.rpartition(".")
        other = await make_client(runtime, practice)
        swapped = f"{link(runtime, practice, other).rpartition('.')[0]}.{digest}"
        wrong = [
            (other_practice, path),
            (practice, swapped),
            (practice, f"{head.replace('reminders', 'packages')}.{digest}"),
            (practice, f"{head}.{digest[:-1]}"),
            (practice, f"{head}."),
            (practice, "/mail-preferences/%00"),
            (practice, "/mail-preferences/é.é"),
            (practice, "/mail-preferences/" + "x" * 3000),
        ]
        async with runtime.database.tenant(practice) as session:
            (await session.get_one(Client, other.id)).is_active = False
        wrong.append((practice, link(runtime, practice, other)))
        for tenant, address in wrong:
            assert (await http(tenant).post(address, data=ONE_CLICK)).status_code == 404, address
            assert (await http(tenant, headers=HTML).get(address)).status_code == 404, address
        assert await choices(runtime, practice) == await choices(runtime, other_practice) == {}


class TestPageOfALink:
    async def test_it_shows_little_and_keeps_what_is_chosen(
        self, runtime: Runtime, practice: TenantContext, http: HttpFactory, account: SignedIn
    ) -> None:
        path = link(runtime, practice, account)
        browser = http(practice, headers=HTML | {"Accept-Language": "es"})
        page = await browser.get(path)
        assert_sober(page)
        assert "Which mails I get" in page.text  # in the language of the account
        assert "Carla" in page.text
        assert "c•••@e•••.com" in page.text
        for secret in (account.email, "Cliente", str(account.id)):
            assert secret not in page.text
        assert page.headers["referrer-policy"] == "no-referrer"
        assert page.headers["x-robots-tag"] == "noindex"
        shown = form_of(page, "/choices").data
        assert shown["topics"] == shown["shown"] == ["reminders", "follow_ups", "waitlist", "packages"]
        answer = await submit(browser, page, "/choices", topics=["waitlist"])
        assert answer.status_code == 303
        assert answer.headers["location"] == f"{path}?saved=yes"
        again = await browser.get(answer.headers["location"])
        assert "Saved." in again.text
        assert form_of(again, "/choices").data["topics"] == "waitlist"
        assert {topic: one[0] for topic, one in (await choices(runtime, practice)).items()} == {
            "reminders": False, "follow_ups": False, "packages": False, "waitlist": True,
        }  # fmt: skip

    async def test_a_forged_form_names_what_it_likes_and_changes_what_is_ours_to_change(
        self, runtime: Runtime, practice: TenantContext, http: HttpFactory, account: SignedIn
    ) -> None:
        browser = http(practice, headers=HTML)
        page = await browser.get(link(runtime, practice, account))
        answer = await submit(browser, page, "/choices", shown=["security", "bookings", "x", "reminders"], topics=[])
        assert answer.status_code == 303
        assert await choices(runtime, practice) == {"reminders": (False, "page")}


class TestOwnAccount:
    async def test_the_page_and_the_api_say_the_same(
        self, runtime: Runtime, practice: TenantContext, http: HttpFactory, account: SignedIn
    ) -> None:
        browser = http(practice, headers=HTML)
        await sign_in_at(browser, "/sign-in", account.email, PASSWORD)
        assert 'href="/account/mails"' in (await browser.get("/account")).text
        page = await browser.get("/account/mails")
        assert_sober(page)
        await submit(browser, page, "/account/mails", topics=["reminders", "packages"])
        api = http(practice, headers=account.headers | {"Accept-Language": "en"})
        items = (await api.get(API)).json()["items"]
        assert {item["topic"]: item["is_on"] for item in items} == {
            "reminders": True, "follow_ups": False, "waitlist": False, "packages": True,
        }  # fmt: skip
        assert items[0]["name"] == "Reminders"
        assert items[2]["always"] == ["a time is kept for the reader, for a while"]
        changed = await api.put(API, json={"topics": {"waitlist": True, "reminders": False}})
        assert [item["is_on"] for item in changed.json()["items"]] == [False, False, True, True]
        for topics in ({"security": False}, {"nonsense": True}, {"x" * 40: True}, {"reminders": "perhaps"}):
            refused = await api.put(API, json={"topics": topics})
            assert refused.status_code == 422
            assert refused.headers["content-type"] == "application/problem+json"

    async def test_an_export_has_them_and_an_erasure_ends_them(
        self, runtime: Runtime, practice: TenantContext, http: HttpFactory, account: SignedIn
    ) -> None:
        other = await make_client(runtime, practice)
        for one in (account, other):
            await http(practice, headers=one.headers).put(API, json={"topics": {"reminders": False}})
        exported = await http(practice, headers=account.headers).get("/api/v1/users/me/export")
        assert '"topic": "reminders"' in exported.text or '"topic":"reminders"' in exported.text
        assert personal_data_sources()
        async with runtime.database.tenant(practice) as session:
            await erase_client(session, runtime.vault, account.id, requested_by="client")
        async with runtime.database.tenant(practice) as session:
            assert [row.account_id for row in await session.scalars(select(MailPreference))] == [other.id]


class TestStaff:
    async def test_they_switch_off_what_a_client_asks_and_never_on_what_the_client_switched_off(
        self, runtime: Runtime, practice: TenantContext, http: HttpFactory, account: SignedIn
    ) -> None:
        desk = await make_staff_member(runtime, practice, StaffRole.RECEPTION)
        api = http(practice, headers=desk.headers)
        theirs = f"/api/v1/admin/clients/{account.id}/mail-preferences"
        for is_on in (False, True, False):
            assert (await api.put(theirs, json={"topics": {"packages": is_on}})).status_code == 200
        assert await choices(runtime, practice) == {"packages": (False, "staff")}
        # What staff switched off is the client's own choice once the client says so too.
        assert (await api.put(theirs, json={"topics": {"reminders": False}})).status_code == 200
        await http(practice).post(link(runtime, practice, account), data=ONE_CLICK)
        assert (await api.put(theirs, json={"topics": {"reminders": False}})).status_code == 200
        refused = await api.put(theirs, json={"topics": {"packages": True, "reminders": True}})
        assert (refused.status_code, refused.json()["code"]) == (409, "reader_chose")
        assert await choices(runtime, practice) == {"packages": (False, "staff"), "reminders": (False, "one_click")}
        owner = await make_staff_member(runtime, practice)
        trail = (await http(practice, headers=owner.headers).get("/api/v1/admin/audit")).json()["items"]
        details = [row["detail"] for row in trail if row["action"] == "client.mail_preferences"]
        assert details[:3] == [{"reminders": False}, {"reminders": False}, {"packages": False}]
        assert (await api.get(theirs.replace(str(account.id), str(desk.id)))).status_code == 404

    async def test_staff_choose_on_their_page_when_and_what(
        self, runtime: Runtime, practice: TenantContext, http: HttpFactory
    ) -> None:
        staff = await make_staff_member(runtime, practice, StaffRole.PRACTITIONER)
        browser = http(practice, headers=HTML)
        await sign_in_at(browser, "/admin/sign-in", staff.email, PASSWORD)
        assert 'href="/admin/my-mails"' in (await browser.get("/admin")).text
        page = await browser.get("/admin/my-mails")
        assert_sober(page)
        saved = await submit(browser, page, "/admin/my-mails", delivery="daily", digest_at="19:15", topics=[])
        assert saved.status_code == 303
        wrong = await submit(browser, page, "/admin/my-mails", delivery="daily", digest_at="25:99")
        assert wrong.status_code == 422
        api = http(practice, headers=staff.headers)
        own = "/api/v1/admin/auth/mail-preferences"
        known = (await api.get(own)).json()
        assert known["digest_at"] == "19:15:00"
        assert {item["topic"]: item["is_on"] for item in known["items"]} == {"bookings": False}
        body = {"topics": {"bookings": True}, "digest_at": None}
        assert (await api.put(own, json=body)).json()["digest_at"] is None
        assert (await api.put(own, json=body | {"digest_at": "10:00:30"})).status_code == 422
        assert (await api.put(own, json=body | {"topics": {"reminders": False}})).status_code == 422

    async def test_the_page_shows_what_comes_by_role_and_lets_one_choose_it(
        self, runtime: Runtime, practice: TenantContext, http: HttpFactory
    ) -> None:
        own, path = "/api/v1/admin/auth/mail-preferences", "/admin/my-mails"
        seen = {}
        for role in (StaffRole.OWNER, StaffRole.RECEPTION):
            staff = await make_staff_member(runtime, practice, role)
            browser = http(practice, headers=HTML)
            await sign_in_at(browser, "/admin/sign-in", staff.email, PASSWORD)
            page = await browser.get(path)
            assert_sober(page)
            assert "Citas de toda la consulta" in page.text or "Appointments of the whole practice" in page.text
            assert page.text.count(" disabled aria-describedby") == (2 if role is StaffRole.OWNER else 0)
            wanted = ["bookings", "all_bookings", "unreached"]
            assert (await submit(browser, page, path, delivery="at_once", topics=wanted)).status_code == 303
            api = http(practice, headers=staff.headers)
            items = (await api.get(own)).json()["items"]
            seen[role] = {item["topic"] for item in items if item["is_on"]}
            refused = await api.put(own, json={"topics": {"requests": False}, "digest_at": None})
            assert refused.status_code == (422 if role is StaffRole.OWNER else 200)
        assert seen == {
            StaffRole.OWNER: {"bookings", "all_bookings", "unreached", "requests", "money_trouble"},
            StaffRole.RECEPTION: {"bookings", "all_bookings", "unreached"},
        }

    async def test_their_link_works_until_they_are_let_go(
        self, runtime: Runtime, practice: TenantContext, http: HttpFactory
    ) -> None:
        staff = await make_staff_member(runtime, practice, StaffRole.RECEPTION)
        path = link(runtime, practice, staff, AccountKind.STAFF)
        assert (await http(practice).post(path, data=ONE_CLICK)).status_code == 200
        assert await choices(runtime, practice) == {"bookings": (False, "one_click")}
        owner = await make_staff_member(runtime, practice)
        changed = await http(practice, headers=owner.headers).patch(
            f"/api/v1/admin/staff/{staff.id}", json={"is_active": False}
        )
        assert changed.status_code == 200, changed.text
        assert (await http(practice).post(path, data=ONE_CLICK)).status_code == 404
        own = await http(practice, headers=staff.headers).get("/api/v1/admin/auth/mail-preferences")
        assert own.status_code == 401


async def test_quiet_hours_are_a_setting_with_both_ends_or_none(
    runtime: Runtime, practice: TenantContext, http: HttpFactory
) -> None:
    owner = await make_staff_member(runtime, practice)
    api: httpx.AsyncClient = http(practice, headers=owner.headers)
    settings = "/api/v1/admin/settings"
    given = {"quiet_from": "22:00", "quiet_until": "07:30", "daily_mail_limit": 3}
    known = (await api.patch(settings, json=given)).json()
    assert [known[name] for name in given] == ["22:00:00", "07:30:00", 3]
    for wrong in (
        {"quiet_from": None}, {"quiet_until": "22:00"}, {"quiet_from": "22:00:30"}, {"daily_mail_limit": 0},
        {"quiet_from": "22:00Z"},
    ):  # fmt: skip
        assert (await api.patch(settings, json=wrong)).status_code == 422, wrong
    off = (await api.patch(settings, json={"quiet_from": None, "quiet_until": None})).json()
    assert (off["quiet_from"], off["quiet_until"]) == (None, None)
    browser = http(practice, headers=HTML)
    await sign_in_at(browser, "/admin/sign-in", owner.email, PASSWORD)
    page = await browser.get("/admin/settings")
    wanted = {"quiet_from": "20:00", "quiet_until": "09:00", "daily_mail_limit": "4"}
    saved = await submit(browser, page, "/admin/settings", **wanted)
    assert saved.status_code == 303, saved.text
    shown = form_of(await browser.get("/admin/settings"), "/admin/settings").data
    assert {name: shown[name] for name in given} == wanted
    half = await submit(browser, page, "/admin/settings", quiet_from="20:00", quiet_until="")
    assert half.status_code == 422
