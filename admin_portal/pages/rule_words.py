"""A rule of days (RFC 5545, 3.3.10) in words: ``every 2 weeks from 7 Jan 2026``."""

from collections.abc import Iterator
from datetime import date, datetime

from babel.dates import format_date, get_day_names
from babel.lists import format_list

from todoenbalance.kit.pages.page import Page


def _(message: str) -> str:
    """Marks a sentence for the catalogue; it is translated when it is shown."""
    return message


_EVERY = {
    "DAILY": (_("every day"), _("every %(count)s days")),
    "WEEKLY": (_("every week"), _("every %(count)s weeks")),
    "MONTHLY": (_("every month"), _("every %(count)s months")),
    "YEARLY": (_("every year"), _("every %(count)s years")),
}
_NTH = {
    "1": _("the first %(day)s"),
    "2": _("the second %(day)s"),
    "3": _("the third %(day)s"),
    "4": _("the fourth %(day)s"),
    "5": _("the fifth %(day)s"),
    "-1": _("the last %(day)s"),
}
_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


def rule_in_words(page: Page, rule: str, anchor: date) -> str:
    """A checked rule and the day it counts from, in the reader's language."""
    parts = dict(part.split("=") for part in rule.split(";"))
    return " ".join(_words(page, parts, anchor))


def _words(page: Page, parts: dict[str, str], anchor: date) -> Iterator[str]:
    once, many = _EVERY[parts["FREQ"]]
    count = int(parts.get("INTERVAL", "1"))
    yield page.t(once) if count == 1 else page.t(many, count=count)
    if "BYDAY" in parts:
        yield page.t("on %(days)s", days=_list(page, [_weekday(page, one) for one in parts["BYDAY"].split(",")]))
    if "BYMONTHDAY" in parts:
        yield page.t("on %(days)s", days=_list(page, [_number(page, one) for one in parts["BYMONTHDAY"].split(",")]))
    yield page.t("from %(day)s", day=_date(page, anchor))
    if "UNTIL" in parts:
        last = datetime.strptime(parts["UNTIL"], "%Y%m%d").date()  # noqa: DTZ007 - a day without a zone
        yield page.t("until %(day)s", day=_date(page, last))
    if "COUNT" in parts:
        yield page.t("(%(count)s in all)", count=parts["COUNT"])


def _weekday(page: Page, text: str) -> str:
    """``TU`` or, in monthly rules, ``-1TU``."""
    name = get_day_names("wide", locale=page.locale)[_WEEKDAYS.index(text[-2:])]
    return page.t(_NTH[text[:-2]], day=name) if text[:-2] else page.t("%(day)s", day=name)


def _number(page: Page, text: str) -> str:
    return page.t("the last day") if text == "-1" else page.t("day %(number)s", number=text)


def _list(page: Page, words: list[str]) -> str:
    return format_list(words, locale=page.locale)


def _date(page: Page, day: date) -> str:
    text: str = format_date(day, "d MMM y", locale=page.locale)
    return text
