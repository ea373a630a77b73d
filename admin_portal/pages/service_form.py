"""The form of a service: what it shows, and what was typed into it as the API takes it."""

from typing import Any
from uuid import UUID

from admin_portal.pages.page import StaffPage
from admin_portal.pages.reminder_fields import read_reminders, write_reminders
from billing.documents.taxes import TaxTreatment
from scheduling.catalogue.schemas import LocationKind, OwnTerms, PractitionerRead, ServiceAdminRead, ServiceCreate
from todoenbalance.kit.money import MoneySchema, currency_exponent
from todoenbalance.kit.pages.forms import Form

NUMBERS = (
    "duration_minutes",
    "buffer_before_minutes",
    "buffer_after_minutes",
    "minimum_notice_minutes",
    "horizon_days",
    "grid_minutes",
    "approval_hours",
    "cancel_notice_hours",
    "move_notice_hours",
    "position",
)
"""Fields that have a default: left empty, they have it."""
_LIMITS = ("max_per_day", "max_per_week", "capacity", "follow_up_hours")
"""Fields that may be empty."""
TIERS = range(1, 6)


def _(message: str) -> str:
    """Marks a sentence for the catalogue; it is translated when it is shown."""
    return message


COLOURS = {
    "": _("None"),
    "#2e7d5b": _("Green"),
    "#1f6fb2": _("Blue"),
    "#7a4fb5": _("Purple"),
    "#b5487a": _("Pink"),
    "#b23b3b": _("Red"),
    "#b9671c": _("Orange"),
    "#8a7a12": _("Yellow"),
    "#5f6670": _("Grey"),
}
TREATMENTS = {
    TaxTreatment.EXEMPT_HEALTH: _("Exempt: health care"),
    TaxTreatment.GENERAL: _("General rate"),
    TaxTreatment.REDUCED: _("Reduced rate"),
    TaxTreatment.NONE: _("Outside the tax"),
}
PRACTICES, OWN, NEVER = "practice", "own", "never"
REFUNDS = {
    PRACTICES: _("As the practice does for all its services"),
    OWN: _("By the steps below"),
    NEVER: _("Nothing comes back"),
}

REMINDERS = {
    PRACTICES: _("As the practice does for all its services"),
    OWN: _("As written below"),
    NEVER: _("None"),
}


def new_values(people: list[PractitionerRead]) -> dict[str, Any]:
    """What the form of a new service holds at first: everybody offers it."""
    defaults = {name: field.default for name, field in ServiceCreate.model_fields.items() if name in NUMBERS}
    return defaults | {
        "duration_minutes": 60,
        "location_kinds": [LocationKind.PRACTICE],
        "practitioner_ids": [one.id for one in people],
        "refunds": PRACTICES,
        "reminders": PRACTICES,
        "tax_treatment": TaxTreatment.EXEMPT_HEALTH,
    }


def values_of(known: ServiceAdminRead) -> dict[str, Any]:
    """What the form of an existing one holds."""
    values: dict[str, Any] = {name: getattr(known, name) for name in (*NUMBERS, *_LIMITS)}
    values |= {
        "name": known.name,
        "description": known.description,
        "price": _decimal(known.price),
        "deposit": _decimal(known.deposit),
        "no_show_fee": _decimal(known.no_show_fee),
        "tax_treatment": known.tax_treatment,
        "invoice_description": known.invoice_description,
        "location_kinds": known.location_kinds,
        "practitioner_ids": known.practitioner_ids,
        "requires_approval": "yes" if known.requires_approval else None,
        "free_first_visit": "yes" if known.free_first_visit else None,
        "colour": known.colour,
        "archived": "yes" if known.archived else None,
        "reminders": PRACTICES if known.reminder_minutes is None else OWN if known.reminder_minutes else NEVER,
        "reminder_minutes": write_reminders(known.reminder_minutes),
        "refunds": PRACTICES if known.refund_tiers is None else OWN if known.refund_tiers else NEVER,
    }
    for number, tier in enumerate(known.refund_tiers or [], start=1):
        values |= {f"tier_hours_{number}": tier.hours_before, f"tier_percent_{number}": tier.percent}
    for one in known.practitioners:
        values |= _own_values(one)
    return values


