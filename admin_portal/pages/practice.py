"""The practice's settings: booking rules, who sees what, second factors, privacy."""

from typing import Any

from babel.dates import format_date
from fastapi import APIRouter
from starlette.responses import Response

from admin_portal.pages.page import SignedIn, StaffPage
from admin_portal.pages.reminder_fields import read_reminders, write_reminders
from admin_portal.practice_settings import change_practice
from admin_portal.second_factors import StaffSteps
from tenants.accounts.permissions import Permission
from tenants.settings.models import PracticeSettings
from tenants.settings.reminders import practice_reminders
from tenants.settings.schemas import SettingsPatch
from tenants.settings.service import available_methods, get_practice_settings
from todoenbalance.kit import clock
from todoenbalance.kit.errors import ProblemError
from todoenbalance.kit.holidays import countries_in, public_holidays, regions_of
from todoenbalance.kit.pages.forms import Form
from todoenbalance.kit.pages.redirects import see_other

router = APIRouter(include_in_schema=False)

_PATH = "/admin/settings"
_NUMBERS = (
    "hold_minutes",
    "approved_hold_hours",
    "waitlist_offer_minutes",
    "cancellation_notice_hours",
    "records_years",
    "invoice_years",
    "daily_mail_limit",
    "mail_body_days",
)
_SWITCHES = ("second_factor_required", "practitioners_see_all", "reveal_taken_email")
_TIMES = ("quiet_from", "quiet_until")
_TEXTS = ("contact_email", "privacy_policy_version", "privacy_policy_url", "holidays_country", "holidays_region")


def _(message: str) -> str:
    """Marks a sentence for the catalogue; it is translated when it is shown."""
    return message


METHOD_WORDS = {
    "offline": _("At the practice"),
    "sandbox": _("Test provider (no real money)"),
    "stripe": _("Card, by Stripe"),
    "paypal": _("PayPal"),
}


@router.get("/settings")
async def show_settings(page: SignedIn) -> Response:
    """The form with what holds now."""
    page.need(Permission.MANAGE_SETTINGS)
    page.need_fresh(_PATH)
    known = await get_practice_settings(page.session)
    form = page.blank_form(
        **{name: getattr(known, name) for name in (*_NUMBERS, *_TEXTS)},
        **{name: at.strftime("%H:%M") for name in _TIMES if (at := getattr(known, name)) is not None},
        **{name: "yes" if getattr(known, name) else None for name in _SWITCHES},
        payment_methods=known.payment_methods,
        reminder_minutes=write_reminders(practice_reminders(known)),
    )
    return _render(page, form, known)


def _render(
    page: StaffPage, form: Form, known: PracticeSettings, problem: ProblemError | None = None, *, is_saved: bool = False
) -> Response:
    offered = list(dict.fromkeys([*available_methods(page.runtime.settings, known), *known.payment_methods]))
    values: dict[str, Any] = {
        "methods": [(method, page.t(METHOD_WORDS[method])) for method in offered],
        "policy_version": known.privacy_policy_version,
        "countries": [("", page.t(_("None"))), *countries_in(page.locale)],
        "regions": [("", page.t(_("Only those of the whole country"))), *_regions(known.holidays_country)],
        "is_saved": is_saved,
    }
    year = clock.now().astimezone(page.zone).year
    found = public_holidays(known.holidays_country, known.holidays_region, [year], page.locale)
    values["holidays_year"] = str(year)
    values["holidays"] = [(format_date(day, "full", locale=page.locale), name) for day, name in found.items()]
    if problem is not None:
        return page.render_refused("practice_settings.html", form, problem, **values)
    return page.render("practice_settings.html", form=form, **values)


@router.post("/settings")
async def change_settings(page: SignedIn, steps: StaffSteps) -> Response:
    """Change them; what was booked keeps its terms."""
    form = await page.read_form()
    page.need(Permission.MANAGE_SETTINGS)
    page.need_fresh(_PATH)
    known = await get_practice_settings(page.session)
    try:
        body = form.parse(SettingsPatch, _values(form, known))
        async with page.session.begin_nested():
            await change_practice(page.session, page.runtime, steps, page.staff, body, page.request_id)
    except ProblemError as problem:
        return _render(page, form, known, problem)
    return see_other(_PATH)


def _regions(country: str | None) -> list[tuple[str, str]]:
    return list(regions_of(country).items()) if country else []


def _reminders(form: Form, known: PracticeSettings) -> dict[str, list[int]]:
    """Left out where they are as they were: the one reminder of a practice that never chose needs no list."""
    minutes = read_reminders(form, "reminder_minutes")
    return {} if minutes == practice_reminders(known) else {"reminder_minutes": minutes}


def _values(form: Form, known: PracticeSettings) -> dict[str, Any]:
    """The fields as the API takes them; an emptied text is None."""
    numbers = {name: value for name in _NUMBERS if (value := form.whole(name)) is not None}
    switches = {name: form.get(name) == "yes" for name in _SWITCHES}
    texts = {name: form.get(name) or None for name in (*_TEXTS, *_TIMES)}
    if texts["holidays_country"] != known.holidays_country:
        texts["holidays_region"] = None  # the list that it was chosen from was that of the former country
    return {**numbers, **switches, **texts, "payment_methods": form.all("payment_methods"), **_reminders(form, known)}
