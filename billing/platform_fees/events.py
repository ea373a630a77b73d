"""Events of the platform's own charging; payloads carry ids only. All but one belong to no practice."""

PLATFORM_EVENT_RECEIVED = "platform_event.received"
"""``{platform_event_id}``: a verified webhook of the platform's own account waits to be handled."""

SUBSCRIPTION_CHECK = "subscription.check"
"""``{tenant_id, due}``: read the subscription again, in case an event of the provider's was lost; void if the row
names another time by now."""

STATEMENT_CLOSE = "fee_statement.close"
"""``{statement_id}``, due when its month is over."""

DUNNING_STEP = "subscription.dunning"
"""A practice's: ``{since, step}``; owners are told, unless nothing is owed any more."""

SUBSCRIPTION_RESTORED = "subscription.restored"
"""A practice's: ``{since}``; what was owed since then is paid."""
"""Both carry the instant (RFC 3339) since when money was owed, which tells one debt from the next."""
