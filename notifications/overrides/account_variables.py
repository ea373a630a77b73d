"""What the one mail about accounts may say that practices may write. The others guard accounts: they are ours."""

from notifications.account_mails import CLIENT_WELCOME
from notifications.overrides.variables import OverridableKind, number, register_overridable, url


def register_account_variables() -> None:
    """Called at start-up. Safe to repeat."""
    register_overridable(
        OverridableKind(
            CLIENT_WELCOME,
            {"es": "Bienvenida al registrarse", "en": "Welcome after signing up"},
            (
                url(
                    "verification_url",
                    "Enlace para confirmar el correo; vacío si ya está confirmado",
                    "Link that confirms the address; empty if it is confirmed",
                    "/verify-email?token=example",
                    optional=True,
                ),
                number("valid_days", "Días que vale ese enlace", "For how many days that link is valid", 3),
                url("booking_url", "Página de reservas", "The booking page", ""),
            ),
            must_say=(("verification_url",),),
        )
    )
