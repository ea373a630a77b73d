"""How long a practice keeps what is only useful for a while (GDPR, art. 5.1.e), and the daily run that ends it."""

from datetime import timedelta

from sqlalchemy import exists, func, or_

from tenants.accounts.models import EmailChange, OneTimeToken, RefreshToken, SignIn, SignInAttempt
from tenants.social.models import SocialHandoff, SocialSignUp
from todoenbalance.kit.database import Database
from todoenbalance.kit.idempotency.models import IdempotencyKey
from todoenbalance.kit.retention import BATCH, MOST_BATCHES, Retention, delete_batch
from todoenbalance.kit.tenancy import TenantContext

DAY = timedelta(days=1)
SIGN_INS_KEPT = timedelta(days=90)
"""After its end: so long its owner and the practice may ask where a sign-in came from."""
LOG_KEPT = timedelta(days=365)
"""The log of mails. An erasure finds mails to an address of before by the change that they were about."""

_RULES: tuple[Retention, ...] = (
    Retention(
        OneTimeToken,
        "mailed links and challenges, after they were used or ran out",
        DAY,
        lambda before: or_(OneTimeToken.used_at < before, OneTimeToken.expires_at < before),
    ),
    Retention(
        EmailChange,
        "changes of address, after they were closed or ran out (as long as the log of their mails)",
        LOG_KEPT + DAY,
        lambda before: or_(EmailChange.closed_at < before, EmailChange.expires_at < before),
    ),
    Retention(
        SocialHandoff,
        "sign-ins by a provider under way, after they were used or ran out",
        DAY,
        lambda before: or_(SocialHandoff.used_at < before, SocialHandoff.expires_at < before),
    ),
    Retention(
        SocialSignUp,
        "sign-ups by a provider under way, after they were used or ran out",
        DAY,
        lambda before: or_(SocialSignUp.used_at < before, SocialSignUp.expires_at < before),
    ),
    Retention(
        SignInAttempt,
        "failed sign-ins in a row (by a keyed digest of the account), after the last one",
        DAY,
        lambda before: (
            (SignInAttempt.last_failed_at < before)
            & (SignInAttempt.locked_until.is_(None) | (SignInAttempt.locked_until < before))
        ),
    ),
    Retention(
        SignIn,
        "sign-ins with device and address, after they ended",
        SIGN_INS_KEPT,
        lambda before: func.coalesce(SignIn.ended_at, SignIn.expires_at) < before,
    ),
    Retention(
        RefreshToken,
        "refresh tokens (hashed), with the sign-in that they belong to",
        DAY,
        lambda before: (RefreshToken.created_at < before) & ~exists().where(SignIn.id == RefreshToken.family_id),
    ),
    Retention(
        IdempotencyKey,
        "answers to bookings and payments, so that a repetition does nothing twice",
        timedelta(days=7),
        lambda before: IdempotencyKey.created_at < before,
    ),
)
"""In the order in which they are applied: refresh tokens go after the sign-ins that they belonged to."""


_of_features: list[Retention] = []


def register_retention(rule: Retention) -> None:
    """Have the daily run apply a rule of another feature; called once at start-up."""
    if rule not in _of_features:
        _of_features.append(rule)


def practice_rules() -> tuple[Retention, ...]:
    """Every rule for a practice's tables."""
    return (*_RULES, *_of_features)


async def clean_practice(database: Database, tenant: TenantContext) -> int:
    """Apply every rule to one practice, each batch in a transaction of its own; answers how many rows went."""
    total = 0
    for rule in practice_rules():
        for _ in range(MOST_BATCHES):
            async with database.tenant(tenant) as session:
                gone = await delete_batch(session, rule)
            total += gone
            if gone < BATCH:
                break
    return total
