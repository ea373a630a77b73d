"""Sign-in of clients and staff over HTTP: the contract, and the ways in that must not be."""

import asyncio
from datetime import timedelta

import pytest

from tenants.accounts.models import StaffRole
from tests.conftest import HttpFactory
from tests.support.events import queued
from tests.support.practices import PASSWORD, make_client, make_staff_member
from tests.support.problems import assert_problem
from todoenbalance.kit import clock
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

REGISTRATION = {
    "email": "Ana@Example.com",
    "password": "una contraseña larga",
    "first_name": "Ana",
    "last_name": "Nueva",
    "accept_privacy": True,
}
USER_FIELDS = {"id", "email", "first_name", "last_name", "phone", "locale", "timezone", "is_verified", "created_at"}


class TestRegister:
    async def test_makes_an_account_that_can_sign_in_at_once(self, http: HttpFactory, practice: TenantContext) -> None:
        client = http(practice)
        answer = await client.post("/api/v1/auth/register", json=REGISTRATION)
        assert answer.status_code == 201
        assert set(answer.json()) == USER_FIELDS
        assert answer.json()["email"] == "ana@example.com"
        assert answer.json()["timezone"] == "Europe/Madrid"
        assert answer.json()["locale"] == "es"
        form = {"username": "ANA@example.com", "password": REGISTRATION["password"]}
        tokens = (await client.post("/api/v1/auth/login", data=form)).json()
        assert set(tokens) == {"access_token", "token_type", "expires_in", "refresh_token"}
        me = await client.get("/api/v1/users/me", headers={"Authorization": f"Bearer {tokens['access_token']}"})
        assert me.json()["id"] == answer.json()["id"]

    async def test_a_taken_address_looks_the_same_and_its_owner_is_told(
        self, http: HttpFactory, practice: TenantContext, runtime: Runtime
    ) -> None:
        client = http(practice)
        first = await client.post("/api/v1/auth/register", json=REGISTRATION)
        again = await client.post("/api/v1/auth/register", json=REGISTRATION | {"password": "otra contraseña larga"})
        assert again.status_code == first.status_code
        assert set(again.json()) == set(first.json())
        assert again.json()["id"] != first.json()["id"]
        form = {"username": REGISTRATION["email"], "password": "otra contraseña larga"}
        assert_problem(await client.post("/api/v1/auth/login", data=form), 401, "invalid_credentials")
        assert "client.registration_repeated" in [event.topic for event in await queued(runtime, practice)]

    async def test_a_practice_may_choose_to_reveal_taken_addresses(
        self, http: HttpFactory, practice: TenantContext, runtime: Runtime
    ) -> None:
        owner = await make_staff_member(runtime, practice)
        client = http(practice)
        await client.patch("/api/v1/admin/settings", json={"reveal_taken_email": True}, headers=owner.headers)
        await client.post("/api/v1/auth/register", json=REGISTRATION)
        assert_problem(await client.post("/api/v1/auth/register", json=REGISTRATION), 409, "email_taken")

    @pytest.mark.parametrize(
        "change",
        [
            {"email": "not-an-address"},
            {"password": "short"},
            {"password": "x" * 129},
            {"first_name": "  "},
            {"accept_privacy": False},
            {"accept_privacy": None},
            {"timezone": "Mars/Olympus"},
            {"locale": "tlh"},
            {"phone": "call me"},
        ],
    )
    async def test_bad_input_is_refused_without_repeating_it(
        self, http: HttpFactory, practice: TenantContext, change: dict[str, object]
    ) -> None:
        answer = await http(practice).post("/api/v1/auth/register", json=REGISTRATION | change)
        assert_problem(answer, 422, "validation_error")
        assert "contraseña" not in answer.text

    async def test_what_is_not_json_is_refused(self, http: HttpFactory, practice: TenantContext) -> None:
        answer = await http(practice).post("/api/v1/auth/register", content=b"{nope")
        assert_problem(answer, 422, "validation_error")

    async def test_a_body_with_a_nul_character_is_refused(self, http: HttpFactory, practice: TenantContext) -> None:
        answer = await http(practice).post("/api/v1/auth/register", json=REGISTRATION | {"first_name": "A\x00na"})
        assert_problem(answer, 422, "validation_error")


