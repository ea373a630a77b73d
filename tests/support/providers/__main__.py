"""Local providers as a process, for a developer's laptop and for browser tests: ``python -m tests.support.providers``.

Prints one line of JSON with the addresses and keys once they listen, and ends when it is interrupted. Test controls
are called over HTTP on a port of their own: ``POST /{provider}/{method}`` with a JSON object of arguments.
"""

import argparse
import json
import signal
import sys
import threading
from types import FrameType

from tests.support.providers.control_server import ControlServer
from tests.support.providers.paypal_server import PayPalServer
from tests.support.providers.sendgrid_server import SendGridServer
from tests.support.providers.stripe_server import PLATFORM_TEST_KEY, WEBHOOK_SECRET, StripeServer


def main(arguments: list[str] | None = None) -> int:
    """Runs until the process is told to end."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.providers", description=__doc__)
    parser.add_argument("--stripe-port", type=int, default=8421)
    parser.add_argument("--paypal-port", type=int, default=8422)
    parser.add_argument("--sendgrid-port", type=int, default=8423)
    parser.add_argument("--control-port", type=int, default=8420)
    parser.add_argument("--stripe-webhook-url", help="where events of connected accounts go")
    parser.add_argument("--stripe-webhook-secret", default=WEBHOOK_SECRET)
    parser.add_argument("--paypal-client-id", default="client")
    parser.add_argument("--paypal-secret", default="secret")
    chosen = parser.parse_args(arguments)

    over = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        over.set()

    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGTERM, end)
    with (
        StripeServer(chosen.stripe_port) as stripe,
        PayPalServer(chosen.paypal_port) as paypal,
        SendGridServer(chosen.sendgrid_port) as sendgrid,
        ControlServer(chosen.control_port, {"stripe": stripe, "paypal": paypal, "sendgrid": sendgrid}) as control,
    ):
        paypal.add_app(chosen.paypal_client_id, chosen.paypal_secret)
        if chosen.stripe_webhook_url:
            stripe.deliver_to(chosen.stripe_webhook_url, chosen.stripe_webhook_secret)
        ready = {
            "stripe": stripe.url,
            "stripe_key": PLATFORM_TEST_KEY,
            "stripe_webhook_secret": chosen.stripe_webhook_secret,
            "paypal": paypal.url,
            "paypal_client_id": chosen.paypal_client_id,
            "paypal_secret": chosen.paypal_secret,
            "sendgrid": sendgrid.url,
            "control": control.url,
        }
        sys.stdout.write(json.dumps(ready) + "\n")
        sys.stdout.flush()
        over.wait()
        for server in (stripe, paypal, sendgrid):
            for found in (*server.violations, *server.failures):
                sys.stderr.write(f"{found}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
