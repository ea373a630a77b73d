"""Erasing a person: nothing is left of them in daily sight, what must be kept is sealed, money goes back."""

import asyncio
import json
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx
import pytest
from sqlalchemy import func, select, update

from billing.payments.models import Payment
from notifications.models import EmailLog
from scheduling.appointments.models import Appointment
from tenants.accounts.models import Client, SignIn, StaffRole
from tenants.accounts.names import ERASED
from tenants.privacy.erasure import destroy_sealed, erase_client
from tenants.privacy.models import Consent, Erasure
from tenants.settings.service import update_practice_settings
from tests.conftest import HttpFactory
from tests.support.checkout import make_desk
from tests.support.events import queued, run_due_events
from tests.support.mails import mails_of
from tests.support.practices import PASSWORD, make_client, make_staff_member
from tests.support.privacy import (
    CANARIES,
    CHILD,
    EMAIL,
    FIRST,
    LAST,
    NEW_EMAIL,
    NOTE,
    OLD_NOTE,
    REASON,
    Trail,
    dump,
    make_trail,
)
from tests.support.problems import assert_problem
from todoenbalance.kit import clock
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext


@pytest.fixture
def here(http: HttpFactory, practice: TenantContext) -> httpx.AsyncClient:
    return http(practice, headers={"Accept-Language": "en"})


@pytest.fixture
async def trail(runtime: Runtime, practice: TenantContext, here: httpx.AsyncClient) -> Trail:
    return await make_trail(runtime, practice, here)


async def erase(here: httpx.AsyncClient) -> dict[str, Any]:
    answer = await here.delete("/api/v1/users/me")
    assert answer.status_code == 200, answer.text
    receipt: dict[str, Any] = answer.json()
    return receipt


async def make_stale(runtime: Runtime, practice: TenantContext) -> None:
    """Everybody proved who they are an hour ago."""
    async with runtime.database.tenant(practice) as session:
        await session.execute(update(SignIn).values(authenticated_at=clock.now() - timedelta(hours=1)))