class TestLogin:
    @pytest.mark.parametrize("password", ["wrong password", "", "x" * 2000])
    async def test_wrong_password_and_unknown_account_answer_alike(
        self, http: HttpFactory, practice: TenantContext, runtime: Runtime, password: str
    ) -> None:
        known = await make_client(runtime, practice)
        client = http(practice)
        for email in (known.email, "nobody@example.com"):
            form = {"username": email, "password": password or "x"}
            body = assert_problem(await client.post("/api/v1/auth/login", data=form), 401, "invalid_credentials")
            assert body["detail"] == "El correo o la contraseña no son correctos."

    async def test_an_account_of_one_practice_is_unknown_in_another(
        self, http: HttpFactory, practice: TenantContext, other_practice: TenantContext, runtime: Runtime
    ) -> None:
        client = await make_client(runtime, practice)
        form = {"username": client.email, "password": PASSWORD}
        assert (await http(practice).post("/api/v1/auth/login", data=form)).status_code == 200
        assert_problem(await http(other_practice).post("/api/v1/auth/login", data=form), 401, "invalid_credentials")

    async def test_a_client_can_not_sign_in_as_staff(
        self, http: HttpFactory, practice: TenantContext, runtime: Runtime
    ) -> None:
        client = await make_client(runtime, practice)
        form = {"username": client.email, "password": PASSWORD}
        assert_problem(await http(practice).post("/api/v1/admin/auth/login", data=form), 401, "invalid_credentials")


class TestTokens:
    async def test_one_practices_token_is_worthless_on_another(
        self, http: HttpFactory, practice: TenantContext, other_practice: TenantContext, runtime: Runtime
    ) -> None:
        client, owner = await make_client(runtime, practice), await make_staff_member(runtime, practice)
        there = http(other_practice)
        assert_problem(await there.get("/api/v1/users/me", headers=client.headers), 401, "invalid_token")
        assert_problem(await there.get("/api/v1/admin/clients", headers=owner.headers), 401, "invalid_token")
        operators = await http().get("/api/v1/platform/tenants", headers=owner.headers)
        assert_problem(operators, 401, "invalid_token")

    async def test_a_clients_token_opens_nothing_of_staffs_and_the_other_way_round(
        self, http: HttpFactory, practice: TenantContext, runtime: Runtime
    ) -> None:
        client, owner = await make_client(runtime, practice), await make_staff_member(runtime, practice)
        here = http(practice)
        assert_problem(await here.get("/api/v1/admin/clients", headers=client.headers), 401, "invalid_token")
        assert_problem(await here.get("/api/v1/users/me", headers=owner.headers), 401, "invalid_token")

    @pytest.mark.parametrize("header", [None, "Bearer", "Bearer ", "Basic abc", "Bearer nonsense", "Bearer a.b.c"])
    async def test_no_or_a_malformed_token_is_401(
        self, http: HttpFactory, practice: TenantContext, header: str | None
    ) -> None:
        answer = await http(practice).get("/api/v1/users/me", headers={"Authorization": header} if header else {})
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"

    async def test_a_tampered_or_expired_token_is_401(
        self, http: HttpFactory, practice: TenantContext, runtime: Runtime
    ) -> None:
        client = await make_client(runtime, practice)
        here, token = http(practice), client.headers["Authorization"]
        head, _, signature = token.rpartition(".")
        tampered = {"Authorization": f"{head}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"}
        assert_problem(await here.get("/api/v1/users/me", headers=tampered), 401, "invalid_token")
        with clock.at(clock.now() + timedelta(hours=1)):
            assert_problem(await here.get("/api/v1/users/me", headers=client.headers), 401, "invalid_token")


