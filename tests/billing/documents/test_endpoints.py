"""Documents over the API: who issues, to whom, the staff's and the client's views, and nobody else's."""

from typing import Any

import httpx
import pytest
from sqlalchemy import select

from tenants.accounts.models import StaffAuditEntry, StaffRole
from tests.conftest import HttpFactory
from tests.support.checkout import PRICE, Desk
from tests.support.documents import CLIENT, ISSUER, issued_at, pay, price, refund, set_client, set_issuer, text_of
from tests.support.practices import make_client, make_staff_member
from tests.support.problems import assert_problem
from todoenbalance.kit import clock
from todoenbalance.kit.tenancy import TenantContext

ADMIN, OWN, PROFILE = "/api/v1/admin/documents", "/api/v1/documents", "/api/v1/users/me/billing-profile"


@pytest.fixture
async def owner(http: HttpFactory, desk: Desk) -> httpx.AsyncClient:
    staff = await make_staff_member(desk.runtime, desk.practice)
    return http(desk.practice, headers={**staff.headers, "Accept-Language": "en"})


@pytest.fixture
def client(http: HttpFactory, desk: Desk) -> httpx.AsyncClient:
    return http(desk.practice, headers=desk.client.headers)


@pytest.fixture
async def issuing(desk: Desk) -> Desk:
    await set_issuer(desk.runtime, desk.practice)
    return desk


async def actions(desk: Desk) -> list[str]:
    async with desk.runtime.database.tenant(desk.practice) as session:
        return list((await session.scalars(select(StaffAuditEntry.action).order_by(StaffAuditEntry.id))).all())


class TestTheIssuer:
    async def test_is_unknown_until_said_and_then_kept(self, owner: httpx.AsyncClient, desk: Desk) -> None:
        assert_problem(await owner.get(f"{ADMIN}/issuer"), 409, "issuer_missing")
        answer = await owner.put(f"{ADMIN}/issuer", json=ISSUER | {"tax_id": "es-b58378431", "country": "es"})
        assert answer.status_code == 200, answer.text
        assert (answer.json()["tax_id"], answer.json()["country"]) == ("B58378431", "ES")
        assert (await owner.get(f"{ADMIN}/issuer")).json() == answer.json()
        assert await actions(desk) == ["documents.issuer_changed"]

    @pytest.mark.parametrize(
        "change",
        [
            {"tax_id": "B58378432"},
            {"tax_area": "other"},
            {"country": "PT", "tax_id": "PT501964843"},
            {"country": "España"},
            {"full_series": "S"},
            {"full_series": "f"},
            {"full_series": "A-B"},
            {"legal_name": "a\nb"},
            {"legal_name": "  "},
            {"footer": "x" * 1001},
            {"simplified_limit": "none"},
            {"other": 1},
        ],
    )
    async def test_what_can_not_be_is_refused(self, owner: httpx.AsyncClient, change: dict[str, Any]) -> None:
        assert_problem(await owner.put(f"{ADMIN}/issuer", json=ISSUER | change), 422, "validation_error")
        assert_problem(await owner.get(f"{ADMIN}/issuer"), 409, "issuer_missing")

    async def test_has_rates_of_its_own_if_it_wants(self, owner: httpx.AsyncClient) -> None:
        rates = [{"treatment": "general", "valid_from": "2026-01-01", "rate_bp": 1900}]
        assert (await owner.put(f"{ADMIN}/tax-rates", json={"rates": rates})).json() == {"rates": rates}
        assert_problem(await owner.put(f"{ADMIN}/tax-rates", json={"rates": rates * 2}), 422, "validation_error")
        exempt = [{**rates[0], "treatment": "exempt_health"}]
        assert_problem(await owner.put(f"{ADMIN}/tax-rates", json={"rates": exempt}), 422, "validation_error")
        assert (await owner.get(f"{ADMIN}/tax-rates")).json() == {"rates": rates}
        assert (await owner.put(f"{ADMIN}/tax-rates", json={"rates": []})).json() == {"rates": []}


class TestBillingDetails:
    async def test_are_the_clients_to_say_to_change_and_to_take_away(self, client: httpx.AsyncClient) -> None:
        assert_problem(await client.get(PROFILE), 404, "not_found")
        said = await client.put(PROFILE, json=CLIENT | {"tax_id": "12.345.678-z"})
        assert said.status_code == 200
        assert said.json()["tax_id"] == "12345678Z"
        assert_problem(await client.put(PROFILE, json=CLIENT | {"tax_id": "12345678A"}), 422, "validation_error")
        assert (await client.get(PROFILE)).json() == said.json()
        assert (await client.delete(PROFILE)).status_code == 204
        assert_problem(await client.get(PROFILE), 404, "not_found")

    async def test_staff_say_them_for_a_client_and_it_is_audited(self, owner: httpx.AsyncClient, desk: Desk) -> None:
        path = f"/api/v1/admin/clients/{desk.client.id}/billing-profile"
        assert (await owner.put(path, json=CLIENT)).status_code == 200
        assert (await owner.get(path)).json()["legal_name"] == CLIENT["legal_name"]
        assert await actions(desk) == ["client.billing_profile_changed"]

    async def test_are_nobody_elses(self, http: HttpFactory, desk: Desk, client: httpx.AsyncClient) -> None:
        await client.put(PROFILE, json=CLIENT)
        stranger = http(desk.practice, headers=(await make_client(desk.runtime, desk.practice)).headers)
        assert_problem(await stranger.get(PROFILE), 404, "not_found")