class TestErasing:
    async def test_leaves_no_trace_outside_the_sealed_record(
        self, runtime: Runtime, practice: TenantContext, here: httpx.AsyncClient, trail: Trail
    ) -> None:
        before = await dump(runtime, practice)
        for canary in (*CANARIES, REASON):
            assert canary in before, canary
        mailed = [mail.recipient for mail in await mails_of(runtime, practice)]
        assert {EMAIL, NEW_EMAIL} <= set(mailed)
        await erase(here)
        await run_due_events(runtime, practice)
        after = await dump(runtime, practice)
        for canary in (*CANARIES, REASON, str(trail.child_id)):
            found = [line for line in after.splitlines() if canary.lower() in line.lower()]
            assert found == [], canary

    async def test_the_receipt_says_what_the_preview_said_and_names_nobody(
        self, runtime: Runtime, practice: TenantContext, here: httpx.AsyncClient, trail: Trail
    ) -> None:
        zone = ZoneInfo(practice.timezone)
        preview = (await here.get("/api/v1/users/me/erasure")).json()
        receipt = await erase(here)
        assert {name: receipt[name] for name in preview} == preview
        assert receipt["requested_by"] == "client"
        for canary in CANARIES:
            assert canary not in json.dumps(receipt)
        treated = {(one["class"], one["action"]): one for one in preview["classes"]}
        visits = treated[("visits", "block")]
        async with runtime.database.tenant(practice) as session:
            visit = await session.get_one(Appointment, trail.visit_id)
            paid = await session.scalar(select(func.max(Payment.updated_at)).where(Payment.captured_minor > 0))
        assert visits["count"] == 1
        last_visit = visit.ends_at.astimezone(zone).date()
        assert visits["until"] == last_visit.replace(year=last_visit.year + 5).isoformat()
        assert "41/2002" in visits["explanation"]
        books = treated[("payments", "block")]
        assert paid is not None
        entry = paid.astimezone(zone).date()
        assert books["until"] == preview["blocked_until"] == entry.replace(year=entry.year + 6).isoformat()
        assert treated[("profile", "block")]["until"] == preview["blocked_until"]
        assert treated[("dependants", "block")]["count"] == 1
        assert ("sign_ins", "delete") in treated
        assert ("identities", "delete") in treated

    async def test_appointments_to_come_are_cancelled_and_paid_back_by_the_normal_rule(
        self, runtime: Runtime, practice: TenantContext, here: httpx.AsyncClient, trail: Trail
    ) -> None:
        receipt = await erase(here)
        (cancelled,) = receipt["cancellations"]
        assert cancelled["appointment_id"] == str(trail.paid_id)
        assert cancelled["refund"]["currency"] == "EUR"
        assert cancelled["refund"]["amount"] > 0
        await run_due_events(runtime, practice)
        row = await trail.desk.appointment(trail.paid_id)
        assert (row.status, row.cancelled_by, row.notes, row.dependant_id) == ("cancelled", "client", None, None)
        visit = await trail.desk.appointment(trail.visit_id)
        assert (visit.status, visit.notes) == ("completed", None)

    async def test_too_late_to_cancel_for_free_is_too_late_here_too(
        self, runtime: Runtime, practice: TenantContext, here: httpx.AsyncClient, trail: Trail
    ) -> None:
        async with runtime.database.tenant(practice) as session:
            row = await session.get_one(Appointment, trail.paid_id)
            row.refund_deadline = clock.now() - timedelta(hours=1)
        preview = (await here.get("/api/v1/users/me/erasure")).json()
        receipt = await erase(here)
        assert receipt["cancellations"] == preview["cancellations"]
        assert preview["cancellations"][0]["refund"]["amount"] == 0

    async def test_ends_every_sign_in_at_once_and_frees_the_address(
        self, runtime: Runtime, practice: TenantContext, here: httpx.AsyncClient, trail: Trail
    ) -> None:
        await erase(here)
        assert_problem(await here.get("/api/v1/users/me"), 401, "invalid_token")
        again = {"refresh_token": trail.client.refresh_token}
        assert_problem(await here.post("/api/v1/auth/refresh", json=again), 401, "invalid_refresh_token")
        form = {"username": EMAIL, "password": PASSWORD}
        assert_problem(await here.post("/api/v1/auth/login", data=form), 401, "invalid_credentials")
        assert_problem(await here.delete("/api/v1/users/me"), 401, "invalid_token")
        new = {"email": EMAIL, "password": "correct horse battery staple", "first_name": "Ana", "last_name": "Otra"}
        answer = await here.post("/api/v1/auth/register", json={**new, "accept_privacy": True})
        assert answer.status_code == 201, answer.text
        async with runtime.database.tenant(practice) as session:
            rows = (await session.scalars(select(Client).where(Client.email == EMAIL))).all()
            assert [row.first_name for row in rows] == ["Ana"]

    async def test_a_client_of_whom_nothing_must_be_kept_goes_without_a_stub(
        self, runtime: Runtime, practice: TenantContext, here: httpx.AsyncClient
    ) -> None:
        client = await make_client(runtime, practice, EMAIL, first_name=FIRST)
        here.headers.update(client.headers)
        await here.post(
            "/api/v1/users/me/dependants", json={"first_name": CHILD, "last_name": "x", "relationship": "child"}
        )
        receipt = await erase(here)
        assert receipt["blocked_until"] is None
        assert {one["action"] for one in receipt["classes"]} == {"delete"}
        async with runtime.database.tenant(practice) as session:
            assert await session.get(Client, client.id) is None
            (row,) = (await session.scalars(select(Erasure))).all()
            assert (row.sealed, row.blocked_until) == (None, None)
        assert "privacy.block_over" not in {event.topic for event in await queued(runtime, practice)}

    async def test_needs_a_fresh_sign_in(
        self, runtime: Runtime, practice: TenantContext, here: httpx.AsyncClient, trail: Trail
    ) -> None:
        await make_stale(runtime, practice)
        assert_problem(await here.delete("/api/v1/users/me"), 403, "fresh_sign_in_required")
        assert_problem(await here.get("/api/v1/users/me/export"), 403, "fresh_sign_in_required")
        assert (await here.get("/api/v1/users/me/erasure")).status_code == 200

    async def test_writes_to_nobody_who_was_erased_and_tells_the_practice_without_a_name(
        self, runtime: Runtime, practice: TenantContext, here: httpx.AsyncClient, trail: Trail
    ) -> None:
        await run_due_events(runtime, practice)
        await erase(here)
        await run_due_events(runtime, practice)
        left = await mails_of(runtime, practice)
        assert not [mail for mail in left if mail.recipient == EMAIL]
        told = [mail for mail in left if "Persona borrada" in mail.text or "Persona borrada" in mail.subject]
        assert told
        assert not any(FIRST in mail.text for mail in left)

    async def test_touches_nobody_else(
        self, runtime: Runtime, practice: TenantContext, other_practice: TenantContext, here: httpx.AsyncClient,
        http: HttpFactory, trail: Trail,
    ) -> None:  # fmt: skip
        other = await make_client(runtime, practice, first_name="Nadie", last_name="Mas")
        elsewhere = await make_client(runtime, other_practice, EMAIL)
        theirs = await trail.desk.book(other)
        await erase(here)
        await run_due_events(runtime, practice)
        assert (await here.get("/api/v1/users/me", headers=other.headers)).json()["first_name"] == "Nadie"
        assert (await trail.desk.appointment(theirs.id)).status == "held"
        there = http(other_practice, headers=elsewhere.headers)
        assert (await there.get("/api/v1/users/me")).json()["email"] == EMAIL

    async def test_leaves_the_log_of_mails_to_staff_who_have_the_same_address(
        self, runtime: Runtime, practice: TenantContext, here: httpx.AsyncClient
    ) -> None:
        staff = await make_staff_member(runtime, practice)
        await here.post("/api/v1/admin/auth/password/forgot", json={"email": staff.email})
        await run_due_events(runtime, practice)
        vandal = await make_client(runtime, practice, staff.email, is_verified=False)
        here.headers.update(vandal.headers)
        await erase(here)
        async with runtime.database.tenant(practice) as session:
            (row,) = (await session.scalars(select(EmailLog).where(EmailLog.recipient == staff.email))).all()
            assert row.subject