class TestRefresh:
    async def test_rotates_and_the_old_one_is_dead(
        self, http: HttpFactory, practice: TenantContext, runtime: Runtime
    ) -> None:
        client, here = await make_client(runtime, practice), http(practice)
        first = {"refresh_token": client.refresh_token}
        second = (await here.post("/api/v1/auth/refresh", json=first)).json()
        assert second["refresh_token"] != client.refresh_token
        assert_problem(await here.post("/api/v1/auth/refresh", json=first), 401, "token_reused")
        # The reuse ended the family: the newer token is dead as well.
        successor = {"refresh_token": second["refresh_token"]}
        assert_problem(await here.post("/api/v1/auth/refresh", json=successor), 401, "invalid_refresh_token")

    async def test_two_at_once_with_one_token_end_the_family(
        self, http: HttpFactory, practice: TenantContext, runtime: Runtime
    ) -> None:
        client, here = await make_client(runtime, practice), http(practice)
        body = {"refresh_token": client.refresh_token}
        answers = await asyncio.gather(*(here.post("/api/v1/auth/refresh", json=body) for _ in range(6)))
        assert sorted(answer.status_code for answer in answers)[:2] == [200, 401]
        winner = next(answer for answer in answers if answer.status_code == 200).json()
        after = await here.post("/api/v1/auth/refresh", json={"refresh_token": winner["refresh_token"]})
        assert_problem(after, 401, "invalid_refresh_token")

    async def test_logout_ends_it_and_is_safe_to_repeat(
        self, http: HttpFactory, practice: TenantContext, runtime: Runtime
    ) -> None:
        client, here = await make_client(runtime, practice), http(practice)
        body = {"refresh_token": client.refresh_token}
        for _ in range(2):
            assert (await here.post("/api/v1/auth/logout", json=body)).status_code == 204
        assert_problem(await here.post("/api/v1/auth/refresh", json=body), 401, "invalid_refresh_token")

    async def test_a_clients_refresh_token_is_nothing_to_staff_or_to_another_practice(
        self, http: HttpFactory, practice: TenantContext, other_practice: TenantContext, runtime: Runtime
    ) -> None:
        client = await make_client(runtime, practice)
        body = {"refresh_token": client.refresh_token}
        staff = await http(practice).post("/api/v1/admin/auth/refresh", json=body)
        assert_problem(staff, 401, "invalid_refresh_token")
        elsewhere = await http(other_practice).post("/api/v1/auth/refresh", json=body)
        assert_problem(elsewhere, 401, "invalid_refresh_token")
        assert (await http(practice).post("/api/v1/auth/refresh", json=body)).status_code == 200