class TestTheClientsView:
    async def test_lists_reads_and_downloads_their_own(self, client: httpx.AsyncClient, issuing: Desk) -> None:
        payment = await pay(issuing)
        (item,) = (await client.get(OWN)).json()["items"]
        assert item["total"] == {"amount": PRICE, "currency": "EUR"}
        assert (item["kind"], item["payment_id"], item["replaced_by"]) == ("simplified", str(payment.id), None)
        assert item["lines"][0]["treatment"] == "exempt_health"
        assert (await client.get(f"{OWN}/{item['id']}")).json() == item
        pdf = await client.get(f"{OWN}/{item['id']}.pdf")
        assert pdf.headers["content-type"] == "application/pdf"
        assert pdf.headers["cache-control"] == "no-store"
        assert f'filename="{item["number"]}.pdf"' in pdf.headers["content-disposition"]
        assert item["number"] in text_of(pdf.content)
        page = await client.get(f"{OWN}/{item['id']}.html")
        assert page.headers["content-security-policy"].startswith("default-src 'none'")
        assert item["number"] in page.text

    async def test_a_full_invoice_of_money_that_went_back_is_refused(
        self, client: httpx.AsyncClient, issuing: Desk
    ) -> None:
        returned, corrected = await pay(issuing), await pay(issuing)
        await refund(issuing, returned.id)
        await refund(issuing, corrected.id, 1000)
        await client.put(PROFILE, json=CLIENT)
        items = (await client.get(OWN)).json()["items"]
        simplified = {one["payment_id"]: one["id"] for one in items if one["kind"] == "simplified"}
        refused = await client.post(f"{OWN}/{simplified[str(returned.id)]}/full-invoice")
        assert_problem(refused, 409, "nothing_to_document")
        refused = await client.post(f"{OWN}/{simplified[str(corrected.id)]}/full-invoice")
        assert_problem(refused, 409, "document_corrected")

    async def test_a_full_invoice_is_asked_for_once_the_details_are_there(
        self, client: httpx.AsyncClient, issuing: Desk
    ) -> None:
        await pay(issuing)
        simplified = (await client.get(OWN)).json()["items"][0]
        path = f"{OWN}/{simplified['id']}/full-invoice"
        assert_problem(await client.post(path), 409, "client_data_needed")
        await client.put(PROFILE, json=CLIENT)
        made = await client.post(path)
        assert made.status_code == 201
        assert (made.json()["kind"], made.json()["replaces"]) == ("full", simplified["number"])
        assert (await client.post(path)).json() == made.json()
        assert (await client.get(f"{OWN}/{simplified['id']}")).json()["replaced_by"] == made.json()["number"]

    async def test_shows_nothing_of_others(
        self, http: HttpFactory, issuing: Desk, other_practice: TenantContext
    ) -> None:
        await set_client(issuing)
        await pay(issuing)
        (document,) = await issued_at(issuing)
        stranger = http(issuing.practice, headers=(await make_client(issuing.runtime, issuing.practice)).headers)
        assert (await stranger.get(OWN)).json()["items"] == []
        for ending in ("", ".pdf", ".html"):
            assert_problem(await stranger.get(f"{OWN}/{document.id}{ending}"), 404, "not_found")
        assert_problem(await stranger.post(f"{OWN}/{document.id}/full-invoice"), 404, "not_found")
        staff = await make_staff_member(issuing.runtime, other_practice)
        elsewhere = http(other_practice, headers=staff.headers)
        for ending in ("", ".pdf", ".html"):
            assert_problem(await elsewhere.get(f"{ADMIN}/{document.id}{ending}"), 404, "not_found")
        here = http(issuing.practice, headers=staff.headers)
        assert (await here.get(f"{ADMIN}/{document.id}")).status_code == 401


