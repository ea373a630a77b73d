"""What providers ask for and what is wrong, in words for the owner of a practice.

The codes are the provider's own: a new one is shown as it is rather than not at all.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from billing.accounts.models import PaymentAccount
from billing.accounts.port import PAYPAL, STRIPE

PROVIDER_NAMES: Final[Mapping[str, str]] = {STRIPE: "Stripe", PAYPAL: "PayPal"}

_Pair = tuple[str, str]

_PERSON: Final[Mapping[str, _Pair]] = {
    "first_name": ("first name", "nombre"),
    "last_name": ("last name", "apellidos"),
    "dob": ("date of birth", "fecha de nacimiento"),
    "address": ("address", "dirección"),
    "email": ("e-mail address", "correo electrónico"),
    "phone": ("phone number", "teléfono"),
    "id_number": ("identity number (DNI or NIE)", "número de identidad (DNI o NIE)"),
    "ssn_last_4": ("last four digits of the social security number", "últimas cuatro cifras de la seguridad social"),
    "nationality": ("nationality", "nacionalidad"),
    "political_exposure": ("political exposure", "exposición política"),
    "verification.document": ("identity document", "documento de identidad"),
    "verification.additional_document": ("proof of address", "justificante de domicilio"),
    "verification.proof_of_liveness": ("a selfie to confirm the identity", "una selfie para confirmar la identidad"),
    "relationship.title": ("position in the company", "cargo en la empresa"),
    "relationship": ("role in the company", "relación con la empresa"),
}
_WHOSE: Final[Mapping[str, _Pair]] = {
    "representative": ("of the person who represents the practice", "de quien representa a la consulta"),
    "individual": ("of the owner", "del titular"),
    "owners": ("of the owners", "de los propietarios"),
    "directors": ("of the directors", "de los administradores"),
    "executives": ("of the executives", "de los directivos"),
    "person": ("of a person of the practice", "de una persona de la consulta"),
}
_WHOLE: Final[Mapping[str, _Pair]] = {
    "external_account": ("Bank account for payouts (IBAN)", "Cuenta bancaria para los ingresos (IBAN)"),
    "business_type": ("Whether you are a person or a company", "Si eres autónomo o empresa"),
    "business_profile.mcc": ("What the practice does", "Actividad de la consulta"),
    "business_profile.url": ("The practice's web address", "Dirección web de la consulta"),
    "business_profile.product_description": (
        "A description of what the practice offers",
        "Una descripción de lo que ofrece la consulta",
    ),
    "business_profile.support_phone": ("A phone number for clients", "Un teléfono para clientes"),
    "business_profile.support_email": ("An e-mail address for clients", "Un correo para clientes"),
    "business_profile.estimated_worker_count": ("How many people work there", "Cuántas personas trabajan"),
    "business_profile.annual_revenue": ("The yearly turnover", "La facturación anual"),
    "tos_acceptance": ("Accepting Stripe's terms", "Aceptar las condiciones de Stripe"),
    "company.name": ("The company's name", "Nombre de la empresa"),
    "company.tax_id": ("The company's tax number (NIF)", "NIF de la empresa"),
    "company.vat_id": ("The company's VAT number", "NIF-IVA de la empresa"),
    "company.registration_number": ("The company's registration number", "Número de registro de la empresa"),
    "company.address": ("The company's address", "Dirección de la empresa"),
    "company.phone": ("The company's phone number", "Teléfono de la empresa"),
    "company.owners_provided": ("Who owns the company", "Quiénes son los propietarios"),
    "company.directors_provided": ("Who directs the company", "Quiénes son los administradores"),
    "company.executives_provided": ("Who leads the company", "Quiénes son los directivos"),
    "company.verification.document": ("A document about the company", "Un documento de la empresa"),
    "company.directorship_declaration": ("The declaration about directors", "La declaración de administradores"),
    "company.ownership_declaration": ("The declaration about owners", "La declaración de titularidad real"),
    "settings.payments.statement_descriptor": (
        "The text on your clients' bank statements",
        "El texto en los extractos de tus clientes",
    ),
}
_PERSON_ID: Final = re.compile(r"^person_\w+$")

_REASONS: Final[Mapping[str, _Pair]] = {
    "requirements.past_due": (
        "The provider has waited too long for what it needs.",
        "El proveedor lleva demasiado tiempo esperando lo que necesita.",
    ),
    "requirements.pending_verification": (
        "The provider is checking what you sent. There is nothing to do.",
        "El proveedor está comprobando lo que enviaste. No tienes que hacer nada.",
    ),
    "action_required.requested_capabilities": (
        "The account must still ask for card payments at Stripe.",
        "La cuenta todavía debe solicitar los pagos con tarjeta en Stripe.",
    ),
    "under_review": ("The provider is reviewing the account.", "El proveedor está revisando la cuenta."),
    "listed": (
        "The provider compares the account with lists of persons it may not serve.",
        "El proveedor compara la cuenta con listas de personas a las que no puede atender.",
    ),
    "platform_paused": (
        "The platform has paused the account. Write to us.",
        "La plataforma ha pausado la cuenta. Escríbenos.",
    ),
    "rejected": (
        "The provider has rejected the account. Ask its support why.",
        "El proveedor ha rechazado la cuenta. Pregunta el motivo a su soporte.",
    ),
    "other": (
        "The provider is reviewing the account. Ask its support.",
        "El proveedor está revisando la cuenta. Consulta a su soporte.",
    ),
}
_PROBLEMS: Final[Mapping[str, _Pair]] = {
    "credentials_refused": (
        "The provider does not accept the credentials any more. Enter new ones.",
        "El proveedor ya no acepta las credenciales. Introduce otras.",
    ),
    "credentials_lack_rights": (
        "The key has lost rights that are needed. Enter another one.",
        "A la clave le faltan permisos necesarios. Introduce otra.",
    ),
    "secrets_unreadable": (
        "The stored credentials can't be read any more. Enter them again.",
        "Las credenciales guardadas ya no se pueden leer. Introdúcelas de nuevo.",
    ),
    "webhook_missing": (
        "The provider can't notify us of payments, so they are found out by asking, which takes longer.",
        "El proveedor no puede avisarnos de los pagos: los consultamos nosotros y tarda más.",
    ),
    "mode_mismatch": (
        "The account is for tests and the platform for real money, or the other way round. Connect again.",
        "La cuenta es de pruebas y la plataforma de dinero real, o al revés. Conecta de nuevo.",
    ),
    "deauthorized": (
        "Access was taken back at the provider.",
        "Se retiró el acceso desde el proveedor.",
    ),
    "access_revoked": (
        "The provider does not let us reach the account any more.",
        "El proveedor ya no nos deja acceder a la cuenta.",
    ),
}
_TEST_MODE: Final[_Pair] = (
    "This account is in test mode: no real money is moved, and here it can't be used.",
    "Esta cuenta está en modo de pruebas: no mueve dinero real y aquí no se puede usar.",
)
_FAILED: Final[_Pair] = (
    "The provider refused to make the account ({code}).",
    "El proveedor no quiso crear la cuenta ({code}).",
)


@dataclass(frozen=True, slots=True)
class ChecklistItem:
    """One thing that the provider asks for. ``state``: ``past_due``, ``currently_due``, ``pending_verification`` or

    ``eventually_due``.
    """

    code: str
    state: str
    text: str

    @property
    def is_wanted(self) -> bool:
        """Whether the practice has to hand it in now."""
        return self.state in ("past_due", "currently_due")


def _say(pair: _Pair, locale: str) -> str:
    return pair[1 if locale.startswith("es") else 0]


def requirement_text(code: str, locale: str) -> str:
    """What a requirement of Stripe's asks for; the code itself where it is not known here."""
    for length in range(len(code.split(".")), 0, -1):
        known = _WHOLE.get(".".join(code.split(".")[:length]))
        if known is not None:
            return _say(known, locale)
    whose, _, what = code.partition(".")
    person = _WHOSE.get("person" if _PERSON_ID.fullmatch(whose) else whose)
    if person is None:
        return code
    for length in range(len(what.split(".")), 0, -1):
        known = _PERSON.get(".".join(what.split(".")[:length]))
        if known is not None:
            text = f"{_say(known, locale)} {_say(person, locale)}"
            return text[0].upper() + text[1:]
    return code


def checklist_of(account: PaymentAccount, locale: str) -> list[ChecklistItem]:
    """What the provider asks for, the most urgent first, each thing once."""
    items: dict[str, ChecklistItem] = {}
    for state in ("past_due", "currently_due", "pending_verification", "eventually_due"):
        for code in account.requirements.get(state) or []:
            items.setdefault(code, ChecklistItem(code, state, requirement_text(code, locale)))
    return list(items.values())


def reason_of(account: PaymentAccount, locale: str) -> str | None:
    """Why the account does not do what it should, None if it does."""
    if account.problem is not None:
        known = _PROBLEMS.get(account.problem)
        return _say(known, locale) if known else _say(_FAILED, locale).format(code=account.problem)
    code = account.requirements.get("disabled_reason")
    if not code:
        return None
    known = _REASONS.get(code) or _REASONS.get(str(code).partition(".")[0])
    return _say(known, locale) if known else str(code)


def words_of_test_mode(locale: str) -> str:
    """What is said of a test account where real money is asked for."""
    return _say(_TEST_MODE, locale)
