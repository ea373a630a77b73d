"""The local providers as a process of their own, as a laptop and the browser tests have them."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.contract.places import CHECKOUT
from tests.contract.providers.stripe_payments import session_params
from tests.support.providers.clients import stripe_client

PORTS = ("--stripe-port=0", "--paypal-port=0", "--sendgrid-port=0", "--control-port=0")
END_SECONDS = 30


@pytest.fixture
def running() -> Iterator[dict[str, Any]]:
    """What the process says of itself."""
    command = [sys.executable, "-m", "tests.support.providers", *PORTS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=CHECKOUT, text=True) as process:
        assert process.stdout is not None
        ready: dict[str, Any] = json.loads(process.stdout.readline())
        yield ready
        process.send_signal(signal.SIGTERM)
        assert process.wait(END_SECONDS) == 0


def test_clients_pay_there_by_a_call(running: dict[str, Any]) -> None:
    with httpx.Client(base_url=running["control"], trust_env=False) as control:
        account_id = control.post("/stripe/add_account", json={}).json()["result"]
        params: Any = session_params()
        with stripe_client(running["stripe"], running["stripe_key"], account_id=account_id) as client:
            session = client.v1.checkout.sessions.create(params)

        where = control.post("/stripe/pay", json={"session_id": session.id}).json()["result"]
        paid = control.post("/stripe/find", json={"object_id": session.id}).json()["result"]

        assert where == "https://practice.test/return"
        assert paid["payment_status"] == "paid"
        assert control.get("/stripe/violations").json() == {"result": []}
        assert control.post("/stripe/stop", json={}).status_code == 404
        assert control.post("/paypal/find", json={"thing_id": "none"}).status_code == 404
