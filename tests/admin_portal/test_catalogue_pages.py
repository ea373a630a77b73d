"""The pages of services, practitioners and hours, as staff fill them in."""

import re
from datetime import date, time

import httpx
import pytest
from sqlalchemy import select

from scheduling.catalogue.models import (
    Practitioner,
    RecurringBlockedTimeSlot,
    RecurringTimeSlot,
    Service,
    ServicePractitioner,
)
from tenants.accounts.models import Staff, StaffAuditEntry
from tests.admin_portal.test_pages import book, staff_browser
from tests.conftest import HttpFactory
from tests.support.pages import HTML, assert_sober, form_of, submit
from tests.support.scheduling import make_offer
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext


@pytest.fixture
async def owner(http: HttpFactory, runtime: Runtime, practice: TenantContext) -> httpx.AsyncClient:
    """An owner's browser."""
    return await staff_browser(http, runtime, practice)


class TestServiceForm:
    async def test_everything_that_can_be_set_of_a_service_is_set_and_shown_again(
        self, owner: httpx.AsyncClient, runtime: Runtime, practice: TenantContext
    ) -> None:
        offer = await make_offer(runtime, practice)
        page = await owner.get(f"/admin/services/{offer.service_id}")
        assert_sober(page)
        own_price, own_minutes = f"own_price_{offer.practitioner_id}", f"own_minutes_{offer.practitioner_id}"
        typed = {
            "price": "45,50",
            "deposit": "10",
            own_price: "30",
            own_minutes: "90",
            "capacity": "8",
            "requires_approval": "yes",
            "approval_hours": "24",
            "max_per_day": "3",
            "max_per_week": "9",
            "cancel_notice_hours": "12",
            "move_notice_hours": "6",
            "refunds": "own",
            "tier_hours_1": "48",
            "tier_percent_1": "100",
            "tier_hours_2": "24",
            "tier_percent_2": "50",
            "no_show_fee": "15",
            "colour": "#1f6fb2",
            "position": "4",
        }
        assert (await submit(owner, page, **typed)).headers["location"] == "/admin/services"
        async with runtime.database.tenant(practice) as session:
            row = await session.get_one(Service, offer.service_id)
            assert (row.price_minor, row.deposit_minor, row.no_show_fee_minor) == (4550, 1000, 1500)
            assert (row.capacity, row.requires_approval, row.approval_hours) == (8, True, 24)
            assert (row.max_per_day, row.max_per_week, row.colour, row.position) == (3, 9, "#1f6fb2", 4)
            assert (row.cancel_notice_hours, row.move_notice_hours) == (12, 6)
            assert row.refund_tiers == [{"hours_before": 48, "percent": 100}, {"hours_before": 24, "percent": 50}]
            link = (await session.scalars(select(ServicePractitioner))).one()
            assert (link.price_minor, link.duration_minutes) == (3000, 90)
            noted = await session.scalars(select(StaffAuditEntry).where(StaffAuditEntry.action == "service.changed"))
            assert {"price", "practitioners", "refund_tiers", "no_show_fee"} <= set(noted.one().detail)
        trail = (await owner.get("/admin/audit")).text
        assert "refund_tiers: null → " in trail
        again = await owner.get(f"/admin/services/{offer.service_id}")
        shown = form_of(again).data
        assert {name: shown[name] for name in typed} == typed | {
            "price": "45.50",
            "deposit": "10.00",
            own_price: "30.00",
            "no_show_fee": "15.00",
        }
        listed = await owner.get("/admin/services")
        assert "Group of 8" in listed.text
        assert "On request" in listed.text
        emptied = dict.fromkeys((own_price, own_minutes, "capacity", "deposit", "no_show_fee", "colour"), "")
        emptied |= {"refunds": "never", "max_per_day": "", "max_per_week": ""}
        assert (await submit(owner, again, requires_approval=None, **emptied)).status_code == 303
        async with runtime.database.tenant(practice) as session:
            row = await session.get_one(Service, offer.service_id)
            assert (row.capacity, row.deposit_minor, row.no_show_fee_minor, row.colour) == (None, None, None, None)
            assert (row.refund_tiers, row.requires_approval, row.max_per_day) == ([], False, None)
            link = (await session.scalars(select(ServicePractitioner))).one()
            assert (link.price_minor, link.duration_minutes) == (None, None)

    @pytest.mark.parametrize(
        ("typed", "sentence"),
        [
            ({"refunds": "own"}, "Fill this in."),
            ({"refunds": "own", "tier_hours_1": "24"}, "Fill this in."),
            (
                {"refunds": "own", "tier_hours_1": "24", "tier_percent_1": "50", "tier_hours_2": "48",
                 "tier_percent_2": "100"},
                "The longest notice comes first, and a shorter one gives no more back.",
            ),
            ({"refunds": "own", "tier_hours_1": "24", "tier_percent_1": "150"}, "It must be at most 100."),
            ({"capacity": "0"}, "It must be at least 1."),
            ({"no_show_fee": "much"}, "Write an amount like 45.00."),
            ({"own_minutes": "3"}, "It must be at least 5."),
            ({"own_price": "free"}, "Write an amount like 45.00."),
            ({"colour": "red"}, "It is not written in the right way."),
            ({"position": "-1"}, "It must be at least 0."),
        ],
    )  # fmt: skip
    async def test_what_makes_no_sense_comes_back_as_typed_with_a_sentence(
        self, owner: httpx.AsyncClient, runtime: Runtime, practice: TenantContext, typed: dict[str, str], sentence: str
    ) -> None:
        offer = await make_offer(runtime, practice)
        named = {f"{name}_{offer.practitioner_id}" if name.startswith("own") else name: value for name, value in
                 typed.items()}  # fmt: skip
        page = await owner.get(f"/admin/services/{offer.service_id}")
        refused = await submit(owner, page, **named)
        assert refused.status_code == 422
        assert sentence in refused.text
        assert_sober(refused)
        for target in re.findall(r'<a href="#([^"]+)"', refused.text):
            if target != "main":
                assert f'id="{target}"' in refused.text
        assert {name: form_of(refused).data[name] for name in named} == named

    async def test_a_booked_service_does_not_become_a_group(
        self, owner: httpx.AsyncClient, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        offer = await make_offer(runtime, practice)
        await book(http, runtime, practice, offer)
        page = await owner.get(f"/admin/services/{offer.service_id}")
        refused = await submit(owner, page, capacity="8")
        assert refused.status_code == 409
        assert "This service was booked already" in refused.text

    async def test_who_works_on_public_holidays_is_said_on_their_page(
        self, owner: httpx.AsyncClient, runtime: Runtime, practice: TenantContext
    ) -> None:
        offer = await make_offer(runtime, practice)
        page = await owner.get(f"/admin/practitioners/{offer.practitioner_id}")
        assert (await submit(owner, page, works_on_holidays="yes", archived="yes")).status_code == 303
        async with runtime.database.tenant(practice) as session:
            assert (await session.get_one(Practitioner, offer.practitioner_id)).works_on_holidays is True
            actions = (await session.scalars(select(StaffAuditEntry.action))).all()
            assert "practitioner.changed" in actions
        again = form_of(await owner.get(f"/admin/practitioners/{offer.practitioner_id}")).data
        assert again["works_on_holidays"] == "yes"


class TestHours:
    async def test_hours_of_every_other_week_until_midnight_in_one_place_are_shown_in_words(
        self, owner: httpx.AsyncClient, runtime: Runtime, practice: TenantContext
    ) -> None:
        offer = await make_offer(runtime, practice)
        address = f"/admin/hours/{offer.practitioner_id}"
        typed = {
            "weekday": ["1", "2"],
            "start_time": "20:00",
            "end_time": "00:00",
            "repeats": "FREQ=WEEKLY;INTERVAL=2",
            "anchor_date": "2026-01-07",
            "location_kinds": ["online", "phone"],
        }
        page = await owner.get(address)
        assert_sober(page)
        assert (await submit(owner, page, "/weekly", **typed)).status_code == 303
        async with runtime.database.tenant(practice) as session:
            found = select(RecurringTimeSlot).where(RecurringTimeSlot.rrule.is_not(None))
            rows = (await session.scalars(found.order_by(RecurringTimeSlot.weekday))).all()
            assert [row.weekday for row in rows] == [1, 2]
            assert (rows[0].end_time, rows[0].anchor_date) == (time(), date(2026, 1, 7))
            assert rows[0].location_kinds == ["online", "phone"]
        shown = (await owner.get(address)).text
        assert "20:00–24:00" in shown
        assert "every 2 weeks from 7 Jan 2026" in shown
        assert "Online, By telephone" in shown

    async def test_every_week_needs_no_first_day_and_a_rule_of_ones_own_does(
        self, owner: httpx.AsyncClient, runtime: Runtime, practice: TenantContext
    ) -> None:
        offer = await make_offer(runtime, practice)
        page = await owner.get(f"/admin/hours/{offer.practitioner_id}")
        every = await submit(owner, page, "/weekly", weekday=["3"], repeats="", anchor_date="2026-01-07")
        assert every.status_code == 303
        for typed, sentence in (
            ({"repeats": "own", "anchor_date": "2026-01-07"}, "Fill this in."),
            ({"repeats": "own", "rrule": "FREQ=WEEKLY"}, "Fill this in."),
            ({"repeats": "own", "rrule": "weekly", "anchor_date": "2026-01-07"}, "Write a rule like FREQ=WEEKLY"),
            (
                {"repeats": "own", "rrule": "FREQ=WEEKLY;BYDAY=TU", "anchor_date": "2026-01-07"},
                "This rule gives no day.",
            ),
            ({"repeats": "FREQ=HOURLY", "anchor_date": "2026-01-07"}, "Write a rule like FREQ=WEEKLY"),
            ({"repeats": "FREQ=WEEKLY;INTERVAL=2", "anchor_date": "soon"}, "not valid"),
        ):
            refused = await submit(owner, page, "/weekly", weekday=["3"], **typed)
            assert refused.status_code == 422
            assert sentence in refused.text

    async def test_a_block_that_comes_back_is_made_shown_in_both_languages_and_taken_away(
        self, owner: httpx.AsyncClient, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        offer = await make_offer(runtime, practice)
        address = f"/admin/hours/{offer.practitioner_id}"
        typed = {
            "anchor_date": "2026-01-07",
            "start_time": "14:00",
            "duration_minutes": "90",
            "repeats": "own",
            "rrule": "freq=monthly;byday=1MO,-1FR;until=20271231",
            "reason": "Team",
        }
        made = await submit(owner, await owner.get(address), "/recurring-blocks", **typed)
        assert made.headers["location"] == f"{address}#recurring-blocks"
        page = await owner.get(address)
        words = "every month on the first Monday and the last Friday from 7 Jan 2026 until 31 Dec 2027"
        assert f"14:00, 90 min, {words}" in page.text
        async with runtime.database.tenant(practice) as session:
            block = (await session.scalars(select(RecurringBlockedTimeSlot))).one()
            assert (block.rrule, block.reason) == ("FREQ=MONTHLY;BYDAY=1MO,-1FR;UNTIL=20271231", "Team")
            for account in await session.scalars(select(Staff)):
                account.locale = "es"
        spanish = (await owner.get(address)).text
        assert "cada mes el primer lunes y el último viernes desde el 7 ene 2026 hasta el 31 dic 2027" in spanish
        assert (await submit(owner, page, f"/recurring-blocks/{block.id}/delete")).status_code == 303
        assert "Team" not in (await owner.get(address)).text
        refused = await submit(owner, await owner.get(address), "/recurring-blocks", **typed | {"rrule": "x"})
        assert refused.status_code == 422

    async def test_the_page_says_what_stands_in_a_block_or_in_hours_that_end_and_leads_there(
        self, owner: httpx.AsyncClient, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        offer = await make_offer(runtime, practice)
        address = f"/admin/hours/{offer.practitioner_id}"
        appointment, _payment = await book(http, runtime, practice, offer)
        rule = {"anchor_date": "2025-01-01", "start_time": "00:00", "duration_minutes": "1440", "repeats": "FREQ=DAILY"}
        made = await submit(owner, await owner.get(address), "/recurring-blocks", **rule)
        said = await owner.get(made.headers["location"])
        assert "1 appointment stands in that time." in said.text
        assert "Nothing was cancelled" in said.text
        link = re.search(r'href="(/admin/appointments\?[^"]+)"', said.text)
        assert link
        assert f"/admin/appointments/{appointment}" in (await owner.get(link.group(1).replace("&amp;", "&"))).text
        async with runtime.database.tenant(practice) as session:
            slots = (await session.scalars(select(RecurringTimeSlot))).all()
        counted = 0
        for slot in slots:
            gone = await submit(owner, await owner.get(address), f"/weekly/{slot.id}/delete")
            counted += "inside=1" in gone.headers["location"]
        assert counted == 1
        for forged in ("?inside=x", "?inside=-1", "?inside=²", "?inside=0", "?inside="):
            assert "stands in that time" not in (await owner.get(address + forged, headers=HTML)).text