class TestTheStaffsView:
    async def test_filters_by_day_kind_series_client_and_payment(self, owner: httpx.AsyncClient, issuing: Desk) -> None:
        first = await pay(issuing)
        await set_client(issuing)
        await pay(issuing)
        today = clock.now().date().isoformat()

        async def numbers(**query: str) -> list[str]:
            answer = await owner.get(ADMIN, params=query)
            assert answer.status_code == 200, answer.text
            return [item["number"].split("-")[0] for item in answer.json()["items"]]

        assert await numbers() == ["F", "S"]
        assert await numbers(kind="simplified") == ["S"]
        assert await numbers(series="F") == ["F"]
        assert await numbers(payment_id=str(first.id)) == ["S"]
        assert await numbers(client_id=str(issuing.client.id)) == ["F", "S"]
        assert await numbers(client_id=str(first.id)) == []
        assert await numbers(since="2100-01-01") == []
        assert await numbers(until="2001-01-01") == []
        assert await numbers(since=today[:8] + "01", until="2100-01-01") == ["F", "S"]
        page = (await owner.get(ADMIN, params={"limit": 1})).json()
        rest = (await owner.get(ADMIN, params={"limit": 1, "cursor": page["next_cursor"]})).json()
        assert [page["items"][0]["kind"], rest["items"][0]["kind"]] == ["full", "simplified"]
        assert page["items"][0]["recipient"] == CLIENT
        assert len(page["items"][0]["hash"]) == 64
        assert page["items"][0]["transmission"] == "off"

    async def test_issues_by_hand_and_says_why_not(self, owner: httpx.AsyncClient, desk: Desk) -> None:
        payment = await pay(desk)
        body = {"payment_id": str(payment.id)}
        assert_problem(await owner.post(ADMIN, json=body), 409, "issuer_missing")
        await set_issuer(desk.runtime, desk.practice, issues_automatically=False)
        assert_problem(await owner.post(ADMIN, json=body | {"kind": "full"}), 409, "client_data_needed")
        made = await owner.post(ADMIN, json=body)
        assert (made.status_code, made.json()["kind"]) == (201, "simplified")
        assert (await owner.post(ADMIN, json=body)).json()["id"] == made.json()["id"]
        receipt = await owner.post(ADMIN, json=body | {"kind": "receipt"})
        assert (receipt.json()["kind"], receipt.json()["hash"]) == ("receipt", None)
        assert_problem(await owner.post(ADMIN, json={"payment_id": str(issued_id(made))}), 404, "not_found")

    async def test_sees_what_waits(self, owner: httpx.AsyncClient, issuing: Desk) -> None:
        await price(issuing, 50_000)
        payment = await pay(issuing)
        (item,) = (await owner.get(f"{ADMIN}/waiting")).json()["items"]
        assert (item["payment_id"], item["reason"]) == (str(payment.id), "client_data_needed")

    async def test_corrects_once_for_one_key(self, owner: httpx.AsyncClient, issuing: Desk) -> None:
        await set_client(issuing)
        await pay(issuing)
        (invoice,) = await issued_at(issuing)
        path = f"{ADMIN}/{invoice.id}/rectify"
        body = {"method": "differences", "amount": {"amount": 500, "currency": "EUR"}, "reason": "Descuento"}
        answers = [await owner.post(path, json=body, headers={"Idempotency-Key": "k"}) for _ in range(2)]
        assert [one.status_code for one in answers] == [201, 201]
        assert answers[0].json() == answers[1].json()
        assert answers[0].json()["total"] == {"amount": -500, "currency": "EUR"}
        for wrong in (
            body | {"reason": None},
            body | {"amount": None},
            body | {"amount": {"amount": 0, "currency": "EUR"}},
            body | {"amount": {"amount": 500, "currency": "USD"}},
            body | {"method": "magic"},
        ):
            assert_problem(await owner.post(path, json=wrong), 422, "validation_error")
        too_much = body | {"amount": {"amount": PRICE, "currency": "EUR"}}
        assert_problem(await owner.post(path, json=too_much), 422, "correction_exceeds_document")
        assert_problem(await owner.post(path, json={"method": "substitution"}), 409, "nothing_changed")
        assert await actions(issuing) == ["document.rectified"]

    async def test_exports_and_it_is_audited(self, owner: httpx.AsyncClient, issuing: Desk) -> None:
        await pay(issuing)
        today = clock.now().date()
        query: dict[str, str | int] = {"year": today.year, "quarter": (today.month + 2) // 3, "format": "csv"}
        answer = await owner.get(f"{ADMIN}/export", params=query)
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        assert "attachment" in answer.headers["content-disposition"]
        assert f"S-{today.year}-0001" in answer.text
        assert_problem(await owner.get(f"{ADMIN}/export", params=query | {"quarter": 5}), 422, "validation_error")
        assert await actions(issuing) == ["documents.exported"]

    @pytest.mark.parametrize("role", [StaffRole.RECEPTION, StaffRole.PRACTITIONER])
    async def test_the_front_desk_neither_corrects_nor_exports(
        self, http: HttpFactory, issuing: Desk, role: StaffRole
    ) -> None:
        await pay(issuing)
        (invoice,) = await issued_at(issuing)
        staff = http(
            issuing.practice, headers=(await make_staff_member(issuing.runtime, issuing.practice, role)).headers
        )
        body = {"method": "substitution"}
        assert_problem(await staff.post(f"{ADMIN}/{invoice.id}/rectify", json=body), 403, "forbidden")
        export = await staff.get(f"{ADMIN}/export", params={"year": 2026, "quarter": 4})
        assert_problem(export, 403, "forbidden")
        seen = await staff.get(f"{ADMIN}/{invoice.id}.pdf")
        assert seen.status_code == (200 if role is StaffRole.RECEPTION else 403)


def issued_id(answer: httpx.Response) -> object:
    return answer.json()["id"]
