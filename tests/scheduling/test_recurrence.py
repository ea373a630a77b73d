"""Days that come back: the same as plain dateutil gives, without its long walks."""

from datetime import date, datetime, time, timedelta

import pytest
from dateutil.rrule import rrule, rrulestr
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from scheduling.recurrence import check_rule, days_of

WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
DAYS = st.dates(date(2015, 1, 1), date(2035, 12, 31))


@st.composite
def rules(draw: st.DrawFn) -> str:
    """A rule as staff may write it."""
    frequency = draw(st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]))
    parts = [f"FREQ={frequency}"]
    if draw(st.booleans()):
        parts.append(f"INTERVAL={draw(st.integers(1, 6 if frequency != 'DAILY' else 99))}")
    if frequency == "WEEKLY" and draw(st.booleans()):
        parts.append("BYDAY=" + ",".join(draw(st.lists(st.sampled_from(WEEKDAYS), min_size=1, unique=True))))
    if frequency == "MONTHLY":
        nth = st.tuples(st.sampled_from(["1", "2", "3", "4", "5", "-1"]), st.sampled_from(WEEKDAYS)).map("".join)
        if draw(st.booleans()):
            parts.append("BYDAY=" + ",".join(draw(st.lists(nth, min_size=1, max_size=3, unique=True))))
        elif draw(st.booleans()):
            numbers = st.one_of(st.just(-1), st.integers(1, 31))
            parts.append("BYMONTHDAY=" + ",".join(map(str, draw(st.lists(numbers, min_size=1, max_size=3)))))
    ends = draw(st.sampled_from(["", "COUNT", "UNTIL"]))
    if ends == "COUNT":
        parts.append(f"COUNT={draw(st.integers(1, 999))}")
    if ends == "UNTIL":
        parts.append(f"UNTIL={draw(DAYS):%Y%m%d}")
    if draw(st.booleans()):
        parts.append(f"WKST={draw(st.sampled_from(WEEKDAYS))}")
    return ";".join(parts)


def plainly(rule: str, anchor: date, first: date, last: date, weekday: int | None) -> list[date]:
    """The slow, obvious way: every occurrence from the anchor on."""
    text = rule
    if weekday is not None and "WEEKLY" in rule and "BYDAY" not in rule:
        text += f";BYDAY={WEEKDAYS[weekday - 1]}"
    found = rrulestr(text, dtstart=datetime.combine(anchor, time()))
    assert isinstance(found, rrule)
    begin, end = (datetime.combine(day, time()) for day in (anchor, last))
    days = [moment.date() for moment in found.between(begin, end, inc=True)]
    return [day for day in days if day >= first and (weekday is None or day.isoweekday() == weekday)]


@settings(max_examples=300, deadline=None)
@given(rule=rules(), anchor=DAYS, begin=DAYS, length=st.integers(0, 120), weekday=st.none() | st.integers(1, 7))
def test_the_days_are_those_of_a_walk_from_the_anchor(
    rule: str, anchor: date, begin: date, length: int, weekday: int | None
) -> None:
    last = begin + timedelta(days=length)
    assert list(days_of(rule, anchor, begin, last, weekday=weekday)) == plainly(rule, anchor, begin, last, weekday)


@settings(max_examples=300)
@given(rule=rules())
def test_what_may_be_written_is_kept_as_it_is(rule: str) -> None:
    assert check_rule(rule) == rule
    assert check_rule(f" rrule:{rule.lower()}; ") == rule


@settings(max_examples=500)
@given(text=st.one_of(st.text(max_size=60), st.text("FREQ=WKLYDAI;1234567890BT,-NUC", max_size=60)))
def test_anything_else_is_refused_by_a_sentence_and_nothing_worse(text: str) -> None:
    try:
        kept = check_rule(text)
    except ValueError:
        return
    assert check_rule(kept) == kept


@settings(max_examples=300)
@given(digits=st.from_regex(r"\A[0-9]{8}\Z"), anchor=DAYS)
def test_a_last_day_that_is_none_is_refused_and_others_can_be_reckoned_with(digits: str, anchor: date) -> None:
    try:
        kept = check_rule(f"FREQ=DAILY;UNTIL={digits}")
    except ValueError:
        return
    assume(digits >= "00010101")
    days_of(kept, anchor, anchor, anchor + timedelta(days=30))


@pytest.mark.parametrize(
    "rule",
    [
        "",
        "WEEKLY",
        "INTERVAL=2",
        "FREQ=HOURLY",
        "FREQ=WEEKLY;FREQ=DAILY",
        "FREQ=WEEKLY;INTERVAL=0",
        "FREQ=WEEKLY;INTERVAL=100",
        "FREQ=WEEKLY;COUNT=1000",
        "FREQ=WEEKLY;COUNT=2;UNTIL=20270101",
        "FREQ=WEEKLY;UNTIL=20270101T000000Z",
        "FREQ=WEEKLY;BYDAY=1MO",
        "FREQ=MONTHLY;BYDAY=MO",
        "FREQ=MONTHLY;BYDAY=6MO",
        "FREQ=MONTHLY;BYMONTHDAY=32",
        "FREQ=YEARLY;BYMONTHDAY=3",
        "FREQ=DAILY;BYHOUR=9",
        "FREQ=DAILY;BYSETPOS=1",
        "FREQ=WEEKLY\nRRULE:FREQ=DAILY",
        "FREQ=WEEKLY;DTSTART=20270101",
        "FREQ=WEEKLY;" + "INTERVAL=1;" * 30,
    ],
)
def test_rules_that_calendars_of_people_do_not_need_are_refused(rule: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        check_rule(rule)


def test_every_other_week_is_counted_from_the_anchors_week_whatever_the_weekday() -> None:
    wednesday = date(2026, 1, 7)
    found = days_of("FREQ=WEEKLY;INTERVAL=2", wednesday, date(2026, 1, 1), date(2026, 2, 28), weekday=1)
    assert found == (date(2026, 1, 19), date(2026, 2, 2), date(2026, 2, 16))


def test_a_window_before_the_anchor_or_upside_down_is_empty() -> None:
    anchor = date(2026, 1, 7)
    assert days_of("FREQ=DAILY", anchor, date(2025, 1, 1), date(2026, 1, 6)) == ()
    assert days_of("FREQ=DAILY", anchor, date(2026, 2, 1), date(2026, 1, 31)) == ()
