"""People's names, as others are shown them."""

from tenants.accounts.models import Client, Dependant

ERASED = "—"
"""What stands in place of a name that was erased."""
_ERASED_PERSON = {"en": "Erased person", "es": "Persona borrada"}


def name_of(person: Client | Dependant, locale: str = "en") -> str:
    """First and last name as one; of someone whose data were erased, that this is so."""
    if person.first_name == ERASED:
        return _ERASED_PERSON.get(locale, _ERASED_PERSON["en"])
    return f"{person.first_name} {person.last_name}".strip()
