"""How long the shared schema keeps what is only useful for a while, and the daily run that ends it."""

from datetime import timedelta

from sqlalchemy import exists, func, or_

from billing.platform_fees.models import PlatformEvent
from notifications.operator_mails.models import OperatorMail
from tenants.social.models import OAuthFlow
from todoenbalance.kit.database import Database
from todoenbalance.kit.retention import BATCH, MOST_BATCHES, Retention, delete_batch
from todoenbalance.operators.models import (
    OperatorOneTimeToken,
    OperatorRefreshToken,
    OperatorSignIn,
    OperatorSignInAttempt,
)
from todoenbalance.operators.waiting.models import BooksDisagreeing

DAY = timedelta(days=1)

PLATFORM_RULES: tuple[Retention, ...] = (
    Retention(
        OAuthFlow,
        "sign-ins that have gone to a provider, after they ran out",
        DAY,
        lambda before: OAuthFlow.expires_at < before,
    ),
    Retention(
        OperatorOneTimeToken,
        "operators' mailed links and challenges, after they were used or ran out",
        DAY,
        lambda before: or_(OperatorOneTimeToken.used_at < before, OperatorOneTimeToken.expires_at < before),
    ),
    Retention(
        OperatorSignInAttempt,
        "operators' failed sign-ins in a row, after the last one",
        DAY,
        lambda before: (
            (OperatorSignInAttempt.last_failed_at < before)
            & (OperatorSignInAttempt.locked_until.is_(None) | (OperatorSignInAttempt.locked_until < before))
        ),
    ),
    Retention(
        OperatorSignIn,
        "operators' sign-ins with device and address, after they ended",
        timedelta(days=90),
        lambda before: func.coalesce(OperatorSignIn.ended_at, OperatorSignIn.expires_at) < before,
    ),
    Retention(
        PlatformEvent,
        "which webhooks of the platform's own account came",
        timedelta(days=90),
        lambda before: PlatformEvent.received_at < before,
    ),
    Retention(
        OperatorMail,
        "the log of mails to operators",
        timedelta(days=365),
        lambda before: OperatorMail.created_at < before,
    ),
    Retention(
        BooksDisagreeing,
        "practices whose books disagreed with a provider's, after they were last found so",
        timedelta(days=7),
        lambda before: BooksDisagreeing.seen_at < before,
    ),
    Retention(
        OperatorRefreshToken,
        "operators' refresh tokens (hashed), with the sign-in that they belong to",
        DAY,
        lambda before: (
            (OperatorRefreshToken.created_at < before)
            & ~exists().where(OperatorSignIn.id == OperatorRefreshToken.family_id)
        ),
    ),
)
"""In the order in which they are applied: refresh tokens go after the sign-ins that they belonged to."""


async def clean_platform(database: Database) -> int:
    """Apply every rule, each batch in a transaction of its own; answers how many rows went. Safe to repeat."""
    total = 0
    for rule in PLATFORM_RULES:
        for _ in range(MOST_BATCHES):
            async with database.platform() as session:
                gone = await delete_batch(session, rule)
            total += gone
            if gone < BATCH:
                break
    return total
