"""Practitioners' own prices and lengths, group services, and what the audit trail says of changes to the catalogue."""

from typing import Any

import httpx
import pytest
from sqlalchemy import select

from scheduling.catalogue.models import ServicePractitioner
from tenants.accounts.models import StaffAuditEntry, StaffRole
from tests.admin_portal.test_catalogue import NEW_SERVICE, create
from tests.conftest import HttpFactory
from tests.support.practices import make_client, make_staff_member
from tests.support.problems import assert_problem
from tests.support.scheduling import make_offer, set_practice
from todoenbalance.kit.pagination import encode_cursor
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

CHEAPER = {"amount": 3000, "currency": "EUR"}
TIERS = [{"hours_before": 48, "percent": 100}, {"hours_before": 24, "percent": 50}]


@pytest.fixture
async def manager(runtime: Runtime, practice: TenantContext, http: HttpFactory) -> httpx.AsyncClient:
    """A manager of the practice, signed in."""
    return http(practice, headers=(await make_staff_member(runtime, practice, StaffRole.MANAGER)).headers)


async def audited(runtime: Runtime, practice: TenantContext) -> list[tuple[str, dict[str, Any]]]:
    """What the audit trail says, in order."""
    async with runtime.database.tenant(practice) as session:
        rows = (await session.scalars(select(StaffAuditEntry).order_by(StaffAuditEntry.id))).all()
        return [(row.action, row.detail) for row in rows if row.action.split(".")[0] in ("service", "practitioner")]


class TestOwnTerms:
    async def test_everyone_sees_what_a_service_costs_and_lasts_with_each_practitioner(
        self, manager: httpx.AsyncClient
    ) -> None:
        ana, eva = [(await create(manager, "practitioners", {"name": name}))["id"] for name in ("Ana", "Eva")]
        people = [{"practitioner_id": ana, "price": CHEAPER, "duration_minutes": 30}, {"practitioner_id": eva}]
        made = await create(manager, "services", NEW_SERVICE | {"practitioners": people})
        assert made["practitioner_ids"] == [ana, eva]
        assert made["practitioners"] == [
            {"practitioner_id": ana, "price": CHEAPER, "duration_minutes": 30},
            {"practitioner_id": eva, "price": None, "duration_minutes": None},
        ]
        public = (await manager.get("/api/v1/services")).json()["items"][0]
        assert public["practitioners"] == [
            {"id": ana, "price": CHEAPER, "duration_minutes": 30},
            {"id": eva, "price": NEW_SERVICE["price"], "duration_minutes": 45},
        ]

    async def test_free_with_one_of_them_is_a_price_too(self, manager: httpx.AsyncClient) -> None:
        ana = (await create(manager, "practitioners", {"name": "Ana"}))["id"]
        free = {"amount": 0, "currency": "EUR"}
        await create(manager, "services", NEW_SERVICE | {"practitioners": [{"practitioner_id": ana, "price": free}]})
        public = (await manager.get("/api/v1/services")).json()["items"][0]
        assert public["practitioners"][0]["price"] == free

    async def test_naming_who_offers_it_keeps_the_terms_of_those_who_stay(
        self, runtime: Runtime, practice: TenantContext, manager: httpx.AsyncClient
    ) -> None:
        ana, eva = [(await create(manager, "practitioners", {"name": name}))["id"] for name in ("Ana", "Eva")]
        own = {"practitioner_id": ana, "price": CHEAPER, "duration_minutes": 30}
        service = await create(manager, "services", NEW_SERVICE | {"practitioners": [own]})
        other = await create(manager, "services", NEW_SERVICE)
        path = f"/api/v1/admin/services/{service['id']}"
        changed = (await manager.patch(path, json={"practitioner_ids": [eva, ana]})).json()
        assert own in changed["practitioners"]
        offers = {"service_ids": [other["id"], service["id"]]}
        assert (await manager.patch(f"/api/v1/admin/practitioners/{ana}", json=offers)).status_code == 200
        assert own in (await manager.get(path)).json()["practitioners"]
        assert (await manager.patch(path, json={"name": "Otro"})).json()["practitioners"] == changed["practitioners"]
        gone = (await manager.patch(path, json={"practitioner_ids": [eva]})).json()
        assert gone["practitioner_ids"] == [eva]
        back = (await manager.patch(path, json={"practitioner_ids": [eva, ana]})).json()
        assert {one["price"] and 1 for one in back["practitioners"]} == {None}
        async with runtime.database.tenant(practice) as session:
            assert len((await session.scalars(select(ServicePractitioner))).all()) == 3

    async def test_giving_the_terms_replaces_them(self, manager: httpx.AsyncClient) -> None:
        ana, eva = [(await create(manager, "practitioners", {"name": name}))["id"] for name in ("Ana", "Eva")]
        people = [{"practitioner_id": ana, "price": CHEAPER}, {"practitioner_id": eva, "duration_minutes": 90}]
        service = await create(manager, "services", NEW_SERVICE | {"practitioners": people})
        path = f"/api/v1/admin/services/{service['id']}"
        changed = (await manager.patch(path, json={"practitioners": [{"practitioner_id": eva}]})).json()
        assert changed["practitioners"] == [{"practitioner_id": eva, "price": None, "duration_minutes": None}]
        assert (await manager.patch(path, json={"practitioners": []})).json()["practitioner_ids"] == []