async def soon(request: Awaitable[httpx.Response], pauses: int) -> httpx.Response:
    """Sent while the erasure, which was sent first, is at work."""
    await asyncio.sleep(0.004 * pauses)
    return await request


class TestRaces:
    @pytest.mark.parametrize("leaves_a_stub", [True, False])
    async def test_what_a_client_says_of_themselves_meanwhile_is_not_kept(
        self, runtime: Runtime, practice: TenantContext, http: HttpFactory, leaves_a_stub: bool
    ) -> None:
        for _ in range(4):
            client = await make_client(runtime, practice)
            here = http(practice, headers=client.headers)
            if leaves_a_stub:
                desk = await make_desk(runtime, practice, client)
                await desk.book()
            profile = {"phone": "+34 600 111 222", "first_name": "Canario"}
            policy = {"document": "privacy", "version": "1"}
            answers = await asyncio.gather(
                here.delete("/api/v1/users/me"),
                *(soon(here.patch("/api/v1/users/me", json=profile), pause) for pause in (1, 2, 3)),
                *(soon(here.post("/api/v1/users/me/consents", json=policy), pause) for pause in (1, 2)),
            )
            assert {answer.status_code for answer in answers} <= {200, 201, 401, 404}, [a.text for a in answers]
            async with runtime.database.tenant(practice) as session:
                row = await session.get(Client, client.id)
                assert row is None or (row.phone, row.first_name) == (None, ERASED)
                assert (await session.scalars(select(Consent).where(Consent.client_id == client.id))).all() == []

    async def test_a_booking_that_meets_an_erasure_leaves_no_live_appointment(
        self, runtime: Runtime, practice: TenantContext, http: HttpFactory
    ) -> None:
        for attempt in range(6):
            client = await make_client(runtime, practice)
            desk = await make_desk(runtime, practice, client)
            here = http(practice, headers=client.headers)
            wishes = [
                here.post(
                    "/api/v1/appointments",
                    json={
                        "service_id": str(desk.service_id),
                        "starts_at": (desk.opens_at + timedelta(hours=hour)).isoformat(),
                    },
                )
                for hour in range(3)
            ]
            erasure = here.delete("/api/v1/users/me")
            asked = [erasure, *wishes] if attempt % 2 else [*wishes, erasure]
            answers = await asyncio.gather(*asked)
            assert {answer.status_code for answer in answers} <= {200, 201, 401, 404}, [a.text for a in answers]
            async with runtime.database.tenant(practice) as session:
                rows = await session.scalars(select(Appointment).where(Appointment.client_id == client.id))
                assert {row.status for row in rows} <= {"cancelled"}

    async def test_with_sign_ins_in_use_nobody_waits_for_ever_and_repeating_helps(
        self, runtime: Runtime, practice: TenantContext, http: HttpFactory
    ) -> None:
        for _ in range(4):
            client = await make_client(runtime, practice)
            desk = await make_desk(runtime, practice, client)
            here = http(practice, headers=client.headers)
            form = {"username": client.email, "password": PASSWORD}
            token = (await here.post("/api/v1/auth/login", data=form)).json()["access_token"]
            async with runtime.database.tenant(practice) as session:  # so that each request notes its use
                await session.execute(update(SignIn).values(last_seen_at=clock.now() - timedelta(minutes=5)))
            body = {"service_id": str(desk.service_id), "starts_at": desk.opens_at.isoformat()}
            other = {"Authorization": f"Bearer {token}"}
            booked, erased = await asyncio.gather(
                here.post("/api/v1/appointments", json=body, headers=other), here.delete("/api/v1/users/me")
            )
            assert booked.status_code in (201, 401, 404), booked.text
            assert erased.status_code == 200, erased.text
            async with runtime.database.tenant(practice) as session:
                rows = await session.scalars(select(Appointment).where(Appointment.client_id == client.id))
                assert {row.status for row in rows} <= {"cancelled"}

    async def test_two_erasures_at_once_make_one_receipt(
        self, runtime: Runtime, practice: TenantContext, http: HttpFactory
    ) -> None:
        client = await make_client(runtime, practice)
        here = http(practice, headers=client.headers)
        answers = await asyncio.gather(*(here.delete("/api/v1/users/me") for _ in range(3)))
        assert sorted(answer.status_code for answer in answers)[0] == 200
        assert {answer.status_code for answer in answers} <= {200, 401, 404, 409}
        async with runtime.database.tenant(practice) as session:
            assert len((await session.scalars(select(Erasure))).all()) == 1

    async def test_a_late_payment_does_not_revive_an_erased_persons_booking(
        self, runtime: Runtime, practice: TenantContext, here: httpx.AsyncClient
    ) -> None:
        client = await make_client(runtime, practice)
        here.headers.update(client.headers)
        desk = await make_desk(runtime, practice, client)
        lapsed = await desk.book()
        payment = await desk.pay(lapsed)
        await desk.expire(lapsed)
        await erase(here)
        await desk.confirm(payment)
        await desk.run()
        assert (await desk.appointment(lapsed.id)).status in ("cancelled", "expired")
        assert [refund.amount_minor for refund in await desk.refunds(payment.id)] == [4500]


