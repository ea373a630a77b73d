"""The main job over HTTP against the running processes: onboard, publish hours, book, pay, be told."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import icalendar
import pytest

from tests.support.problems import assert_problem
from tests.support.stack import OPERATOR, RunningStack, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("stack")]


def bearer(tokens: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens['access_token']}"}


@dataclass
class Practice:
    """A practice made from outside, with its owner signed in and one service to book."""

    slug: str
    owner: dict[str, str]
    practitioner_id: str
    service_id: str


def ok(answer: httpx.Response, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None


def onboard(stack: RunningStack) -> Practice:
    """Onboard a practice as operator, accept as owner, publish a service and hours."""
    slug = f"story-{secrets.token_hex(4)}"
    address = f"duena@{slug}.example.com"
    with stack.http() as platform:
        form = {"username": OPERATOR[0], "password": OPERATOR[1]}
        tokens = ok(platform.post("/api/v1/platform/auth/login", data=form))
        body = {
            "slug": slug,
            "name": "Nutrición Historia",
            "country": "ES",
            "timezone": "Europe/Madrid",
            "locale": "es",
            "currency": "EUR",
            "owner": {"email": address, "first_name": "Dora", "last_name": "Dueña"},
        }
        tenant = ok(platform.post("/api/v1/platform/tenants", json=body, headers=bearer(tokens)), 201)
        assert tenant["status"] == "active"
    invitation = stack.wait_for_mail(slug, address, "")
    assert f"http://{slug}.localhost:{stack.port}/admin/accept-invitation?token=" in invitation["text"]
    with stack.http(slug) as practice:
        token = tenant["invitation_url"].rpartition("token=")[2]
        accepted = {"token": token, "password": "una dueña con clave"}
        ok(practice.post("/api/v1/admin/auth/accept-invitation", json=accepted))
        form = {"username": address, "password": accepted["password"]}
        owner = bearer(ok(practice.post("/api/v1/admin/auth/login", data=form)))
        practitioner = ok(practice.post("/api/v1/admin/practitioners", json={"name": "Nuria"}, headers=owner), 201)
        service = ok(
            practice.post(
                "/api/v1/admin/services",
                json={
                    "name": "Consulta",
                    "duration_minutes": 60,
                    "price": {"amount": 4500, "currency": "EUR"},
                    "practitioner_ids": [practitioner["id"]],
                },
                headers=owner,
            ),
            201,
        )
        for weekday in range(1, 8):
            hours = {
                "practitioner_id": practitioner["id"],
                "weekday": weekday,
                "start_time": "09:00",
                "end_time": "13:00",
            }
            ok(practice.post("/api/v1/admin/recurring-time-slots", json=hours, headers=owner), 201)
    return Practice(slug, owner, practitioner["id"], service["id"])


def register(practice: httpx.Client) -> tuple[str, dict[str, str]]:
    """A new client, signed in."""
    email = f"c{secrets.token_hex(4)}@example.com"
    body = {
        "email": email,
        "password": "clave de la clienta",
        "first_name": "Carmen",
        "last_name": "Clienta",
        "accept_privacy": True,
    }
    ok(practice.post("/api/v1/auth/register", json=body), 201)
    form = {"username": email, "password": body["password"]}
    return email, bearer(ok(practice.post("/api/v1/auth/login", data=form)))


def free_times(practice: httpx.Client, service_id: str, days_ahead: int = 3) -> list[dict[str, str]]:
    first = datetime.now(UTC).date() + timedelta(days=days_ahead)
    params = {"service_id": service_id, "from": str(first), "to": str(first + timedelta(days=7))}
    items: list[dict[str, str]] = ok(practice.get("/api/v1/time-slots", params=params))["items"]
    return items


def book(practice: httpx.Client, client: dict[str, str], service_id: str, slot: dict[str, str]) -> Any:
    body = {"service_id": service_id, "starts_at": slot["starts_at"], "practitioner_id": slot["practitioner_id"]}
    return ok(practice.post("/api/v1/appointments", json=body, headers=client), 201)


def pay(practice: httpx.Client, client: dict[str, str], appointment_id: str, base: str, method: str = "sandbox") -> Any:
    body = {
        "appointment_id": appointment_id,
        "method": method,
        "return_url": f"{base}/done",
        "cancel_url": f"{base}/back",
    }
    return ok(practice.post("/api/v1/payments", json=body, headers=client), 201)


@pytest.fixture(scope="session")
def story(stack: RunningStack) -> Practice:
    """One practice for the tests of this module."""
    return onboard(stack)


class TestTheMainJob:
    def test_book_pay_and_be_told(self, stack: RunningStack, story: Practice) -> None:
        with stack.http(story.slug) as practice:
            email, client = register(practice)
            slot = free_times(practice, story.service_id)[0]
            key = {"Idempotency-Key": secrets.token_hex(8)}
            body = {"service_id": story.service_id, "starts_at": slot["starts_at"]}
            first = practice.post("/api/v1/appointments", json=body, headers=client | key)
            appointment = ok(first, 201)
            again = practice.post("/api/v1/appointments", json=body, headers=client | key)
            assert ok(again, 201) == appointment
            other = practice.post("/api/v1/appointments", json=body | {"notes": "x"}, headers=client | key)
            assert_problem(other, 422, "idempotency_key_reused")
            assert appointment["status"] == "held"
            assert appointment["amount_due"] == {"amount": 4500, "currency": "EUR"}
            assert slot["starts_at"] not in {one["starts_at"] for one in free_times(practice, story.service_id)}

            payment = pay(practice, client, appointment["id"], stack.url(story.slug))
            assert payment["status"] == "requires_action"
            assert payment["next_action"]["type"] == "redirect"
            page = practice.get(payment["next_action"]["url"])
            assert page.status_code == 200
            assert "45,00" in page.text
            approved = practice.post(payment["next_action"]["url"], data={"outcome": "approve"})
            assert approved.status_code == 303
            assert approved.headers["location"].startswith(f"{stack.url(story.slug)}/done")

            # Nobody comes back from the provider's page: the webhook alone has to settle it.
            def confirmed() -> bool:
                state = ok(practice.get(f"/api/v1/appointments/{appointment['id']}", headers=client))
                return bool(state["status"] == "confirmed")

            wait_for(confirmed, "the appointment to be confirmed by the webhook")
            settled = ok(practice.get(f"/api/v1/payments/{payment['id']}", headers=client))
            assert settled["status"] == "succeeded"
            again = ok(practice.post(f"/api/v1/payments/{payment['id']}/confirm", headers=client))
            assert again["status"] == "succeeded"

            mail = stack.wait_for_mail(story.slug, email, "(?i)confirmada|cita")
            assert "attachments" in mail
            [attachment] = mail["attachments"]
            assert attachment["content_type"].startswith("text/calendar")
            file = practice.get(f"/dev/mailbox/{mail['id']}/attachments/{attachment['filename']}")
            event = icalendar.Calendar.from_ical(file.content).walk("VEVENT")[0]
            assert event.decoded("DTSTART") == datetime.fromisoformat(slot["starts_at"])

    def test_a_declined_payment_leaves_the_hold_and_can_be_tried_again(
        self, stack: RunningStack, story: Practice
    ) -> None:
        with stack.http(story.slug) as practice:
            _, client = register(practice)
            appointment = book(practice, client, story.service_id, free_times(practice, story.service_id)[0])
            payment = pay(practice, client, appointment["id"], stack.url(story.slug))
            declined = practice.post(payment["next_action"]["url"], data={"outcome": "decline", "webhook": "drop"})
            assert declined.status_code == 303
            assert declined.headers["location"].startswith(f"{stack.url(story.slug)}/back")
            ok(practice.post(f"/api/v1/payments/{payment['id']}/confirm", headers=client))
            state = ok(practice.get(f"/api/v1/appointments/{appointment['id']}", headers=client))
            assert state["status"] == "held"
            second = pay(practice, client, appointment["id"], stack.url(story.slug))
            practice.post(second["next_action"]["url"], data={"outcome": "approve", "webhook": "drop"})
            assert (
                ok(practice.post(f"/api/v1/payments/{second['id']}/confirm", headers=client))["status"] == "succeeded"
            )
            state = ok(practice.get(f"/api/v1/appointments/{appointment['id']}", headers=client))
            assert state["status"] == "confirmed"

    def test_cancelling_gives_the_money_back_and_frees_the_time(self, stack: RunningStack, story: Practice) -> None:
        with stack.http(story.slug) as practice:
            email, client = register(practice)
            slot = free_times(practice, story.service_id, days_ahead=10)[0]
            appointment = book(practice, client, story.service_id, slot)
            payment = pay(practice, client, appointment["id"], stack.url(story.slug))
            practice.post(payment["next_action"]["url"], data={"outcome": "approve", "webhook": "duplicate"})
            ok(practice.post(f"/api/v1/payments/{payment['id']}/confirm", headers=client))
            url = f"/api/v1/appointments/{appointment['id']}/cancel"
            cancelled = ok(practice.post(url, json={"reason": "viaje"}, headers=client))
            assert cancelled["status"] == "cancelled"
            assert cancelled["refund"] == {"amount": 4500, "currency": "EUR"}

            def refunded() -> bool:
                state = ok(practice.get(f"/api/v1/payments/{payment['id']}", headers=client))
                return bool(state["status"] == "refunded")

            wait_for(refunded, "the refund")
            assert slot in free_times(practice, story.service_id, days_ahead=10)
            stack.wait_for_mail(story.slug, email, "(?i)cancelad")

    def test_paying_at_the_practice_confirms_at_once_and_is_recorded_by_staff(
        self, stack: RunningStack, story: Practice
    ) -> None:
        with stack.http(story.slug) as practice:
            _, client = register(practice)
            appointment = book(practice, client, story.service_id, free_times(practice, story.service_id)[0])
            payment = pay(practice, client, appointment["id"], stack.url(story.slug), "offline")
            assert payment["next_action"] is None
            state = ok(practice.get(f"/api/v1/appointments/{appointment['id']}", headers=client))
            assert state["status"] == "confirmed"

    def test_the_two_demo_practices_are_apart(self, stack: RunningStack) -> None:
        with stack.http("demo") as demo, stack.http("vital") as vital:
            form = {"username": "client@demo.example.com", "password": "client-demo-1"}
            tokens = ok(demo.post("/api/v1/auth/login", data=form))
            assert_problem(vital.post("/api/v1/auth/login", data=form), 401, "invalid_credentials")
            assert len(ok(demo.get("/api/v1/appointments", headers=bearer(tokens)))["items"]) == 5
            assert_problem(vital.get("/api/v1/appointments", headers=bearer(tokens)), 401, "invalid_token")
            assert ok(demo.get("/api/v1/practice"))["timezone"] == "Europe/Madrid"
            assert ok(vital.get("/api/v1/practice"))["timezone"] == "Atlantic/Canary"
            theirs = {one["id"] for one in ok(vital.get("/api/v1/services"))["items"]}
            ours = {one["id"] for one in ok(demo.get("/api/v1/services"))["items"]}
            assert len(ours) == len(theirs) == 3
            assert not ours & theirs
