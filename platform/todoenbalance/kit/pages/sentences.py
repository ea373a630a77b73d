"""What forms say of the kinds of errors that pydantic finds (its ``type``, with the numbers of its ``ctx``)."""


def _(message: str) -> str:
    """Marks a sentence for the catalogue; it is translated when it is shown."""
    return message


_EMPTY = _("Fill this in.")
_NUMBER = _("Write a whole number.")

SENTENCES: dict[str, str] = {
    "missing": _EMPTY,
    "string_too_short": _("Write at least %(min_length)s characters."),
    "string_too_long": _("Write at most %(max_length)s characters."),
    "too_short": _("Choose at least one."),
    "int_parsing": _NUMBER,
    "int_type": _NUMBER,
    "greater_than_equal": _("It must be at least %(ge)s."),
    "less_than_equal": _("It must be at most %(le)s."),
    "uuid_parsing": _("Choose one of the list."),
    "enum": _("Choose one of the list."),
    "literal_error": _("Choose one of the list."),
    "string_pattern_mismatch": _("It is not written in the right way."),
    "value_error": _("This is not valid. Check how it is written."),
    "email.value_error": _("Write an e-mail address like name@example.com."),
    "same_email": _("That is the address of the account already."),
    "timezone.value_error": _("Choose a time zone of the list."),
    "consent": _("To open an account you need to accept this."),
    "money": _("Write an amount like 45.00."),
    "datetime_parsing": _("Write a date and a time."),
    "date_from_datetime_parsing": _("Write a date."),
    "date_parsing": _("Write a date."),
    "time_skipped": _("The clocks change that day and skip this time. Choose another."),
}
