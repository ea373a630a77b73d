"""Times as readers say them."""

from datetime import UTC, datetime

import pytest

from notifications.formats import describe, language_of


@pytest.mark.parametrize(
    ("zone", "locale", "day", "time", "label"),
    [
        ("Europe/Madrid", "es", "martes, 3 de marzo de 2026", "10:30", "hora de Madrid, UTC+1"),
        ("Europe/Madrid", "en", "Tuesday, March 3, 2026", "10:30\u202fAM", "Madrid time, UTC+1"),
        ("Atlantic/Canary", "es", "martes, 3 de marzo de 2026", "9:30", "hora de Canarias, UTC+0"),
        ("America/Mexico_City", "es", "martes, 3 de marzo de 2026", "3:30", "hora de Ciudad de México, UTC-6"),
        ("America/Argentina/Buenos_Aires", "es", "martes, 3 de marzo de 2026", "6:30", "hora de Buenos Aires, UTC-3"),
        ("Asia/Kolkata", "en", "Tuesday, March 3, 2026", "3:00\u202fPM", None),
        ("UTC", "es", "martes, 3 de marzo de 2026", "9:30", "UTC+0"),
        ("Etc/GMT+3", "es", "martes, 3 de marzo de 2026", "6:30", "UTC-3"),
    ],
)
def test_an_instant_is_said_in_the_readers_zone_and_names_it(
    zone: str, locale: str, day: str, time: str, label: str | None
) -> None:
    when = describe(datetime(2026, 3, 3, 9, 30, tzinfo=UTC), zone, locale)
    assert (when.day, when.time) == (day, time)
    if label is None:
        assert when.zone.endswith("UTC+5:30")
    else:
        assert when.zone == label


def test_the_offset_is_that_of_the_day_and_not_of_today() -> None:
    before, after = datetime(2026, 3, 28, 9, tzinfo=UTC), datetime(2026, 3, 29, 9, tzinfo=UTC)
    assert describe(before, "Europe/Madrid", "es").zone == "hora de Madrid, UTC+1"
    assert describe(after, "Europe/Madrid", "es").zone == "hora de Madrid, UTC+2"


@pytest.mark.parametrize(
    ("locale", "language"), [("es", "es"), ("es-MX", "es"), ("en_GB", "en"), ("EN", "en"), ("fr", "es")]
)
def test_a_locale_is_of_one_of_our_languages(locale: str, language: str) -> None:
    assert language_of(locale) == language
