"""What all pages share: words in every language, safe ways on, what is typed into forms, cookies."""

import re
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from starlette.datastructures import FormData

from todoenbalance.kit.pages import environment
from todoenbalance.kit.pages.cookies import cookie_name
from todoenbalance.kit.pages.environment import Pages
from todoenbalance.kit.pages.forms import Form
from todoenbalance.kit.pages.redirects import safe_next
from todoenbalance.kit.pages.zones import zone_choices
from todoenbalance.kit.settings import Settings

ROOT = Path(__file__).parents[2]
KIT = Path(environment.__file__).parent
SURFACES = [KIT, ROOT / "client_portal", ROOT / "admin_portal" / "pages", KIT.parents[1] / "operators" / "console"]


def words_of(folder: Path) -> set[str]:
    """Every sentence that the pages in a folder say, in English."""
    methods = [("**.py", "python"), ("**/templates/**.html", "jinja2.ext:babel_extract")]
    options = {"**/templates/**.html": {"newstyle_gettext": "true"}}
    found = extract_from_dir(
        folder, methods, options, keywords={"_": None, "t": None, "gettext": None, "ngettext": (1, 2)}
    )
    return {message if isinstance(message, str) else message[0] for _file, _line, message, _notes, _context in found}


def translations_of(folder: Path) -> dict[str, str]:
    with (folder / "locale" / "es.po").open("rb") as file:
        return {
            message.id if isinstance(message.id, str) else message.id[0]: message.string
            if isinstance(message.string, str)
            else message.string[0]
            for message in read_po(file, locale="es")
            if message.id and message.string
        }  # fmt: skip


class TestWords:
    @pytest.mark.parametrize("folder", SURFACES, ids=lambda folder: folder.name)
    def test_every_sentence_is_there_in_spanish(self, folder: Path) -> None:
        said = words_of(folder)
        assert len(said) > 20
        known = translations_of(KIT) | translations_of(folder)
        assert said - known.keys() == set()

    @pytest.mark.parametrize("folder", SURFACES, ids=lambda folder: folder.name)
    def test_translations_take_the_same_values(self, folder: Path) -> None:
        for english, spanish in translations_of(folder).items():
            named = r"%\(\w+\)[sd]"
            assert sorted(re.findall(named, english)) == sorted(re.findall(named, spanish)), english

    def test_none_is_left_over(self) -> None:
        said = {folder: words_of(folder) for folder in SURFACES}
        everything = set().union(*said.values())
        assert translations_of(KIT).keys() - everything == set()
        for folder in SURFACES[1:]:
            assert translations_of(folder).keys() - said[folder] == set()


class TestWaysOn:
    @pytest.mark.parametrize("path", ["/", "/appointments", "/book/1/confirm?starts_at=2026-01-01T09:00:00%2B01:00"])
    def test_a_path_of_this_host_is_taken(self, path: str) -> None:
        assert safe_next(path, "/default") == path

    @pytest.mark.parametrize(
        "target",
        ["", None, "x", "//evil.example", "/\\evil.example", "/\tx", "/ x", "/\n/evil.example", "https://evil.example",
         "///evil.example", "/" + "x" * 2001, "\\\\evil.example", "javascript:alert(1)"],
    )  # fmt: skip
    def test_everything_else_is_not(self, target: str | None) -> None:
        assert safe_next(target, "/default") == "/default"


@pytest.fixture(scope="module")
def pages() -> Pages:
    """The shared templates alone."""
    return Pages()


def form_with(pages: Pages, **values: str) -> Form:
    return Form.sent(lambda kind, numbers: pages.sentence("en", kind, numbers), FormData(list(values.items())))


class TestForms:
    @pytest.mark.parametrize(
        ("text", "currency", "minor"),
        [("45", "EUR", 4500), ("45,5", "EUR", 4550), ("45.50", "EUR", 4550), ("0", "EUR", 0), ("1 000", "EUR", 100000),
         ("500", "JPY", 500), ("1.250", "KWD", 1250)],
    )  # fmt: skip
    def test_amounts_are_read_to_the_minor_unit(self, pages: Pages, text: str, currency: str, minor: int) -> None:
        form = form_with(pages, amount=text)
        assert form.money("amount", currency) == minor
        assert form.errors == {}

    @pytest.mark.parametrize("text", ["free", "-1", "1.005", "1e3x", "NaN", "Infinity", "1" * 30, "4,5.0"])
    def test_what_is_no_amount_is_said_to_be_none(self, pages: Pages, text: str) -> None:
        form = form_with(pages, amount=text)
        assert form.money("amount", "EUR") is None
        assert form.errors == {"amount": "Write an amount like 45.00."}

    def test_local_times_become_instants_of_the_zone(self, pages: Pages) -> None:
        zone = ZoneInfo("Europe/Madrid")
        form = form_with(pages, twice="2027-10-31T02:30", gap="2027-03-28T02:30", no="soon", aware="2027-01-01T00:00Z")
        assert form.local_time("twice", zone) == datetime(2027, 10, 31, 0, 30, tzinfo=UTC)
        for name in ("gap", "no", "aware", "missing"):
            assert form.local_time(name, zone) is None
        assert set(form.errors) == {"gap", "no", "aware", "missing"}

    def test_characters_that_nothing_can_hold_are_dropped(self, pages: Pages) -> None:
        assert form_with(pages, name=" Ana\x00 ").get("name") == "Ana"


class TestZones:
    def test_there_is_one_for_each_place(self) -> None:
        zones = zone_choices()
        assert {"Europe/Madrid", "Atlantic/Canary", "America/Mexico_City", "UTC"} <= set(zones)
        assert len(zones) == len(set(zones))


def luminance(colour: str) -> float:
    """Relative luminance of ``#rrggbb`` (WCAG 2.2, definitions)."""
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


class TestColours:
    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_text_and_controls_stand_out_from_what_they_are_on(self, scheme: str) -> None:
        style = (KIT / "static" / "pages.css").read_text()
        blocks = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
        assert len(blocks) == 2
        colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", blocks[0 if scheme == "light" else 1]))
        texts = [
            *((text, ground) for text in ("ink", "muted", "brand", "brand-strong") for ground in ("page", "surface")),
            ("ink", "sunken"),
            ("brand-strong", "sunken"),
            ("on-brand", "brand"),
            ("on-brand", "brand-strong"),
            ("on-tint", "tint"),
            ("danger", "surface"),
            ("danger", "page"),
            ("danger", "danger-tint"),
            ("ink", "danger-tint"),
            ("on-warn", "warn-tint"),
        ]
        for text, ground in texts:
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)  # WCAG 2.2, 1.4.3
        for part in ("control", "focus", "brand"):
            for ground in ("page", "surface"):
                assert contrast(colours[part], colours[ground]) >= 3, (part, ground)  # WCAG 2.2, 1.4.11


class TestCookies:
    def test_with_tls_no_other_host_can_set_them(self, settings: Settings) -> None:
        assert cookie_name(settings, "client") == "client"
        assert cookie_name(settings.model_copy(update={"public_scheme": "https"}), "client") == "__Host-client"


def test_a_time_that_is_said_to_be_utc_is_whatever_zone_the_database_answers_in(tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "time.html").write_text("{{ moment | utc }}")
    moment = datetime(2026, 7, 1, 0, 30, tzinfo=ZoneInfo("Europe/Madrid"))
    assert Pages(tmp_path).render("time.html", "en", {"moment": moment}) == "2026-06-30 22:30"
