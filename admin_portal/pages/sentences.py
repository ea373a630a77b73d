"""What the portal's forms say of errors that its services find."""


def _(message: str) -> str:
    """Marks a sentence for the catalogue; it is translated when it is shown."""
    return message


_REMINDERS = _("Write up to four times, each once, from 15 min to 14 d: 2 d; 24 h; 30 min.")

SENTENCES = {
    "sender_address_malformed": _("Write an address without accents or spaces before the @."),
    "sender_domain_free": _("This domain belongs to a mail provider. Use one of your own."),
    "sender_domain_platform": _("This domain is the platform's. Use one of your own."),
    "sender_domain_taken": _("Another practice writes from this domain."),
    "sender_address_not_offered": _("Addresses of your own are not offered at present."),
    "sender_name_malformed": _("Write a name, without @ and invisible characters."),
    "sender_name_platform": _("This is the platform's name. Write your practice's."),
    "timezone_unknown": _("Choose a time zone of the list."),
    "deposit_range": _("The deposit must be more than nothing and at most the price."),
    "currency_mismatch": _("Prices are in the practice's currency."),
    "practitioner_needed": _("Say in whose calendar."),
    "starts_at.datetime_from_date_parsing": _("Choose a time."),
    "starts_at.value_error": _("Choose a time."),
    "no_date_left": _("Leave at least one date."),
    "unknown_id": _("Choose one of the list."),
    "meeting_url_of_session": _("A place in a group has the address of its session. Change it there."),
    "not_a_minute": _("Choose a whole minute."),
    "not_a_group_service": _("Choose a service that is given in groups."),
    "service_not_offered": _("They don't offer this service."),
    "location_kind_not_offered": _("The service is not given there."),
    "country_unknown": _("Choose one of the list."),
    "region_unknown": _("Choose one of the list."),
    "region_without_country": _("Choose one of the list."),
    "calendar_address_malformed": _("Write an address that begins with https:// or webcal://."),
    "calendar_address_credentials": _("The address must not contain a user name and password."),
    "calendar_address_refused": _("This is not an address on the internet."),
    "time_order": _("The end must come after the beginning."),
    "date_order": _("The last day must not come before the first."),
    "span_too_long": _("This is too long. Check the dates."),
    "start_time.value_error": _("Write a time like 09:00."),
    "end_time.value_error": _("Write a time like 09:00."),
    "rule_and_anchor": _("Say from which day the rule counts."),
    "rule_empty": _("This rule gives no day. Check it and the day it counts from."),
    "rrule.value_error": _("Write a rule like FREQ=WEEKLY;INTERVAL=2, of days, weeks, months or years."),
    "refund_tiers.value_error": _("The longest notice comes first, and a shorter one gives no more back."),
    "reminder_minutes.value_error": _REMINDERS,
    "reminder_minutes.greater_than_equal": _REMINDERS,
    "reminder_minutes.less_than_equal": _REMINDERS,
    "reminder_minutes.too_long": _REMINDERS,
    "plan_unknown": _("Choose one of the list."),
    "plan_without_price": _("This plan has no price, so there is nothing to subscribe to."),
    "tax_area_of_country": _("These are not the rules of that country."),
    "series_differ": _("Each kind needs a series of its own."),
    "simplified_series.string_pattern_mismatch": _("Write capitals and digits, ten at most."),
    "full_series.string_pattern_mismatch": _("Write capitals and digits, ten at most."),
    "rectifying_series.string_pattern_mismatch": _("Write capitals and digits, ten at most."),
    "receipt_series.string_pattern_mismatch": _("Write capitals and digits, ten at most."),
    "country.string_pattern_mismatch": _("Write the country's two letters."),
    "greater_than": _("It must be more than nothing."),
    "reason_needed": _("Say why."),
    "start_time.missing": _("Write a time like 09:00."),
    "end_time.missing": _("Write a time like 09:00."),
}
