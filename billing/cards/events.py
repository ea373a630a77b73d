"""What happens to kept cards."""

CARD_CHECK = "card.check"
"""A card is being given; payload ``card_id``."""
CARD_FORGET = "card.forget"
"""A card is to be forgotten by its provider; payload ``account_id``, ``customer_ref`` and ``method_ref``."""
