"""Classes of data, what is done with them and why, in sentences: for the API, the pages and docs/privacy.md."""

from tenants.privacy.port import Action, DataClass, Reason

CLASSES: dict[DataClass, dict[str, str]] = {
    DataClass.PROFILE: {
        "en": "Profile: name, e-mail, telephone, date of birth, language, password",
        "es": "Perfil: nombre, correo, teléfono, fecha de nacimiento, idioma, contraseña",
    },
    DataClass.SIGN_INS: {
        "en": "Sign-ins, devices and mailed links",
        "es": "Inicios de sesión, dispositivos y enlaces enviados",
    },
    DataClass.IDENTITIES: {
        "en": "Accounts at Google or Facebook used to sign in",
        "es": "Cuentas de Google o Facebook usadas para entrar",
    },
    DataClass.DEPENDANTS: {"en": "People you book for", "es": "Personas para las que reservas"},
    DataClass.CONSENTS: {"en": "Consents", "es": "Consentimientos"},
    DataClass.AUDIT: {
        "en": "What staff did with your account (by number, without your name)",
        "es": "Lo que el personal hizo con tu cuenta (por número, sin tu nombre)",
    },
    DataClass.VISITS: {
        "en": "Visits: what you told us, and the history of each appointment",
        "es": "Visitas: lo que nos contaste y el historial de cada cita",
    },
    DataClass.BOOKINGS: {
        "en": "Bookings that did not take place",
        "es": "Reservas que no llegaron a realizarse",
    },
    DataClass.PAYMENTS: {"en": "Payments and refunds", "es": "Pagos y devoluciones"},
    DataClass.PROVIDER_EVENTS: {
        "en": "Messages of payment providers about your payments",
        "es": "Mensajes de los proveedores de pago sobre tus pagos",
    },
    DataClass.DOCUMENTS: {"en": "Receipts and invoices", "es": "Justificantes y facturas"},
    DataClass.BILLING_PROFILE: {
        "en": "Billing details: legal name, tax id, address",
        "es": "Datos de facturación: nombre fiscal, NIF, domicilio",
    },
    DataClass.MAILS: {"en": "The log of mails to you and about you", "es": "El registro de correos para ti y sobre ti"},
    DataClass.TEXTS: {
        "en": "Text messages: what you agreed to, and the log",
        "es": "Mensajes de texto: lo que aceptaste y el registro",
    },
    DataClass.ANSWERS: {
        "en": "Answers kept for a few days so that nothing is booked twice",
        "es": "Respuestas guardadas unos días para no reservar nada dos veces",
    },
    DataClass.CALENDAR_FEEDS: {
        "en": "Private addresses of your calendar",
        "es": "Direcciones privadas de tu calendario",
    },
    DataClass.WAITLIST: {
        "en": "Your places in the waiting list",
        "es": "Tus puestos en la lista de espera",
    },
    DataClass.PACKAGES: {
        "en": "Packages of sessions and discount codes that you used",
        "es": "Bonos de sesiones y códigos de descuento que usaste",
    },
    DataClass.CARDS: {
        "en": "Cards that you let the practice keep",
        "es": "Tarjetas que dejaste guardar a la consulta",
    },
}

ACTIONS: dict[Action, dict[str, str]] = {
    Action.DELETE: {"en": "deleted", "es": "se borra"},
    Action.ANONYMISE: {"en": "made anonymous", "es": "se anonimiza"},
    Action.BLOCK: {"en": "kept blocked", "es": "se conserva bloqueado"},
}

REASONS: dict[Reason, dict[str, str]] = {
    Reason.NOT_NEEDED: {
        "en": "Nothing obliges us to keep it.",
        "es": "Nada nos obliga a conservarlo.",
    },
    Reason.CLINICAL_RECORD: {
        "en": "Records of treatment are kept for years after the last visit (Ley 41/2002, art. 17.1), blocked meanwhile"
        " (LOPDGDD, art. 32).",
        "es": "La historia clínica se conserva durante años desde la última visita (Ley 41/2002, art. 17.1), bloqueada"
        " mientras tanto (LOPDGDD, art. 32).",
    },
    Reason.BOOKS: {
        "en": "The books are kept for years (Código de Comercio, art. 30; Ley General Tributaria, art. 66), blocked"
        " meanwhile (LOPDGDD, art. 32).",
        "es": "Los libros y justificantes se conservan durante años (Código de Comercio, art. 30; Ley General"
        " Tributaria, art. 66), bloqueados mientras tanto (LOPDGDD, art. 32).",
    },
    Reason.BELONGS_TO_RECORD: {
        "en": "What is kept must be known to be yours; it stays blocked with it (LOPDGDD, art. 32).",
        "es": "Debe constar de quién es lo que se conserva; queda bloqueado con ello (LOPDGDD, art. 32).",
    },
    Reason.CALENDAR: {
        "en": "The practice's calendar keeps the time, without your name or anything you wrote.",
        "es": "El calendario de la consulta conserva la hora, sin tu nombre ni nada de lo que escribiste.",
    },
    Reason.MONEY_ON_ITS_WAY: {
        "en": "Money that is still on its way must find its way back; it names you no more.",
        "es": "El dinero que aún esté en camino debe poder volver; ya no te nombra.",
    },
    Reason.ACCOUNTABILITY: {
        "en": "The practice must be able to show what was done (GDPR, art. 5.2); it names you no more.",
        "es": "La consulta debe poder demostrar lo que se hizo (RGPD, art. 5.2); ya no te nombra.",
    },
}


def say(words: dict[str, str], locale: str) -> str:
    """The sentence in ``locale``, or in English where there is none."""
    return words.get(locale, words["en"])