class TestStaff:
    async def test_an_invited_person_sets_a_password_once_and_has_their_role(
        self, http: HttpFactory, practice: TenantContext, runtime: Runtime
    ) -> None:
        owner, here = await make_staff_member(runtime, practice), http(practice)
        body = {"email": "rita@example.com", "first_name": "Rita", "last_name": "Recepción", "role": "reception"}
        invited = await here.post("/api/v1/admin/staff", json=body, headers=owner.headers)
        assert invited.status_code == 201
        token = invited.json()["invitation_url"].rpartition("token=")[2]
        accepted = {"token": token, "password": "recepción 2026 larga"}
        assert (await here.post("/api/v1/admin/auth/accept-invitation", json=accepted)).status_code == 200
        again = await here.post("/api/v1/admin/auth/accept-invitation", json=accepted)
        assert_problem(again, 400, "invalid_token")
        form = {"username": "rita@example.com", "password": accepted["password"]}
        signed_in = (await here.post("/api/v1/admin/auth/login", data=form)).json()
        headers = {"Authorization": f"Bearer {signed_in['access_token']}"}
        assert (await here.get("/api/v1/admin/clients", headers=headers)).status_code == 200
        assert_problem(await here.get("/api/v1/admin/staff", headers=headers), 403, "forbidden")
        assert_problem(await here.patch("/api/v1/admin/settings", json={}, headers=headers), 403, "forbidden")

    async def test_an_invitation_expires(self, http: HttpFactory, practice: TenantContext, runtime: Runtime) -> None:
        owner, here = await make_staff_member(runtime, practice), http(practice)
        body = {"email": "late@example.com", "first_name": "L", "last_name": "L", "role": "manager"}
        invited = await here.post("/api/v1/admin/staff", json=body, headers=owner.headers)
        token = invited.json()["invitation_url"].rpartition("token=")[2]
        with clock.at(clock.now() + timedelta(days=8)):
            answer = await here.post(
                "/api/v1/admin/auth/accept-invitation", json={"token": token, "password": "contraseña larga"}
            )
        assert_problem(answer, 400, "invalid_token")

    async def test_one_who_is_fired_is_out_at_once(
        self, http: HttpFactory, practice: TenantContext, runtime: Runtime
    ) -> None:
        owner, here = await make_staff_member(runtime, practice), http(practice)
        fired = await make_staff_member(runtime, practice, StaffRole.RECEPTION)
        assert (await here.get("/api/v1/admin/clients", headers=fired.headers)).status_code == 200
        url = f"/api/v1/admin/staff/{fired.id}"
        assert (await here.patch(url, json={"is_active": False}, headers=owner.headers)).status_code == 200
        assert_problem(await here.get("/api/v1/admin/clients", headers=fired.headers), 401, "invalid_token")
        body = {"refresh_token": fired.refresh_token}
        assert_problem(await here.post("/api/v1/admin/auth/refresh", json=body), 401, "invalid_refresh_token")
        form = {"username": fired.email, "password": PASSWORD}
        assert_problem(await here.post("/api/v1/admin/auth/login", data=form), 401, "invalid_credentials")

    async def test_a_practice_keeps_an_owner(
        self, http: HttpFactory, practice: TenantContext, runtime: Runtime
    ) -> None:
        here, owner = http(practice), await make_staff_member(runtime, practice)
        staff = (await here.get("/api/v1/admin/staff", headers=owner.headers)).json()["items"]
        invited = next(person for person in staff if person["id"] != str(owner.id))
        url = f"/api/v1/admin/staff/{invited['id']}"
        assert (await here.patch(url, json={"is_active": False}, headers=owner.headers)).status_code == 200
        for change in ({"is_active": False}, {"role": "manager"}):
            answer = await here.patch(f"/api/v1/admin/staff/{owner.id}", json=change, headers=owner.headers)
            assert_problem(answer, 409, "last_owner")

    async def test_an_owner_who_has_not_accepted_yet_does_not_stand_in_for_the_last_one(
        self, http: HttpFactory, practice: TenantContext, runtime: Runtime
    ) -> None:
        here, owner = http(practice), await make_staff_member(runtime, practice)
        url = f"/api/v1/admin/staff/{owner.id}"
        answer = await here.patch(url, json={"role": "manager"}, headers=owner.headers)
        assert_problem(answer, 409, "last_owner")
        second = await make_staff_member(runtime, practice)
        assert (await here.patch(url, json={"role": "manager"}, headers=second.headers)).status_code == 200
        trail = (await here.get("/api/v1/admin/audit", headers=second.headers)).json()["items"]
        changed = next(line for line in trail if line["action"] == "staff.changed")
        assert changed["detail"] == {"fields": ["role"], "role": "manager"}

    async def test_settings_refuse_what_is_not_set_up(
        self, http: HttpFactory, practice: TenantContext, runtime: Runtime
    ) -> None:
        owner, here = await make_staff_member(runtime, practice), http(practice)
        bodies: list[dict[str, object]] = [
            {"payment_methods": []},
            {"payment_methods": ["stripe"]},
            {"payment_methods": ["barter"]},
            {"payment_methods": ["offline", "offline"]},
            {"hold_minutes": 0},
            {"unknown": 1},
            {"branding": {"primary_colour": "red; background: url(x)"}},
        ]
        for body in bodies:
            answer = await here.patch("/api/v1/admin/settings", json=body, headers=owner.headers)
            assert_problem(answer, 422, "validation_error")