def _own_values(one: OwnTerms) -> dict[str, Any]:
    return {
        price_field(one.practitioner_id): _decimal(one.price),
        minutes_field(one.practitioner_id): one.duration_minutes,
    }


def price_field(practitioner_id: UUID | str) -> str:
    """The field of what a practitioner asks."""
    return f"own_price_{practitioner_id}"


def minutes_field(practitioner_id: UUID | str) -> str:
    """The field of how long it takes with a practitioner."""
    return f"own_minutes_{practitioner_id}"


def own_fields(practitioner_id: UUID) -> tuple[str, str]:
    """Both."""
    return price_field(practitioner_id), minutes_field(practitioner_id)


def read_values(page: StaffPage, form: Form) -> dict[str, Any]:
    """The fields as the API takes them; one left empty that has a default has that of a new service."""
    currency = page.tenant.currency
    if not form.get("price"):
        form.add_error("price", "missing")
    numbers = {name: value for name in NUMBERS if (value := form.whole(name)) is not None}
    return {
        "name": form.get("name"),
        "description": form.get("description"),
        "price": _money(form, "price", currency) or {"amount": 0, "currency": currency},
        "deposit": _money(form, "deposit", currency),
        "no_show_fee": _money(form, "no_show_fee", currency),
        "tax_treatment": form.get("tax_treatment") or TaxTreatment.EXEMPT_HEALTH,
        "invoice_description": form.get("invoice_description") or None,
        "location_kinds": form.all("location_kinds"),
        "practitioners": [_own_terms(form, one, currency) for one in dict.fromkeys(form.all("practitioner_ids"))],
        "requires_approval": form.get("requires_approval") == "yes",
        "free_first_visit": form.get("free_first_visit") == "yes",
        "refund_tiers": _tiers(form),
        "reminder_minutes": _reminders(form),
        "colour": form.get("colour") or None,
        **{name: form.whole(name) for name in _LIMITS},
        **numbers,
    }


def _own_terms(form: Form, practitioner_id: str, currency: str) -> dict[str, Any]:
    minutes = minutes_field(practitioner_id)
    duration = form.whole(minutes)
    if duration is not None and not 5 <= duration <= 1440:  # said beside the field, which a list's place can't name
        form.add_error(minutes, "greater_than_equal" if duration < 5 else "less_than_equal", ge=5, le=1440)
    return {
        "practitioner_id": practitioner_id,
        "price": _money(form, price_field(practitioner_id), currency),
        "duration_minutes": duration,
    }


def _tiers(form: Form) -> list[dict[str, int | None]] | None:
    if form.get("refunds") != OWN:
        return [] if form.get("refunds") == NEVER else None
    found = []
    for number in TIERS:
        hours, percent = form.whole(f"tier_hours_{number}"), form.whole(f"tier_percent_{number}")
        if hours is None and percent is None:
            continue
        for name, value in ((f"tier_hours_{number}", hours), (f"tier_percent_{number}", percent)):
            if value is None:
                form.add_error(name, "missing")
        found.append({"hours_before": hours, "percent": percent})
    if not found:
        form.add_error("tier_hours_1", "missing")
    form.raise_errors()
    return found


def _reminders(form: Form) -> list[int] | None:
    if form.get("reminders") != OWN:
        return [] if form.get("reminders") == NEVER else None
    found = read_reminders(form, "reminder_minutes")
    if not found:
        form.add_error("reminder_minutes", "missing")
    return found


def _money(form: Form, name: str, currency: str) -> dict[str, Any] | None:
    amount = form.money(name, currency)
    return None if amount is None else {"amount": amount, "currency": currency}


def _decimal(money: MoneySchema | None) -> str | None:
    """Minor units as they are typed: ``45.00``."""
    if money is None:
        return None
    exponent = currency_exponent(money.currency)
    return f"{money.amount / 10**exponent:.{exponent}f}"
