"""The pages that people see at Stripe: checkout, the bank's question, onboarding, the customer portal."""

import html
from collections.abc import Mapping
from typing import Final

from tests.support.providers.server import Answer
from tests.support.providers.stripe import accounts, sessions, setups, subscriptions
from tests.support.providers.stripe.errors import StripeError
from tests.support.providers.stripe.events import emit
from tests.support.providers.stripe.sessions import Outcome
from tests.support.providers.stripe.shapes import Json
from tests.support.providers.stripe.world import World

ROOT: Final = "/_/"


def page(world: World, method: str, path: str, form: Mapping[str, str]) -> Answer | None:
    """The page at this path, or what follows from a button on it; None for a path that is no page."""
    if not path.startswith(ROOT):
        return None
    name, _, thing_id = path.removeprefix(ROOT).partition("/")
    try:
        return {
            "checkout": _checkout,
            "authenticate": _authenticate,
            "connect": _connect,
            "portal": _portal,
        }[name](world, thing_id, form.get("action", "") if method == "POST" else "", form)
    except (LookupError, StripeError) as error:
        return Answer(404, drawn("Nothing here", f"<p>{html.escape(str(error))}</p>"))


def drawn(title: str, content: str) -> str:
    """A page of ours, plain."""
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><h1>{html.escape(title)}</h1>{content}</html>'
    )


def buttons(*named: tuple[str, str]) -> str:
    """A form with a button for each action."""
    drawn_buttons = " ".join(f'<button name="action" value="{value}">{label}</button>' for value, label in named)
    return f'<form method="post">{drawn_buttons}</form>'


def _checkout(world: World, session_id: str, action: str, form: Mapping[str, str]) -> Answer:
    scope = world.whose(session_id)
    session = sessions.current(world, scope, session_id)
    if session["status"] != "open":
        return Answer(410, drawn("This session is over", f"<p>{session['status']}</p>"))
    if action == "abandon":
        return _redirect(session["cancel_url"] or world.base_url())
    if action:
        try:
            email = form.get("email") or "clara@example.com"
            decline = form.get("decline_code", "generic_decline")
            sessions.submit(world, scope, session, Outcome(action), decline_code=decline, email=email)
        except StripeError as error:
            return Answer(402, drawn("Local Stripe", f'<p role="alert">{error.body["message"]}</p>{_pay(session)}'))
        return _after(world, session)
    return Answer(200, drawn("Local Stripe", _pay(session)))


def _pay(session: Json) -> str:
    amount = "" if session["amount_total"] is None else f"{session['amount_total']} {session['currency']}"
    choices = (
        (Outcome.APPROVE.value, "Pay"),
        (Outcome.DECLINE.value, "Pay with a card that is declined"),
        (Outcome.AUTHENTICATE.value, "Pay with a card whose bank asks"),
        (Outcome.SLOW.value, "Pay by direct debit"),
        ("abandon", "Back"),
    )
    return f"<p>{html.escape(session['id'])}: <strong>{amount}</strong></p>{buttons(*choices)}"


def _after(world: World, session: Json) -> Answer:
    if session["status"] == "complete":
        return _redirect(returning(session))
    return _redirect(f"{world.base_url()}{ROOT}authenticate/{session['id']}")


def returning(session: Json) -> str:
    """Where the client goes after paying."""
    target: str = session["success_url"] or session["return_url"]
    return target.replace("{CHECKOUT_SESSION_ID}", session["id"])


def _authenticate(world: World, thing_id: str, action: str, form: Mapping[str, str]) -> Answer:
    scope = world.whose(thing_id)
    thing = world.find(scope, thing_id)
    assert thing is not None
    if not action:
        return Answer(200, drawn("Your bank asks", buttons(("pass", "It is me"), ("fail", "It is not me"))))
    passes = action == "pass"
    if thing["object"] == "checkout.session":
        sessions.authenticated(world, scope, thing, passes=passes)
        return _redirect(returning(thing) if passes else f"{world.base_url()}{ROOT}checkout/{thing_id}")
    if thing["object"] == "setup_intent":
        setups.authenticate(world, scope, thing, passes=passes)
        kind = "setup_intent"
    else:
        sessions.authenticate_intent(world, scope, thing, passes=passes)
        kind = "payment_intent"
    back = thing.get("_return_url") or form.get("return_url") or world.base_url()
    glue, status = "&" if "?" in back else "?", "succeeded" if passes else "failed"
    secret = thing["client_secret"]
    return _redirect(f"{back}{glue}{kind}={thing_id}&{kind}_client_secret={secret}&redirect_status={status}")


def _connect(world: World, token: str, action: str, _form: Mapping[str, str]) -> Answer:
    scope = world.whose(token)
    link = world.find(scope, token)
    assert link is not None
    if link["_expires"] <= world.now() or link.get("_used"):
        return _redirect(link["_body"]["refresh_url"])
    if not action:
        choices = (("finish", "Finish"), ("leave", "Save for later"), ("stale", "Come back after the link has ended"))
        return Answer(200, drawn("Local Stripe onboarding", buttons(*choices)))
    link["_used"] = True
    if action == "stale":
        return _redirect(link["_body"]["refresh_url"])
    if action == "finish":
        accounts.onboard(world, world.get(scope, "account", link["_account"]))
    return _redirect(link["_body"]["return_url"])


def _portal(world: World, session_id: str, action: str, _form: Mapping[str, str]) -> Answer:
    scope = world.whose(session_id)
    session = world.get(scope, "billing_portal.session", session_id)
    customer = world.get(scope, "customer", session["customer"])
    if not action:
        choices = (("card", "New card"), ("cancel", "End the subscription"), ("back", "Back"))
        return Answer(200, drawn("Local customer portal", buttons(*choices)))
    if action == "card":
        subscriptions.give_new_card(world, scope, customer)
    if action == "cancel":
        for it in world.every(scope, "subscription"):
            if it["customer"] == customer["id"] and it["status"] not in subscriptions.ENDED:
                it["cancel_at_period_end"] = True
                emit(world, scope, "customer.subscription.updated", it, {"cancel_at_period_end": False})
    return _redirect(session["return_url"] or world.base_url())


def _redirect(url: str) -> Answer:
    return Answer(303, None, {"Location": url})