class TestTerms:
    async def test_without_tiers_of_its_own_a_service_follows_the_practice(
        self, runtime: Runtime, practice: TenantContext, manager: httpx.AsyncClient
    ) -> None:
        made = await create(manager, "services", NEW_SERVICE | {"cancel_notice_hours": 12, "move_notice_hours": 6})
        await set_practice(runtime, practice, cancellation_notice_hours=36)
        policy = {
            "cancel_notice_hours": 12,
            "move_notice_hours": 6,
            "refund_tiers": [{"hours_before": 36, "percent": 100}],
            "no_show_fee": None,
        }
        assert (await manager.get("/api/v1/services")).json()["items"][0]["cancellation_policy"] == policy
        path = f"/api/v1/admin/services/{made['id']}"
        own = (await manager.patch(path, json={"refund_tiers": TIERS, "no_show_fee": CHEAPER})).json()
        assert (own["refund_tiers"], own["no_show_fee"]) == (TIERS, CHEAPER)
        shown = (await manager.get("/api/v1/services")).json()["items"][0]["cancellation_policy"]
        assert shown == policy | {"refund_tiers": TIERS, "no_show_fee": CHEAPER}
        never = (await manager.patch(path, json={"refund_tiers": []})).json()
        assert never["cancellation_policy"]["refund_tiers"] == []
        theirs = (await manager.patch(path, json={"refund_tiers": None, "no_show_fee": None})).json()
        assert theirs["cancellation_policy"] == policy


class TestOrder:
    async def test_services_are_listed_by_their_place_then_as_they_were_made(self, manager: httpx.AsyncClient) -> None:
        made = [
            (await create(manager, "services", NEW_SERVICE | {"position": place, "colour": "#A0B1C2"}))["id"]
            for place in (2, 0, 1, 0)
        ]
        wanted = [made[1], made[3], made[2], made[0]]
        for path in ("/api/v1/services", "/api/v1/admin/services"):
            seen, cursor = [], None
            while True:
                params = {"limit": 1} | ({"cursor": cursor} if cursor else {})
                page = (await manager.get(path, params=params)).json()
                seen += [item["id"] for item in page["items"]]
                assert page["items"][0]["colour"] == "#a0b1c2"
                if (cursor := page["next_cursor"]) is None:
                    break
            assert seen == wanted

    @pytest.mark.parametrize("place", [10**30, -(10**10), 2**31, "x"])
    async def test_a_cursor_beyond_the_column_is_refused(self, manager: httpx.AsyncClient, place: Any) -> None:
        cursor = encode_cursor([place, "01900000-0000-7000-8000-000000000000"])
        assert_problem(await manager.get("/api/v1/services", params={"cursor": cursor}), 422, "validation_error")


class TestGroups:
    async def test_seats_change_freely_until_the_first_booking_then_only_their_number(
        self, runtime: Runtime, practice: TenantContext, manager: httpx.AsyncClient, http: HttpFactory
    ) -> None:
        offer = await make_offer(runtime, practice)
        path = f"/api/v1/admin/services/{offer.service_id}"
        assert (await manager.patch(path, json={"capacity": 8})).json()["capacity"] == 8
        assert (await manager.patch(path, json={"capacity": None})).json()["capacity"] is None
        client = http(practice, headers=(await make_client(runtime, practice)).headers)
        days = {"service_id": str(offer.service_id), "from": "2026-11-30", "to": "2026-12-20"}
        free = (await client.get("/api/v1/time-slots", params=days)).json()["items"]
        body = {"service_id": str(offer.service_id), "starts_at": free[0]["starts_at"]}
        assert (await client.post("/api/v1/appointments", json=body)).status_code == 201
        assert_problem(await manager.patch(path, json={"capacity": 8}), 409, "service_was_booked")
        assert (await manager.patch(path, json={"capacity": None, "name": "Otro"})).json()["name"] == "Otro"


class TestAudit:
    async def test_prices_terms_and_archiving_are_noted_and_names_are_not(
        self, runtime: Runtime, practice: TenantContext, manager: httpx.AsyncClient
    ) -> None:
        service = await create(manager, "services", NEW_SERVICE)
        ana = (await create(manager, "practitioners", {"name": "Ana"}))["id"]
        path, hers = f"/api/v1/admin/services/{service['id']}", f"/api/v1/admin/practitioners/{ana}"
        for body in ({"name": "Otro"}, {"price": NEW_SERVICE["price"]}, {"price": CHEAPER, "refund_tiers": TIERS}):
            assert (await manager.patch(path, json=body)).status_code == 200
        assert (await manager.patch(path, json={"archived": True})).status_code == 200
        for body in ({"bio": "Dietista"}, {"archived": True}):
            assert (await manager.patch(hers, json=body)).status_code == 200
        assert (await manager.delete(path)).status_code == 204
        assert (await manager.delete(hers)).status_code == 204
        assert await audited(runtime, practice) == [
            (
                "service.changed",
                {
                    "price": {"from": NEW_SERVICE["price"], "to": CHEAPER},
                    "refund_tiers": {"from": None, "to": TIERS},
                },
            ),
            ("service.changed", {"archived": {"from": False, "to": True}}),
            ("practitioner.changed", {"archived": {"from": False, "to": True}}),
            ("service.removed", {}),
            ("practitioner.removed", {}),
        ]
