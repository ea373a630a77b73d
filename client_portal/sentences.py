"""What the booking site's forms say of errors that its services find."""


def _(message: str) -> str:
    """Marks a sentence for the catalogue; it is translated when it is shown."""
    return message


SENTENCES = {
    "location_kind_not_offered": _("Choose one of the places."),
    "date_order": _("The last day must not be before the first."),
    "too_many_days": _("Choose at most 120 days."),
    "time_order": _("The latest hour must not be before the earliest."),
    "day_past": _("Choose days that are to come."),
    "beyond_horizon": _("So far ahead nothing can be booked yet."),
    "no_such_day": _("None of these days of the week comes in the days that you chose."),
    "practitioner_id.not_offered": _("Choose one of the practitioners."),
    "consent.needed": _("A card is kept only if you agree to it."),
    "understood": _("Tick this box to go on."),
    "unknown_dependant": _("Choose one of the people you book for."),
    "birth_date.value_error": _("Write a day since 1900 that is not to come."),
    "birth_date.date_from_datetime_parsing": _("Write a day since 1900 that is not to come."),
    "timezone_unknown": _("Choose a time zone of the list."),
    "phone.string_pattern_mismatch": _("Write a telephone number, such as +34 600 000 000."),
}
