"""What the console's forms say of errors that its services find."""


def _(message: str) -> str:
    """Marks a sentence for the catalogue; it is translated when it is shown."""
    return message


SENTENCES = {
    "slug_malformed": _("Write 3 to 40 small letters, digits and single hyphens."),
    "slug_reserved": _("This name is reserved. Choose another."),
    "timezone_unknown": _("Choose a time zone of the list."),
    "currency_unknown": _("Write a currency code like EUR."),
    "country_unknown": _("Choose one of the list."),
    "locale_unknown": _("Choose one of the list."),
    "plan_unknown": _("Choose one of the list."),
    "plan_without_price": _("This plan has no price, so there is nothing to subscribe to."),
    "price_taken": _("Another plan has this price at Stripe."),
    "price_missing": _("Write a price first."),
    "code.string_pattern_mismatch": _("Write small letters, digits and hyphens."),
    "stripe_price_id.string_pattern_mismatch": _("Write an id that begins with price_."),
    "name_empty": _("Fill this in."),
    "currency.string_too_short": _("Write a currency code like EUR."),
}
