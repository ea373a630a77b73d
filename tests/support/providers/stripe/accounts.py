"""Connected accounts: made by the platform, onboarded by the practice, taken back by either."""

from typing import Final

from tests.support.providers.stripe.errors import StripeError, invalid
from tests.support.providers.stripe.events import emit
from tests.support.providers.stripe.shapes import Json
from tests.support.providers.stripe.world import (
    APPLICATION,
    PLATFORM,
    Call,
    Scope,
    World,
    merge_metadata,
    metadata_of,
    route,
)

LINK_SECONDS: Final = 300
DUE_AT_FIRST: Final = (
    "business_profile.mcc", "business_profile.url", "business_type", "external_account",
    "representative.first_name", "tos_acceptance.date",
)  # fmt: skip


def requirements(due: tuple[str, ...] = (), **fields: object) -> Json:
    """What Stripe still wants; nothing by default."""
    blank: Json = {
        "alternatives": [],
        "current_deadline": None,
        "currently_due": list(due),
        "disabled_reason": None,
        "errors": [],
        "eventually_due": list(due),
        "past_due": [],
        "pending_verification": [],
    }
    return blank | fields


def add_account(world: World, livemode: bool, body: Json) -> Json:
    """An account of the platform's in this mode, not onboarded yet."""
    country = body.get("country", "ES")
    made = world.add(
        Scope(PLATFORM, livemode),
        "account",
        "acct",
        business_type=body.get("business_type"),
        charges_enabled=False,
        payouts_enabled=False,
        details_submitted=False,
        country=country,
        default_currency=body.get("default_currency", "eur"),
        email=body.get("email"),
        metadata=metadata_of(body),
        type=_type_of(body),
    )
    made["capabilities"] = {"card_payments": "inactive", "transfers": "inactive"}
    made["controller"] = _controller(body)
    made["requirements"] = requirements(
        DUE_AT_FIRST, past_due=list(DUE_AT_FIRST), disabled_reason="requirements.past_due"
    )
    made["future_requirements"] = requirements()
    made["business_profile"] = dict(body.get("business_profile") or {})
    return made


def change(world: World, account: Json, **fields: object) -> None:
    """Something about the account changes at Stripe; the platform hears ``account.updated``."""
    before = {name: account[name] for name in fields}
    account.update(fields)
    scope = Scope(account["id"], world.whose(account["id"]).livemode)
    emit(world, scope, "account.updated", account, before)


def onboard(world: World, account: Json) -> None:
    """The practice has filled everything in, and Stripe is content."""
    change(
        world,
        account,
        details_submitted=True,
        charges_enabled=True,
        payouts_enabled=True,
        capabilities={"card_payments": "active", "transfers": "active"},
        requirements=requirements(),
    )


def deauthorize(world: World, account: Json) -> None:
    """The practice takes the platform's access back: the signed event is the last thing that is heard."""
    scope = Scope(account["id"], world.whose(account["id"]).livemode)
    application = world.shapes.make("application", id=APPLICATION, name="TODOenBALANCE")
    world.deauthorized.add(account["id"])
    emit(world, scope, "account.application.deauthorized", application)


def _type_of(body: Json) -> str:
    dashboard = ((body.get("controller") or {}).get("stripe_dashboard") or {}).get("type", "full")
    by_dashboard = {"full": "standard", "express": "express", "none": "custom"}[dashboard]
    kind: str = body.get("type", by_dashboard if body.get("controller") else "standard")
    return kind


def _controller(body: Json) -> Json:
    asked = body.get("controller") or {}
    return {
        "type": "application",
        "is_controller": True,
        "fees": {"payer": (asked.get("fees") or {}).get("payer", "account")},
        "losses": {"payments": (asked.get("losses") or {}).get("payments", "stripe")},
        "requirement_collection": asked.get("requirement_collection", "stripe"),
        "stripe_dashboard": {"type": (asked.get("stripe_dashboard") or {}).get("type", "full")},
    }


@route("POST", "/v1/accounts")
def create_account(world: World, call: Call) -> Json:
    """With ``controller``, or with the older ``type``, never both."""
    if "type" in call.body and "controller" in call.body:
        raise invalid("You may not specify both type and controller.", param="type")
    if call.key.account != PLATFORM:
        raise StripeError(403, "Only platforms can create accounts.", code="platform_account_required")
    made = add_account(world, call.scope.livemode, call.body)
    return world.present(call.scope, made, call.body.get("expand"))


