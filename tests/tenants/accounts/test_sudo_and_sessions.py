"""Fresh sign-ins, the list of sign-ins and compulsory second factors over HTTP, for staff and operators."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from tenants.accounts.models import StaffAuditEntry, StaffRole
from tests.conftest import HttpFactory
from tests.support.authenticator import Authenticator
from tests.support.doors import OPERATOR, STAFF, Door, make_door
from tests.support.events import run_due_events
from tests.support.mails import mails_of
from tests.support.practices import PASSWORD, make_staff_member
from tests.support.problems import assert_problem
from tests.support.scheduling import set_practice
from tests.support.second_factors import bearer, code_of, log_in, set_up_totp, wrong_code
from todoenbalance.app import Surfaces, create_app
from todoenbalance.kit import clock
from todoenbalance.kit.encryption import Vault
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.security.factor_errors import NoSecondFactorError
from todoenbalance.kit.tenancy import TenantContext
from todoenbalance.operators.models import AuditEntry
from todoenbalance.operators.second_factors import reset_operator
from todoenbalance.subscriptions import register_composers

NOBODY = UUID(int=0)


async def renewed(door: Door, headers: dict[str, str]) -> dict[str, str]:
    """An access token of the same sign-in as it is issued now, as its refresh token would bring."""
    audience = f"staff:{door.practice.key}" if door.practice else "operator"
    with clock.at(clock.now() - timedelta(minutes=16)):
        claims = door.runtime.signer.verify(headers["Authorization"].removeprefix("Bearer "), audience)
    token = door.runtime.signer.issue(claims.subject, audience, timedelta(minutes=15), session_id=claims.session_id)
    return {"Authorization": f"Bearer {token}"}


class TestSudo:
    async def test_a_stale_sign_in_is_fresh_again_after_the_password(self, door: Door) -> None:
        headers = await door.signed_in()
        assert (await door.post("/mfa/enrol", headers)).status_code == 200
        with clock.at(clock.now() + timedelta(minutes=16)):
            headers = await renewed(door, headers)
            assert_problem(await door.post("/mfa/enrol", headers), 403, "fresh_sign_in_required")
            assert_problem(await door.post("/sudo", headers, password="not it at all"), 422, "not_confirmed")
            assert_problem(await door.post("/mfa/enrol", headers), 403, "fresh_sign_in_required")
            assert (await door.post("/sudo", headers, password=PASSWORD)).status_code == 204
            assert (await door.post("/mfa/enrol", headers)).status_code == 200
        assert (await door.audit())[-1] == "sign_in.confirmed"

    async def test_with_a_second_factor_the_password_alone_does_not_do(self, door: Door) -> None:
        headers = await door.signed_in()
        secret, codes = await door.set_up(headers)
        key = Authenticator.on(door.http.base_url)
        assert (await door.add_passkey(headers, key)).status_code == 201
        with clock.at(clock.now() + timedelta(minutes=16)):
            headers = await renewed(door, headers)
            wrong: list[dict[str, Any]] = [{}, {"code": wrong_code(secret)}, {"credential": {}}]
            for given in wrong:
                assert_problem(await door.post("/sudo", headers, password=PASSWORD, **given), 422, "not_confirmed")
            assert_problem(await door.post("/sudo", headers, password="no", code=codes[0]), 422, "not_confirmed")
            assert_problem(await door.post("/mfa/recovery-codes", headers), 403, "fresh_sign_in_required")
            options = (await door.post("/sudo/passkey/options", headers)).json()
            done = await door.post("/sudo", headers, password=PASSWORD, credential=key.get(options))
            assert done.status_code == 204, done.text
            assert (await door.post("/sudo", headers, password=PASSWORD, code=code_of(secret))).status_code == 204
            assert (await door.post("/sudo", headers, password=PASSWORD, code=codes[0])).status_code == 204
            assert (await door.post("/mfa/recovery-codes", headers)).status_code == 200

    async def test_a_changed_password_does_not_stand_for_the_second_factor(self, door: Door) -> None:
        headers = await door.signed_in()
        await door.set_up(headers)
        new = "a wholly different phrase"
        with clock.at(clock.now() + timedelta(minutes=16)):
            headers = await renewed(door, headers)
            changed = await door.post("/password", headers, current_password=PASSWORD, new_password=new)
            assert changed.status_code == 204, changed.text
            assert_problem(await door.post("/mfa/recovery-codes", headers), 403, "fresh_sign_in_required")
            assert_problem(await door.delete("/mfa/totp", headers), 403, "fresh_sign_in_required")

    async def test_codes_that_are_guessed_lock(self, door: Door) -> None:
        headers = await door.signed_in()
        secret, _ = await door.set_up(headers)
        for _ in range(5):
            wrong = await door.post("/sudo", headers, password=PASSWORD, code=wrong_code(secret))
            assert_problem(wrong, 422, "not_confirmed")
        right = await door.post("/sudo", headers, password=PASSWORD, code=code_of(secret, steps=1))
        assert_problem(right, 429, "too_many_attempts")

    async def test_a_sign_in_made_without_the_factor_must_not_touch_it(self, door: Door) -> None:
        old, new = await door.signed_in(), await door.signed_in()
        secret, _ = await door.set_up(new)
        for answer in (
            await door.post("/mfa/enrol", old),
            await door.post("/mfa/activate", old, code="123456"),
            await door.post("/mfa/recovery-codes", old),
            await door.post("/mfa/passkeys/options", old),
            await door.delete("/mfa/totp", old),
        ):
            assert_problem(answer, 403, "fresh_sign_in_required")
        assert (await door.post("/sudo", old, password=PASSWORD, code=code_of(secret, steps=1))).status_code == 204
        assert (await door.post("/mfa/enrol", old)).status_code == 200


class TestSensitiveActs:
    @pytest.mark.parametrize(
        ("method", "path"),
        [("post", f"/payments/{NOBODY}/refund"), ("post", "/staff"), ("patch", f"/staff/{NOBODY}"),
         ("delete", f"/staff/{NOBODY}/second-factors"), ("patch", "/settings")],
    )  # fmt: skip
    async def test_staff_need_a_fresh_sign_in(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext, method: str, path: str
    ) -> None:
        here = http(practice)
        door = await make_door(here, runtime, practice)
        headers = await door.signed_in()
        body = (
            {"email": "x@example.com", "first_name": "X", "last_name": "Y", "role": "owner"} if path == "/staff" else {}
        )
        with clock.at(clock.now() + timedelta(minutes=16)):
            headers = await renewed(door, headers)
            url = f"/api/v1/admin{path}"
            answer = await here.request(method, url, headers=headers, json=body)
            assert_problem(answer, 403, "fresh_sign_in_required")
            assert (await door.post("/sudo", headers, password=PASSWORD)).status_code == 204
            answer = await here.request(method, url, headers=headers, json=body)
            assert answer.status_code in (200, 201, 404), answer.text

    async def test_operators_need_one_for_practices(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        here = http()
        door = await make_door(here, runtime, None)
        headers = await door.signed_in()
        at = f"/api/v1/platform/tenants/{practice.id}"
        with clock.at(clock.now() + timedelta(minutes=16)):
            headers = await renewed(door, headers)
            for answer in (
                await here.post("/api/v1/platform/tenants", headers=headers, json={}),
                await here.patch(at, headers=headers, json={"name": "Otra"}),
                await here.post(f"{at}/suspend", headers=headers, json={"reason": "x"}),
                await here.post(f"{at}/reactivate", headers=headers, json={"reason": "x"}),
            ):
                assert_problem(answer, 403, "fresh_sign_in_required")
            assert (await here.get(at, headers=headers)).status_code == 200
            assert (await door.post("/sudo", headers, password=PASSWORD)).status_code == 204
            assert (await here.patch(at, headers=headers, json={"name": "Otra"})).status_code == 200


class TestSessions:
    async def test_they_are_listed_with_where_they_come_from(self, door: Door) -> None:
        door.http.headers["User-Agent"] = "Firefox\t of <Ana>"
        headers = await door.signed_in()
        other = await door.signed_in()
        items = (await door.get("/sessions", headers)).json()["items"]
        assert {"id", "method", "created_at", "last_seen_at", "expires_at", "user_agent", "address",
                "has_second_factor", "is_current"} == set(items[0])  # fmt: skip
        mine = [one for one in items if one["is_current"]]
        assert [one["user_agent"] for one in mine] == ["Firefox of <Ana>"]
        assert [one["method"] for one in mine] == ["password"]
        theirs = (await door.get("/sessions", other)).json()["items"]
        assert {one["id"] for one in theirs} == {one["id"] for one in items}

    async def test_one_is_ended_at_once_and_nobody_elses(self, door: Door) -> None:
        headers, other = await door.signed_in(), await door.signed_in()
        [current] = [one for one in (await door.get("/sessions", other)).json()["items"] if one["is_current"]]
        stranger = await (await door.another()).signed_in()
        assert_problem(await door.delete(f"/sessions/{current['id']}", stranger), 404, "not_found")
        assert await door.me(other) == 200
        assert (await door.delete(f"/sessions/{current['id']}", headers)).status_code == 204
        assert await door.me(other) == 401
        assert await door.me(headers) == 200
        assert (await door.audit())[-1] == "sign_in.revoked"

    async def test_all_others_end_at_once(self, door: Door) -> None:
        tokens, headers = await door.log_in(), await door.signed_in()
        stranger = await (await door.another()).signed_in()
        assert (await door.post("/sessions/end-others", headers)).status_code == 204
        assert await door.me(bearer(tokens)) == 401
        dead = await door.post("/refresh", refresh_token=tokens["refresh_token"])
        assert_problem(dead, 401, "invalid_refresh_token")
        assert await door.me(headers) == 200
        assert await door.me(stranger) == 200
        assert len((await door.get("/sessions", headers)).json()["items"]) == 1


async def compulsory_door(
    kind: str, http: HttpFactory, runtime: Runtime, practice: TenantContext, surfaces: Surfaces
) -> Door:
    """One where a second factor is compulsory."""
    if kind == "staff":
        await set_practice(runtime, practice, second_factor_required=True)
        return await make_door(http(practice), runtime, practice)
    auth = runtime.settings.auth.model_copy(update={"operator_second_factor": True})
    settings = runtime.settings.model_copy(update={"auth": auth})
    strict = Runtime(settings, runtime.database, runtime.signer, Vault(settings.signing_keys), runtime.limiter)
    client = http()
    client._transport.app = create_app(strict, surfaces)  # type: ignore[attr-defined]  # the ASGI transport's
    return await make_door(client, strict, None)


@pytest.mark.parametrize("kind", ["staff", "operator"])
class TestCompulsory:
    async def test_the_first_factor_is_set_up_before_one_gets_in(
        self, kind: str, http: HttpFactory, runtime: Runtime, practice: TenantContext, surfaces: Surfaces
    ) -> None:
        door = await compulsory_door(kind, http, runtime, practice, surfaces)
        step = await door.log_in()
        assert step["mfa_required"] is True
        assert step["enrolment_required"] is True
        assert step["methods"] == []
        token = step["mfa_token"]
        assert_problem(await door.post("/mfa", mfa_token=token, code="123456"), 401, "invalid_second_factor")
        secret = (await door.post("/mfa/enrol", mfa_token=token)).json()["secret"]
        wrong = await door.post("/mfa/activate", mfa_token=token, code=wrong_code(secret))
        assert_problem(wrong, 422, "code_not_right")
        done = await door.post("/mfa/activate", mfa_token=token, code=code_of(secret))
        assert done.status_code == 200, done.text
        assert len(done.json()["recovery_codes"]) == 10
        headers = bearer(done.json())
        assert await door.me(headers) == 200
        # The same first step sets up no other one, nor does a new one: there is a factor to give.
        for used in (token, (await door.log_in())["mfa_token"]):
            again = await door.post("/mfa/enrol", mfa_token=used)
            assert_problem(again, 401, "invalid_mfa_token")
            again = await door.post("/mfa/activate", mfa_token=used, code=code_of(secret, steps=1))
            assert_problem(again, 401, "invalid_mfa_token")
        assert_problem(await door.delete("/mfa/totp", headers), 409, "last_second_factor")
        assert (await door.get("/mfa", headers)).json()["totp_activated_at"] is not None
        assert (await door.add_passkey(headers, Authenticator.on(door.http.base_url))).status_code == 201
        assert (await door.delete("/mfa/totp", headers)).status_code == 204

    async def test_a_sign_in_without_one_may_set_it_up_and_nothing_else(
        self, kind: str, http: HttpFactory, runtime: Runtime, practice: TenantContext, surfaces: Surfaces
    ) -> None:
        plain = await make_door(
            http(practice if kind == "staff" else None), runtime, practice if kind == "staff" else None
        )
        headers = await plain.signed_in()
        strict = await compulsory_door(kind, http, runtime, practice, surfaces)
        door = Door(strict.http, plain.at, plain.email, plain.account_id, runtime, plain.practice)
        assert_problem(await door.get("/sessions", headers), 403, "second_factor_required")
        await door.set_up(headers)
        assert await door.me(headers) == 200


class TestSettings:
    async def test_only_who_has_a_factor_makes_it_compulsory(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        door = await make_door(http(practice), runtime, practice)
        headers = await door.signed_in()
        url = "/api/v1/admin/settings"
        change = {"second_factor_required": True, "practitioners_see_all": True}
        refused = await door.http.patch(url, headers=headers, json=change)
        assert_problem(refused, 409, "second_factor_missing")
        assert (await door.http.get(url, headers=headers)).json()["practitioners_see_all"] is False
        await door.set_up(headers)
        done = await door.http.patch(url, headers=headers, json=change)
        assert done.status_code == 200, done.text
        assert done.json() | change == done.json()
        assert await door.me(headers) == 200


class TestReset:
    async def test_an_owner_resets_a_colleagues_and_the_colleague_is_told_and_signed_out(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        register_composers()
        here = http(practice)
        owner = await make_staff_member(runtime, practice)
        colleague = await make_staff_member(runtime, practice, StaffRole.RECEPTION)
        url = f"/api/v1/admin/staff/{colleague.id}/second-factors"
        assert_problem(await here.delete(url, headers=owner.headers), 409, "no_second_factor")
        own = f"/api/v1/admin/staff/{owner.id}/second-factors"
        assert_problem(await here.delete(own, headers=owner.headers), 403, "forbidden")
        await set_up_totp(here, colleague.headers)
        assert_problem(await here.delete(url, headers=colleague.headers), 403, "forbidden")
        assert (await here.delete(url, headers=owner.headers)).status_code == 204
        assert (await here.get(f"{STAFF}/sessions", headers=colleague.headers)).status_code == 401
        assert "access_token" in await log_in(here, colleague.email)
        await run_due_events(runtime, practice)
        subjects = [mail.subject for mail in await mails_of(runtime, practice, colleague.email)]
        assert [subject.split(" de ")[0] for subject in subjects] == [
            "Se ha añadido un segundo factor a tu cuenta", "Se ha restablecido tu segundo factor",
        ]  # fmt: skip
        async with runtime.database.tenant(practice) as session:
            statement = select(StaffAuditEntry).where(StaffAuditEntry.action == "second_factor.reset")
            [entry] = (await session.scalars(statement)).all()
        assert (entry.staff_id, entry.subject_id) == (owner.id, colleague.id)

    async def test_the_command_line_resets_an_operators(self, http: HttpFactory, runtime: Runtime) -> None:
        door = await make_door(http(), runtime, None)
        headers = await door.signed_in()
        await door.set_up(headers)
        async with runtime.database.platform() as session:
            await reset_operator(session, runtime, door.email.upper())
        assert await door.me(headers) == 401
        assert "access_token" in await log_in(door.http, door.email, at=OPERATOR)
        async with runtime.database.platform() as session:
            mine = select(AuditEntry).where(AuditEntry.detail["subject_id"].astext == str(door.account_id))
            [entry] = (await session.scalars(mine)).all()
        assert (entry.action, entry.operator_id) == ("second_factor.reset", None)
        async with runtime.database.platform() as session:
            with pytest.raises(NoSecondFactorError):
                await reset_operator(session, runtime, door.email)
            with pytest.raises(NotFoundError):
                await reset_operator(session, runtime, "nobody@example.com")
