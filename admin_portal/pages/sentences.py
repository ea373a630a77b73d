"""What the portal's forms say of errors that its services find."""


def _(message: str) -> str:
    """Marks a sentence for the catalogue; it is translated when it is shown."""
    return message


SENTENCES = {
    "timezone_unknown": _("Choose a time zone of the list."),
    "deposit_range": _("The deposit must be more than nothing and at most the price."),
    "currency_mismatch": _("Prices are in the practice's currency."),
    "unknown_id": _("Choose one of the list."),
    "time_order": _("The end must come after the beginning."),
    "date_order": _("The last day must not come before the first."),
    "span_too_long": _("This is too long. Check the dates."),
    "start_time.value_error": _("Write a time like 09:00."),
    "end_time.value_error": _("Write a time like 09:00."),
    "greater_than": _("It must be more than nothing."),
    "start_time.missing": _("Write a time like 09:00."),
    "end_time.missing": _("Write a time like 09:00."),
}
