"""The sandbox's page: what it shows, what its buttons do, and what it refuses."""

import httpx
import pytest

from billing.checkout.schemas import PaymentRead, RedirectAction
from billing.payments.models import PaymentStatus
from scheduling.appointments.models import AppointmentStatus
from tests.conftest import HttpFactory
from tests.support.checkout import Desk
from tests.support.problems import assert_problem
from todoenbalance.kit.tenancy import TenantContext


@pytest.fixture
async def payment(desk: Desk) -> PaymentRead:
    """A payment that waits for its client."""
    return await desk.start(await desk.book(), return_url="/thanks", cancel_url="http://localhost:3000/sorry")


@pytest.fixture
def browser(desk: Desk, http: HttpFactory) -> httpx.AsyncClient:
    """On the practice's host."""
    return http(desk.practice, headers={"Accept-Language": "en"})


def url_of(payment: PaymentRead) -> str:
    assert isinstance(payment.next_action, RedirectAction)
    return payment.next_action.url


class TestPage:
    async def test_shows_what_is_to_be_paid_and_two_buttons(
        self, payment: PaymentRead, browser: httpx.AsyncClient, desk: Desk
    ) -> None:
        page = await browser.get(url_of(payment))
        assert page.status_code == 200
        assert '<html lang="en">' in page.text
        assert "€45.00" in page.text
        assert "Primera consulta" in page.text
        assert desk.practice.name in page.text
        assert page.text.count("<button") == 2
        assert "<script" not in page.text
        assert "<style" not in page.text
        assert "style=" not in page.text

    async def test_speaks_spanish(self, payment: PaymentRead, desk: Desk, http: HttpFactory) -> None:
        page = await http(desk.practice).get(url_of(payment), headers={"Accept-Language": "es"})
        assert "Aprobar el pago" in page.text
        assert "45,00" in page.text

    async def test_its_policy_allows_nothing_from_elsewhere_but_the_ways_back(
        self, payment: PaymentRead, browser: httpx.AsyncClient, desk: Desk
    ) -> None:
        policy = (await browser.get(url_of(payment))).headers["content-security-policy"]
        assert policy.startswith("default-src 'self'; ")
        own = f"http://{desk.practice.slug}.localhost:8000"
        assert f"form-action 'self' http://localhost:3000 {own};" in policy
        style = await browser.get("/static/pages.css")
        assert style.headers["content-type"].startswith("text/css")

    async def test_what_it_shows_is_text(self, desk: Desk, browser: httpx.AsyncClient) -> None:
        async with desk.runtime.database.tenant(desk.practice) as session:
            order = await desk.order_of(await desk.start(await desk.book()))
            order = await session.get_one(type(order), order.id)
            order.description = "<script>alert(1)</script>"
        page = await browser.get(f"/sandbox/pay/{order.id}")
        assert "<script>" not in page.text
        assert "&lt;script&gt;" in page.text

    async def test_an_unknown_order_is_not_found(
        self, payment: PaymentRead, browser: httpx.AsyncClient, http: HttpFactory, other_practice: TenantContext
    ) -> None:
        assert_problem(await browser.get("/sandbox/pay/sbx_nobody"), 404, "not_found")
        answer = await browser.post("/sandbox/pay/sbx_nobody", data={"outcome": "approve"})
        assert_problem(answer, 404, "not_found")
        path = httpx.URL(url_of(payment)).path
        assert_problem(await http(other_practice).get(path), 404, "not_found")


class TestButtons:
    async def test_approving_leads_back_and_captures(
        self, payment: PaymentRead, browser: httpx.AsyncClient, desk: Desk
    ) -> None:
        answer = await browser.post(url_of(payment), data={"outcome": "approve", "webhook": "drop"})
        assert answer.status_code == 303
        assert answer.headers["location"] == f"http://{desk.practice.slug}.localhost:8000/thanks"
        assert (await desk.order_of(payment)).status == "captured"

    async def test_declining_leads_to_the_other_way_back(
        self, payment: PaymentRead, browser: httpx.AsyncClient, desk: Desk
    ) -> None:
        answer = await browser.post(url_of(payment), data={"outcome": "decline", "webhook": "drop"})
        assert answer.status_code == 303
        assert answer.headers["location"] == "http://localhost:3000/sorry"
        assert (await desk.confirm(payment)).status is PaymentStatus.FAILED

    async def test_a_repeated_click_leads_back_again(
        self, payment: PaymentRead, browser: httpx.AsyncClient, desk: Desk
    ) -> None:
        for _ in range(2):
            answer = await browser.post(url_of(payment), data={"outcome": "approve", "webhook": "drop"})
            assert answer.status_code == 303
        page = await browser.get(url_of(payment))
        assert "has been made already" in page.text
        assert "<button" not in page.text

    async def test_an_order_that_was_called_off_is_refused_with_a_sentence(
        self, desk: Desk, browser: httpx.AsyncClient
    ) -> None:
        appointment = await desk.book()
        payment = await desk.start(appointment)
        await desk.expire(appointment)
        await desk.run()
        answer = await browser.post(url_of(payment), data={"outcome": "approve", "webhook": "drop"})
        assert answer.status_code == 409
        assert "can&#39;t be made any more" in answer.text
        late = await browser.post(url_of(payment), data={"outcome": "approve", "webhook": "drop", "force": "late"})
        assert late.status_code == 303
        await desk.confirm(payment)
        assert (await desk.appointment(appointment.id)).status == AppointmentStatus.CONFIRMED

    async def test_other_forms_are_not_understood(self, payment: PaymentRead, browser: httpx.AsyncClient) -> None:
        for form in ({}, {"outcome": "perhaps"}, {"outcome": "approve", "webhook": "never"}):
            assert_problem(await browser.post(url_of(payment), data=form), 422, "validation_error")