class TestTheSealedRecord:
    async def test_is_opened_by_an_owner_with_a_reason_and_the_audit_trail_says_so(
        self, runtime: Runtime, practice: TenantContext, here: httpx.AsyncClient, trail: Trail
    ) -> None:
        annotation = "Anotación subjetiva"
        async with runtime.database.tenant(practice) as session:
            (await session.get_one(Appointment, trail.visit_id)).private_notes = annotation
        receipt = await erase(here)
        owner = await make_staff_member(runtime, practice)
        path = f"/api/v1/admin/erasures/{receipt['id']}/unseal"
        assert (await here.post(path, json={}, headers=owner.headers)).status_code == 422
        answer = await here.post(path, json={"reason": "Juzgado nº 3, oficio 12"}, headers=owner.headers)
        assert answer.status_code == 200, answer.text
        record = json.dumps(answer.json()["records"], ensure_ascii=False)
        for kept in (FIRST, LAST, EMAIL, OLD_NOTE, CHILD):
            assert kept in record, kept
        assert NOTE not in record  # of a visit that never took place
        assert annotation in record
        async with runtime.database.tenant(practice) as session:
            assert (await session.get_one(Appointment, trail.visit_id)).private_notes is None
        trail_of_staff = (await here.get("/api/v1/admin/audit", headers=owner.headers)).json()["items"]
        opened = [line for line in trail_of_staff if line["action"] == "erasure.unsealed"]
        assert [line["detail"]["reason"] for line in opened] == ["Juzgado nº 3, oficio 12"]
        listed = (await here.get("/api/v1/admin/erasures", headers=owner.headers)).json()["items"]
        assert [one["id"] for one in listed] == [receipt["id"]]

    async def test_is_destroyed_when_its_time_is_over_and_not_before(
        self, runtime: Runtime, practice: TenantContext, here: httpx.AsyncClient, trail: Trail
    ) -> None:
        receipt = await erase(here)
        (event,) = [row for row in await queued(runtime, practice) if row.topic == "privacy.block_over"]
        assert event.run_at.date().isoformat() in (
            receipt["blocked_until"],
            (event.run_at + timedelta(days=1)).date().isoformat(),
        )
        erasure_id = UUID(str(receipt["id"]))
        for _ in range(2):  # delivered twice
            async with runtime.database.tenant(practice) as session:
                assert await destroy_sealed(session, erasure_id) == event.run_at
        for _ in range(2):
            with clock.at(event.run_at + timedelta(minutes=1)):
                async with runtime.database.tenant(practice) as session:
                    assert await destroy_sealed(session, erasure_id) is None
        async with runtime.database.tenant(practice) as session:
            row = await session.get_one(Erasure, erasure_id)
            assert row.sealed is None
            assert row.destroyed_at is not None
        owner = await make_staff_member(runtime, practice)
        path = f"/api/v1/admin/erasures/{receipt['id']}/unseal"
        answer = await here.post(path, json={"reason": "too late"}, headers=owner.headers)
        assert_problem(answer, 409, "nothing_sealed")

    async def test_is_kept_as_long_as_the_practice_says(
        self, runtime: Runtime, practice: TenantContext, here: httpx.AsyncClient, trail: Trail
    ) -> None:
        async with runtime.database.tenant(practice) as session:
            await update_practice_settings(session, {"records_years": 20})
        preview = (await here.get("/api/v1/users/me/erasure")).json()
        assert preview["blocked_until"][:4] == str((clock.now() - timedelta(days=10)).year + 20)

    async def test_whose_time_is_over_already_is_not_made(
        self, runtime: Runtime, practice: TenantContext, trail: Trail
    ) -> None:
        client_id = trail.client.id
        with clock.at(clock.now() + timedelta(days=8 * 366)):
            async with runtime.database.tenant(practice) as session:
                made = await erase_client(session, runtime.vault, client_id, requested_by="staff")
            assert (made.sealed, made.blocked_until, made.receipt["blocked_until"]) == (None, None, None)
            assert {one["action"] for one in made.receipt["classes"]} <= {"delete", "anonymise"}
        text = await dump(runtime, practice)
        assert [canary for canary in CANARIES if canary in text] == []


