"""Second factors and the second step over HTTP, for staff and for operators alike."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from tenants.accounts.models import RecoveryCode, TotpAuthenticator
from tests.conftest import HttpFactory
from tests.support.authenticator import Authenticator
from tests.support.doors import STAFF, Door
from tests.support.practices import make_staff_member
from tests.support.problems import assert_problem
from tests.support.second_factors import bearer, code_of, log_in, set_up_totp, wrong_code
from todoenbalance.kit import clock
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext
from todoenbalance.operators.models import OperatorRecoveryCode, OperatorTotpAuthenticator


def nonsense(client_data: str) -> dict[str, Any]:
    """Of the right form, and nothing else."""
    response = {"clientDataJSON": client_data, "attestationObject": "", "authenticatorData": "", "signature": ""}
    return {"id": "AA", "rawId": "AA", "type": "public-key", "response": response}


class TestAuthenticatorApp:
    async def test_it_is_asked_for_from_the_next_sign_in_on(self, door: Door) -> None:
        headers = await door.signed_in()
        enrolment = (await door.post("/mfa/enrol", headers)).json()
        assert enrolment["otpauth_uri"].startswith("otpauth://totp/")
        assert f"secret={enrolment['secret']}" in enrolment["otpauth_uri"]
        assert enrolment["qr_svg"].startswith("data:image/svg+xml")
        assert "access_token" in await door.log_in()  # it does not count yet
        done = await door.post("/mfa/activate", headers, code=code_of(enrolment["secret"]))
        assert done.status_code == 200, done.text
        assert len(set(done.json()["recovery_codes"])) == 10
        assert done.json()["access_token"] is None
        step = await door.log_in()
        assert step["mfa_required"] is True
        assert step["enrolment_required"] is False
        assert step["methods"] == ["totp", "recovery_code"]
        assert "access_token" not in step
        finished = await door.post("/mfa", mfa_token=step["mfa_token"], code=code_of(enrolment["secret"], steps=1))
        assert finished.status_code == 200, finished.text
        assert await door.me(bearer(finished.json())) == 200
        sessions = (await door.get("/sessions", bearer(finished.json()))).json()["items"]
        assert [one["has_second_factor"] for one in sessions if one["is_current"]] == [True]

    async def test_a_code_works_once_also_for_two_first_steps(self, door: Door) -> None:
        with clock.at(clock.now()):  # a code is another one half a minute later
            secret, _ = await door.set_up()
            spent = await door.post("/mfa", mfa_token=(await door.log_in())["mfa_token"], code=code_of(secret))
            assert_problem(spent, 401, "invalid_second_factor")  # it activated the app
            one, other = await door.log_in(), await door.log_in()
            code = code_of(secret, steps=1)
            spaced = f" {code[:3]} {code[3:]} "
            assert (await door.post("/mfa", mfa_token=one["mfa_token"], code=spaced)).status_code == 200
            again = await door.post("/mfa", mfa_token=other["mfa_token"], code=code)
            assert_problem(again, 401, "invalid_second_factor")

    @pytest.mark.parametrize(("steps", "status"), [(-2, 401), (-1, 200), (0, 200), (1, 200), (2, 401)])
    async def test_clocks_may_differ_by_one_step(self, door: Door, steps: int, status: int) -> None:
        with clock.at(clock.now() - timedelta(minutes=10)):
            secret, _ = await door.set_up()
        step = await door.log_in()
        with clock.at(clock.now()):  # or the next half minute may begin in between
            answer = await door.post("/mfa", mfa_token=step["mfa_token"], code=code_of(secret, steps=steps))
        assert answer.status_code == status

    async def test_a_wrong_first_code_activates_nothing(self, door: Door) -> None:
        headers = await door.signed_in()
        assert_problem(await door.post("/mfa/activate", headers, code="123456"), 409, "nothing_to_activate")
        secret = (await door.post("/mfa/enrol", headers)).json()["secret"]
        refused = await door.post("/mfa/activate", headers, code=wrong_code(secret))
        assert_problem(refused, 422, "code_not_right")
        assert "access_token" in await door.log_in()

    async def test_setting_up_must_not_take_too_long(self, door: Door) -> None:
        with clock.at(clock.now() - timedelta(minutes=31)):
            secret = (await door.post("/mfa/enrol", await door.signed_in())).json()["secret"]
        late = await door.post("/mfa/activate", await door.signed_in(), code=code_of(secret))
        assert_problem(late, 409, "nothing_to_activate")

    async def test_an_earlier_one_works_until_the_new_one_is_active(self, door: Door) -> None:
        headers = await door.signed_in()
        with clock.at(clock.now() - timedelta(minutes=5)):
            old, codes = await door.set_up(headers)
        new = (await door.post("/mfa/enrol", headers)).json()["secret"]
        step = await door.log_in()
        assert (await door.post("/mfa", mfa_token=step["mfa_token"], code=code_of(old))).status_code == 200
        replaced = await door.post("/mfa/activate", headers, code=code_of(new))
        assert replaced.json()["recovery_codes"] == []  # those there are go on to be good
        step = await door.log_in()
        assert (await door.post("/mfa", mfa_token=step["mfa_token"], code=code_of(old, steps=1))).status_code == 401
        assert (await door.post("/mfa", mfa_token=step["mfa_token"], code=code_of(new, steps=1))).status_code == 200
        assert (await door.post("/mfa", mfa_token=step["mfa_token"], code=codes[0])).status_code == 200

    async def test_the_database_holds_neither_secret_nor_codes(self, door: Door) -> None:
        secret, codes = await door.set_up()
        if door.practice is not None:
            async with door.runtime.database.tenant(door.practice) as session:
                rows: list[Any] = [(await session.scalars(select(TotpAuthenticator))).one()]
                rows += (await session.scalars(select(RecoveryCode))).all()
        else:
            async with door.runtime.database.platform() as platform:
                totps, all_codes = select(OperatorTotpAuthenticator), select(OperatorRecoveryCode)
                rows = [(await platform.scalars(totps.filter_by(account_id=door.account_id))).one()]
                rows += (await platform.scalars(all_codes.filter_by(account_id=door.account_id))).all()
        stored = " ".join(str(vars(row)) for row in rows)
        assert len(rows) == 11
        for plain in [secret, *codes, *(code.replace("-", "") for code in codes)]:
            assert plain not in stored

    async def test_it_can_be_taken_away_again(self, door: Door) -> None:
        headers = await door.signed_in()
        assert_problem(await door.delete("/mfa/totp", headers), 409, "no_second_factor")
        await door.set_up(headers)
        assert (await door.get("/mfa", headers)).json()["recovery_codes_left"] == 10
        assert (await door.delete("/mfa/totp", headers)).status_code == 204
        left = (await door.get("/mfa", headers)).json()
        assert left == {
            "is_compulsory": False, "totp_activated_at": None, "passkeys": [], "recovery_codes_left": 0,
        }  # fmt: skip
        assert "access_token" in await door.log_in()
        assert await door.audit() == (["operator.created"] if door.practice is None else []) + [
            "sign_in.started", "second_factor.added", "second_factor.removed", "sign_in.started",
        ]  # fmt: skip


class TestRecoveryCodes:
    async def test_each_works_once_however_it_is_written(self, door: Door) -> None:
        _, codes = await door.set_up()
        typed = codes[0].upper().replace("-", " ").replace("0", "O").replace("1", "l")
        step = await door.log_in()
        assert (await door.post("/mfa", mfa_token=step["mfa_token"], code=typed)).status_code == 200
        again = await door.post("/mfa", mfa_token=step["mfa_token"], code=codes[0])
        assert_problem(again, 401, "invalid_second_factor")
        finished = await door.post("/mfa", mfa_token=step["mfa_token"], code=codes[1])
        assert (await door.get("/mfa", bearer(finished.json()))).json()["recovery_codes_left"] == 8
        assert (await door.audit()).count("second_factor.recovery_code_used") == 2

    async def test_new_ones_replace_the_old(self, door: Door) -> None:
        headers = await door.signed_in()
        assert_problem(await door.post("/mfa/recovery-codes", headers), 409, "second_factor_missing")
        _, old = await door.set_up(headers)
        new = (await door.post("/mfa/recovery-codes", headers)).json()["recovery_codes"]
        assert len(new) == 10
        assert not set(new) & set(old)
        step = await door.log_in()
        assert (await door.post("/mfa", mfa_token=step["mfa_token"], code=old[0])).status_code == 401
        assert (await door.post("/mfa", mfa_token=step["mfa_token"], code=new[0])).status_code == 200

    async def test_somebody_elses_do_not_work(self, door: Door) -> None:
        await door.set_up()
        other = await door.another()
        _, theirs = await other.set_up()
        step = await door.log_in()
        assert (await door.post("/mfa", mfa_token=step["mfa_token"], code=theirs[0])).status_code == 401


class TestPasskeys:
    async def test_one_is_made_and_signs_in(self, door: Door) -> None:
        headers = await door.signed_in()
        key = Authenticator.on(door.http.base_url)
        made = await door.add_passkey(headers, key)
        assert made.status_code == 201, made.text
        assert made.json()["name"] == "My phone"
        assert len(made.json()["recovery_codes"]) == 10  # it is the first factor
        step = await door.log_in()
        assert step["methods"] == ["passkey", "recovery_code"]
        options = await door.post("/mfa/passkey/options", mfa_token=step["mfa_token"])
        assert options.json()["userVerification"] == "required"
        assert options.json()["rpId"] == door.http.base_url.host
        assert [one["id"] for one in options.json()["allowCredentials"]] == [key.get(options.json())["id"]]
        answer = key.get(options.json())
        finished = await door.post("/mfa/passkey", mfa_token=step["mfa_token"], credential=answer)
        assert finished.status_code == 200, finished.text
        assert await door.me(bearer(finished.json())) == 200
        replayed = await door.post("/mfa/passkey", mfa_token=step["mfa_token"], credential=answer)
        assert_problem(replayed, 401, "invalid_second_factor")
        shown = (await door.get("/mfa", headers)).json()["passkeys"]
        assert shown[0]["last_used_at"] is not None

    @pytest.mark.parametrize(
        "wrong",
        [{"origin": "http://evil.localhost:8000"}, {"origin": "https://localhost:8000"}, {"rp_id": "evil.localhost"},
         {"verifies": False}],
    )  # fmt: skip
    async def test_one_of_another_origin_or_not_unlocked_is_refused(self, door: Door, wrong: dict[str, Any]) -> None:
        headers = await door.signed_in()
        bad = Authenticator.on(door.http.base_url)
        vars(bad).update(wrong)
        assert_problem(await door.add_passkey(headers, bad), 422, "passkey_refused")
        key = Authenticator.on(door.http.base_url)
        assert (await door.add_passkey(headers, key)).status_code == 201
        vars(key).update(wrong)
        step = await door.log_in()
        options = (await door.post("/mfa/passkey/options", mfa_token=step["mfa_token"])).json()
        answer = await door.post("/mfa/passkey", mfa_token=step["mfa_token"], credential=key.get(options))
        assert_problem(answer, 401, "invalid_second_factor")

    async def test_a_challenge_is_answered_once_in_time_by_whom_it_was_made_for(self, door: Door) -> None:
        headers = await door.signed_in()
        key = Authenticator.on(door.http.base_url)
        options = (await door.post("/mfa/passkeys/options", headers)).json()
        other = await door.another()
        theirs = await other.signed_in()
        stolen = await door.post("/mfa/passkeys", theirs, name="x", credential=key.create(options))
        assert_problem(stolen, 422, "passkey_refused")
        assert (await door.post("/mfa/passkeys", headers, name="x", credential=key.create(options))).status_code == 201
        again = await door.post("/mfa/passkeys", headers, name="x", credential=key.create(options))
        assert_problem(again, 422, "passkey_refused")
        with clock.at(clock.now() - timedelta(minutes=6)):
            old = (await door.post("/mfa/passkeys/options", headers)).json()
        late = await door.post("/mfa/passkeys", headers, name="x", credential=key.create(old))
        assert_problem(late, 422, "passkey_refused")
        step = await door.log_in()
        # A challenge for making a passkey is none for signing in, nor is one of nobody's making.
        for wrong in ((await door.post("/mfa/passkeys/options", headers)).json(), {"challenge": "AAAA"}):
            answer = await door.post("/mfa/passkey", mfa_token=step["mfa_token"], credential=key.get(wrong))
            assert_problem(answer, 401, "invalid_second_factor")

    async def test_a_counter_that_does_not_go_up_is_refused(self, door: Door) -> None:
        key = Authenticator.on(door.http.base_url)
        assert (await door.add_passkey(await door.signed_in(), key)).status_code == 201
        key.sign_count = 5
        for count, status in ((5, 200), (2, 401), (5, 401), (6, 200)):
            key.sign_count = count
            step = await door.log_in()
            options = (await door.post("/mfa/passkey/options", mfa_token=step["mfa_token"])).json()
            answer = await door.post("/mfa/passkey", mfa_token=step["mfa_token"], credential=key.get(options))
            assert answer.status_code == status, count

    async def test_a_key_without_a_counter_may_sign_again_and_again(self, door: Door) -> None:
        key = Authenticator.on(door.http.base_url, counts=False)
        assert (await door.add_passkey(await door.signed_in(), key)).status_code == 201
        for _ in range(2):
            step = await door.log_in()
            options = (await door.post("/mfa/passkey/options", mfa_token=step["mfa_token"])).json()
            answer = await door.post("/mfa/passkey", mfa_token=step["mfa_token"], credential=key.get(options))
            assert answer.status_code == 200

    async def test_they_are_excluded_renamed_and_removed(self, door: Door) -> None:
        headers = await door.signed_in()
        key = Authenticator.on(door.http.base_url)
        made = (await door.add_passkey(headers, key)).json()
        options = (await door.post("/mfa/passkeys/options", headers)).json()
        assert [one["id"] for one in options["excludeCredentials"]] == [key.create(options)["id"]]
        again = await door.post("/mfa/passkeys", headers, name="x", credential=key.create(options))
        assert_problem(again, 409, "passkey_known")
        url = f"{door.at}/mfa/passkeys/{made['id']}"
        renamed = await door.http.patch(url, headers=headers, json={"name": "Key ring"})
        assert renamed.json()["name"] == "Key ring"
        assert (await door.http.delete(url, headers=headers)).status_code == 204
        assert_problem(await door.http.delete(url, headers=headers), 404, "not_found")
        assert (await door.get("/mfa", headers)).json()["passkeys"] == []
        assert (await door.audit())[-2:] == ["second_factor.added", "second_factor.removed"]

    @pytest.mark.parametrize(
        "credential",
        [{}, {"id": "x"}, {"id": 1, "rawId": [], "response": "", "type": None}, nonsense("é"), nonsense("W10"),
         nonsense("W" * 20_000)],
    )  # fmt: skip
    async def test_nonsense_is_refused(self, door: Door, credential: dict[str, Any]) -> None:
        headers = await door.signed_in()
        assert_problem(
            await door.post("/mfa/passkeys", headers, name="x", credential=credential), 422, "passkey_refused"
        )
        await door.set_up(headers)
        step = await door.log_in()
        answer = await door.post("/mfa/passkey", mfa_token=step["mfa_token"], credential=credential)
        assert_problem(answer, 401, "invalid_second_factor")

    async def test_one_of_another_practice_signs_in_nowhere_else(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext, other_practice: TenantContext
    ) -> None:
        here, there = http(practice), http(other_practice)
        mine = await make_staff_member(runtime, practice, email="ana@example.com")
        theirs = await make_staff_member(runtime, other_practice, email="ana@example.com")
        key = Authenticator.on(here.base_url)
        options = (await here.post(f"{STAFF}/mfa/passkeys/options", headers=mine.headers)).json()
        elsewhere = await there.post(
            f"{STAFF}/mfa/passkeys", headers=theirs.headers, json={"name": "x", "credential": key.create(options)}
        )
        assert_problem(elsewhere, 422, "passkey_refused")


class TestFirstStep:
    async def test_its_token_is_no_bearer_and_a_bearer_is_none(self, door: Door) -> None:
        headers = await door.signed_in()
        secret, _ = await door.set_up(headers)
        step = await door.log_in()
        for path in ("/sessions", "/mfa"):
            wrong = await door.get(path, {"Authorization": f"Bearer {step['mfa_token']}"})
            assert_problem(wrong, 401, "invalid_token")
        token = headers["Authorization"].removeprefix("Bearer ")
        answer = await door.post("/mfa", mfa_token=token, code=code_of(secret, steps=1))
        assert_problem(answer, 401, "invalid_mfa_token")
        options = await door.post("/mfa/passkey/options", mfa_token=token)
        assert_problem(options, 401, "invalid_mfa_token")

    async def test_of_two_at_once_with_the_same_code_one_gets_in(self, door: Door) -> None:
        secret, codes = await door.set_up()
        one, other = await door.log_in(), await door.log_in()
        for code in (code_of(secret, steps=1), codes[0]):
            answers = await asyncio.gather(
                *(door.post("/mfa", mfa_token=step["mfa_token"], code=code) for step in (one, other, one))
            )
            assert sorted(answer.status_code for answer in answers) == [200, 401, 401]

    async def test_its_token_ends_after_five_minutes(self, door: Door) -> None:
        secret, _ = await door.set_up()
        step = await door.log_in()
        with clock.at(clock.now() + timedelta(minutes=5, seconds=1)):
            late = await door.post("/mfa", mfa_token=step["mfa_token"], code=code_of(secret))
            assert_problem(late, 401, "invalid_mfa_token")

    async def test_its_token_ends_with_the_password_and_with_the_account(self, door: Door) -> None:
        secret, _ = await door.set_up()
        step = await door.log_in()
        await door.change(is_active=False)
        closed = await door.post("/mfa", mfa_token=step["mfa_token"], code=code_of(secret, steps=1))
        assert_problem(closed, 401, "invalid_mfa_token")
        await door.change(is_active=True, hashed_password="another")
        changed = await door.post("/mfa", mfa_token=step["mfa_token"], code=code_of(secret, steps=1))
        assert_problem(changed, 401, "invalid_mfa_token")

    async def test_one_of_another_practice_is_useless(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext, other_practice: TenantContext
    ) -> None:
        here, there = http(practice), http(other_practice)
        mine = await make_staff_member(runtime, practice)
        secret, codes = await set_up_totp(here, mine.headers)
        step = await log_in(here, mine.email)
        for code in (code_of(secret, steps=1), codes[0]):
            answer = await there.post(f"{STAFF}/mfa", json={"mfa_token": step["mfa_token"], "code": code})
            assert_problem(answer, 401, "invalid_mfa_token")

    async def test_wrong_codes_in_a_row_lock_and_the_right_one_is_refused_then(self, door: Door) -> None:
        secret, codes = await door.set_up()
        step = await door.log_in()
        for number in range(5):
            code = wrong_code(secret) if number % 2 else f"zzzz-zzzz-zzz{number}"
            assert_problem(
                await door.post("/mfa", mfa_token=step["mfa_token"], code=code), 401, "invalid_second_factor"
            )
        for code in (code_of(secret, steps=1), codes[0]):
            locked = await door.post("/mfa", mfa_token=step["mfa_token"], code=code)
            assert_problem(locked, 429, "too_many_attempts")
            assert int(locked.headers["retry-after"]) > 0
        with clock.at(clock.now() + timedelta(minutes=1)):
            done = await door.post("/mfa", mfa_token=step["mfa_token"], code=codes[0])
            assert done.status_code == 200, done.text