@route("GET", "/v1/accounts/{account}")
def retrieve_account(world: World, call: Call) -> Json:
    """One of the platform's, or the caller's own."""
    return world.present(call.scope, _account(world, call, call.path["account"]), call.query.get("expand"))


@route("GET", "/v1/account")
def retrieve_own(world: World, call: Call) -> Json:
    """The account that the call is for."""
    return world.present(call.scope, _account(world, call, call.scope.account), call.query.get("expand"))


@route("GET", "/v1/accounts")
def list_accounts(world: World, call: Call) -> Json:
    """The platform's."""
    kept = world.every(call.scope, "account")
    found = [it for it in kept if it["id"] not in world.deauthorized and not it.get("_own_keys")]
    return world.page(call, "account", found)


@route("POST", "/v1/accounts/{account}")
def update_account(world: World, call: Call) -> Json:
    """What the platform may say about it."""
    found, body = _account(world, call, call.path["account"]), call.body
    for name in ("email", "business_type", "default_currency"):
        if name in body:
            found[name] = body[name]
    if "business_profile" in body:
        found["business_profile"] = (found["business_profile"] or {}) | body["business_profile"]
    merge_metadata(found, body)
    return world.present(call.scope, found, body.get("expand"))


@route("POST", "/v1/account_links")
def create_link(world: World, call: Call) -> Json:
    """One page, once, for five minutes."""
    body = call.body
    account = _account(world, call, body["account"])
    for name in ("refresh_url", "return_url"):
        if name not in body:
            raise invalid(f"You must provide {name}.", code="parameter_missing", param=name)
        if call.scope.livemode and not body[name].startswith("https://"):
            raise invalid("Livemode requests must use https addresses.", code="url_invalid", param=name)
    link = world.shapes.make("account_link", created=world.now(), expires_at=world.now() + LINK_SECONDS)
    token = world.new_id("alink")
    link["url"] = f"{world.base_url()}/_/connect/{token}"
    kept = {"id": token, "object": "_link", "_account": account["id"], "_body": body, "_expires": link["expires_at"]}
    world.store(Scope(PLATFORM, call.scope.livemode), kept)
    return link


@route("POST", "/v1/account_sessions")
def create_account_session(world: World, call: Call) -> Json:
    """What embedded components are shown with."""
    account = _account(world, call, call.body["account"])
    made = world.shapes.make("account_session", account=account["id"], livemode=call.scope.livemode)
    made |= {"client_secret": world.new_id("accs_secret"), "expires_at": world.now() + LINK_SECONDS}
    for name, asked in call.body["components"].items():
        if name in made["components"]:
            made["components"][name]["enabled"] = bool(asked.get("enabled"))
    return made


@route("POST", "/v1/accounts/{account}/login_links")
def create_login_link(world: World, call: Call) -> Json:
    """Only for accounts with the express dashboard; the others have a password of their own."""
    account = _account(world, call, call.path["account"])
    if account["controller"]["stripe_dashboard"]["type"] != "express":
        raise invalid("Cannot create a login link for an account that is not an Express account.")
    url = f"{world.base_url()}/_/dashboard/{account['id']}"
    return world.shapes.make("login_link", created=world.now(), url=url)


@route("POST", "/oauth/deauthorize")
def deauthorize_call(world: World, call: Call) -> Json:
    """The platform gives the account back."""
    account_id = call.body["stripe_user_id"]
    found = world.find(Scope(PLATFORM, call.scope.livemode), account_id)
    if call.body["client_id"] != APPLICATION or found is None or account_id in world.deauthorized:
        raise StripeError(
            401, f"This application is not connected to stripe account {account_id}.", code="invalid_client"
        )
    deauthorize(world, found)
    return {"stripe_user_id": account_id}


def _account(world: World, call: Call, account_id: str) -> Json:
    found = world.find(Scope(PLATFORM, call.scope.livemode), account_id)
    if found is None or account_id in world.deauthorized or not _is_reachable(call, found):
        raise StripeError(
            403,
            f"The provided key does not have access to account '{account_id}' (or that account does not exist). "
            "Application access may have been revoked.",
            code="account_invalid",
        )
    return found


def _is_reachable(call: Call, account: Json) -> bool:
    if account.get("_own_keys"):
        return bool(call.key.account == account["id"])
    return call.key.account == PLATFORM
