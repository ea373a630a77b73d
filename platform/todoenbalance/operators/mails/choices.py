"""What operators choose of their mails: their language, and whether they get what may be left out."""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final
from uuid import UUID

from todoenbalance.kit.database import PlatformSession
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.security.tokens import TokenSigner
from todoenbalance.operators import service
from todoenbalance.operators.models import Operator
from todoenbalance.operators.repository import OperatorRepository

PATH: Final = "/mail-preferences/{token}"
_DIGEST_LENGTH = 32
"""Hexadecimal digits: 128 bits, as in practices' mails."""


def choice_url(runtime: Runtime, operator_id: UUID) -> str:
    """The link of a mail: posting to it ends the news (RFC 8058), reading it leads to the page of choices.

    It opens nothing else, and does not run out: see ``notifications.preferences.links``.
    """
    whose = urlsafe_b64encode(operator_id.bytes).rstrip(b"=").decode()
    digest = runtime.signer.digest(_signed(whose))[:_DIGEST_LENGTH]
    return runtime.settings.platform_url(PATH.format(token=f"{whose}.{digest}"))


def read_token(signer: TokenSigner, token: str) -> UUID:
    """Whose ``token`` it is. Raises :class:`NotFoundError` for one that was not made here."""
    whose, _, digest = token.rpartition(".")
    known = (made[:_DIGEST_LENGTH] for made in signer.digests(_signed(whose)))
    if not any(hmac.compare_digest(digest.encode(), one.encode()) for one in known):
        raise NotFoundError
    return UUID(bytes=urlsafe_b64decode(whose + "=="))


def _signed(whose: str) -> str:
    return f"operator-mail-preferences:{whose}"


async def change_choices(
    session: PlatformSession, operator: Operator, *, wants_news: bool, locale: str | None, request_id: str | None
) -> None:
    """Keep what an operator chose; ``locale`` None is the deployment's language. Safe to repeat."""
    operator.locale = locale
    await _set_news(session, operator, wants_news=wants_news, by="page", request_id=request_id)


async def unsubscribe(session: PlatformSession, operator_id: UUID, request_id: str | None) -> None:
    """No more news for whoever has the link. Raises :class:`NotFoundError` for an operator who is none any more."""
    operator = await OperatorRepository(session).lock(operator_id)
    if operator is None or not operator.is_active:
        raise NotFoundError
    await _set_news(session, operator, wants_news=False, by="one_click", request_id=request_id)


async def _set_news(
    session: PlatformSession, operator: Operator, *, wants_news: bool, by: str, request_id: str | None
) -> None:
    """With a line in the audit trail: who is told when something goes wrong is everybody's business."""
    if operator.wants_news != wants_news:
        operator.wants_news = wants_news
        action = "operator.news_on" if wants_news else "operator.news_off"
        service.record(session, operator.id, action, request_id=request_id, by=by)
