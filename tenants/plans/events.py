"""Events of plans; payloads carry ids and codes only."""

PLAN_CHANGED = "plan.changed"
"""A practice's: ``{from, to, by_kind, by_id}``; its own audit trail is told. And, unless an operator did it, the
platform's with ``tenant_id`` besides, for the operators' trail."""

SUBSCRIPTION_ALIGN = "subscription.align"
"""The platform's: ``{tenant_id}``; the subscription is to charge for the plan that the practice is on."""
