"""Reading what was 'sent', and telling languages apart."""

import re
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import select

from notifications.models import EmailLog, MailboxMessage
from notifications.rendering import Rendered
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext

ROOT = Path(__file__).parents[2]
# Words that no sentence of the one language does without and the other one has not.
ENGLISH = frozenset(
    re.findall(
        r"\w+",
        "the your you and with appointment hello of to in is are was been cancel cancelled time price practice "
        "refund refunded payment booking link password account welcome day what where attached see",
    )
)
SPANISH = frozenset(
    re.findall(
        r"\w+",
        "el la los las tu te de del que con una un cita hola es en se correo contraseña enlace reserva consulta "
        "devuelto importe pago cuenta hora día qué dónde adjunto ver",
    )
)


async def mails_of(runtime: Runtime, tenant: TenantContext, to: str | None = None) -> list[MailboxMessage]:
    """What is in the practice's mailbox (for ``to``, if given), oldest first."""
    async with runtime.database.tenant(tenant) as session:
        statement = select(MailboxMessage).order_by(MailboxMessage.created_at, MailboxMessage.id)
        rows = (await session.scalars(statement)).all()
    return [row for row in rows if to is None or row.recipient == to]


async def logs_of(runtime: Runtime, tenant: TenantContext, kind: str) -> Sequence[EmailLog]:
    """The log's rows of one kind, oldest first."""
    async with runtime.database.tenant(tenant) as session:
        return (await session.scalars(select(EmailLog).where(EmailLog.kind == kind).order_by(EmailLog.id))).all()


def links_in(text: str) -> list[str]:
    """The web addresses in a text body."""
    return re.findall(r"https?://\S+", text)


def assert_speaks(language: str, mail: MailboxMessage | Rendered, *given: str) -> None:
    """The mail has no word of the other language in subject or text; ``given`` are names that don't count."""
    content = " ".join(f"{mail.subject} {mail.text}".split())
    for name in given:
        content = content.replace(name, " ")
    content = re.sub(r"https?://\S+|\S+@\S+", " ", content)
    words = set(re.findall(r"[a-záéíóúñü]+", content.lower()))
    assert not words & (ENGLISH if language == "es" else SPANISH), content
    assert words & (SPANISH if language == "es" else ENGLISH), content