class TestStaff:
    async def test_owners_alone_export_and_erase_on_request(
        self, runtime: Runtime, practice: TenantContext, here: httpx.AsyncClient, trail: Trail
    ) -> None:
        base = f"/api/v1/admin/clients/{trail.client.id}"
        for role in (StaffRole.MANAGER, StaffRole.PRACTITIONER, StaffRole.RECEPTION):
            headers = (await make_staff_member(runtime, practice, role)).headers
            for method, path in (
                ("GET", f"{base}/export"),
                ("GET", f"{base}/erasure"),
                ("DELETE", f"{base}?reason=carta"),
                ("GET", "/api/v1/admin/erasures"),
            ):
                assert_problem(await here.request(method, path, headers=headers), 403, "forbidden")
        owner = (await make_staff_member(runtime, practice)).headers
        assert (await here.get(f"{base}/export", headers=owner)).status_code == 200
        preview = await here.get(f"{base}/erasure", headers=owner)
        assert preview.status_code == 200
        assert (await here.delete(base, headers=owner)).status_code == 422
        answer = await here.delete(f"{base}?reason=Carta del 3 de mayo", headers=owner)
        assert answer.status_code == 200, answer.text
        assert answer.json()["requested_by"] == "staff"
        assert_problem(await here.delete(f"{base}?reason=otra vez", headers=owner), 409, "already_erased")
        assert_problem(await here.get(f"{base}/export", headers=owner), 404, "not_found")
        lines = (await here.get("/api/v1/admin/audit", headers=owner)).json()["items"]
        assert {"client.exported", "client.erased"} <= {line["action"] for line in lines}

    async def test_see_an_erased_person_as_one(
        self, runtime: Runtime, practice: TenantContext, here: httpx.AsyncClient, trail: Trail
    ) -> None:
        owner = (await make_staff_member(runtime, practice)).headers
        before = (await here.get(f"/api/v1/admin/appointments/{trail.visit_id}", headers=owner)).json()
        assert (before["client_name"], before["dependant_name"]) == (f"{FIRST} {LAST}", f"{CHILD} {LAST}")
        await erase(here)
        after = (await here.get(f"/api/v1/admin/appointments/{trail.visit_id}", headers=owner)).json()
        assert (after["client_name"], after["dependant_name"]) == ("Persona borrada", None)
        booking = {
            "service_id": str(trail.desk.service_id),
            "starts_at": (trail.desk.opens_at + timedelta(hours=40)).isoformat(),
            "client_id": str(trail.client.id),
        }
        answer = await here.post("/api/v1/admin/appointments", json=booking, headers=owner)
        assert_problem(answer, 422, "validation_error")

    async def test_of_another_practice_reach_nothing(
        self, runtime: Runtime, other_practice: TenantContext, http: HttpFactory, here: httpx.AsyncClient, trail: Trail
    ) -> None:
        receipt = await erase(here)
        there = http(other_practice, headers=(await make_staff_member(runtime, other_practice)).headers)
        for path in (f"clients/{trail.client.id}/export", f"clients/{trail.client.id}/erasure"):
            assert_problem(await there.get(f"/api/v1/admin/{path}"), 404, "not_found")
        answer = await there.post(f"/api/v1/admin/erasures/{receipt['id']}/unseal", json={"reason": "curious"})
        assert_problem(answer, 404, "not_found")
