"""Someone new whose address nobody vouches for: they name one, and type in the code that is mailed to it.

On this way nothing is ever joined to an account that there is: whoever owns that one connects it from inside.
"""

import hmac
import secrets
from datetime import timedelta
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from tenants.accounts.errors import EmailTakenError
from tenants.accounts.services import vouched_clients
from tenants.social.errors import InvalidSignUpError, WrongCodeError
from tenants.social.events import SOCIAL_ADDRESS_TAKEN, SOCIAL_CODE_REQUESTED
from tenants.social.models import SocialHandoff, SocialProvider, SocialSignUp
from tenants.social.recognition import Recognised, recognise
from tenants.social.repository import SocialRepository
from tenants.social.service import add_identity
from todoenbalance.kit import clock
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.errors import TooManyRequestsError
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.outbox.publish import publish
from todoenbalance.kit.security.sign_ins import SignInMethod
from todoenbalance.kit.security.tokens import TokenSigner, hash_opaque_token, new_opaque_token

SIGN_UP_LIFETIME = timedelta(minutes=30)
CODE_DIGITS = 8
CODES_PER_SIGN_UP, WRONG_CODES = 3, 5
CODE_PURPOSE = "social_code"
"""What requests for codes are counted as."""
NUISANCE_WINDOW, NUISANCE_LIMIT = timedelta(hours=1), 5
"""So many codes go to one address in that time, whoever asks for them."""


def begin_sign_up(session: TenantSession, handoff: SocialHandoff) -> str:
    """Wait for an address; answers the token by which the browser goes on."""
    token, now = new_opaque_token(), clock.now()
    SocialRepository(session).add(
        SocialSignUp(
            id=new_id(),
            token_hash=hash_opaque_token(token),
            provider=handoff.provider,
            subject=handoff.subject,
            first_name=handoff.first_name,
            last_name=handoff.last_name,
            locale=handoff.locale,
            email=handoff.email,
            code_hash=None,
            codes_sent=0,
            attempts=0,
            created_at=now,
            expires_at=now + SIGN_UP_LIFETIME,
        )
    )
    return token


async def get_sign_up(session: TenantSession, token: str) -> SocialSignUp:
    """The sign-up of a token, locked. Raises :class:`InvalidSignUpError` if it is unknown or over."""
    row = await SocialRepository(session).lock_sign_up(token)
    if row is None:
        raise InvalidSignUpError
    return row


async def request_code(session: TenantSession, token: str, email: str) -> None:
    """Mail a code to ``email``, or, where it is taken, a note to its owner; nothing tells the two apart.

    Earlier codes are void at once. Raises :class:`InvalidSignUpError`, and :class:`TooManyRequestsError` after
    a few.
    """
    row = await get_sign_up(session, token)
    if row.codes_sent >= CODES_PER_SIGN_UP:
        raise TooManyRequestsError((row.expires_at - clock.now()).total_seconds())
    row.email, row.code_hash = email, None
    row.codes_sent += 1
    existing = await vouched_clients.find_by_email(session, email)
    since = clock.now() - NUISANCE_WINDOW
    sent = await SocialRepository(session).count_codes_sent(email, since, except_id=row.id)
    if sent >= NUISANCE_LIMIT:
        return
    if existing is not None:
        await publish(session, SOCIAL_ADDRESS_TAKEN, {"client_id": str(existing.id)})
    else:
        await publish(session, SOCIAL_CODE_REQUESTED, {"sign_up_id": str(row.id)})


async def find_address(session: TenantSession, sign_up_id: UUID) -> tuple[str, str, str] | None:
    """Where a sign-up's mail goes: address, first name, language. None if it is over, or has no address."""
    row = await SocialRepository(session).find_sign_up(sign_up_id)
    if row is None or row.email is None or row.used_at is not None or row.expires_at <= clock.now():
        return None
    return row.email, row.first_name, row.locale


async def renew_code(session: TenantSession, signer: TokenSigner, sign_up_id: UUID, address: str) -> str | None:
    """A fresh code for the mail that is about to go to ``address``; earlier ones are void.

    None if the sign-up is over or waits for a code at another address now: a code must never be read at one
    address and confirm another.
    """
    row = await SocialRepository(session).lock_sign_up_by_id(sign_up_id)
    if row is None or row.email != address:
        return None
    code = f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}}"
    row.code_hash = _digest(signer, row, code)
    return code


def _digest(signer: TokenSigner, row: SocialSignUp, code: str) -> str:
    """Keyed: a code is short enough to be guessed from a plain digest."""
    return signer.digest(f"social-code:{row.id}:{code}")


async def confirm_address(session: TenantSession, signer: TokenSigner, token: str, code: str) -> Recognised:
    """The account, opened now, of someone who typed in the code that was mailed to them.

    Raises :class:`InvalidSignUpError`; :class:`WrongCodeError`, a few of which end the sign-up;
    :class:`EmailTakenError` if somebody opened an account with the address meanwhile.
    """
    row = await get_sign_up(session, token)
    digest = _digest(signer, row, code)
    if row.code_hash is None or row.email is None or not hmac.compare_digest(digest, row.code_hash):
        row.attempts += 1
        if row.attempts >= WRONG_CODES:
            row.used_at = clock.now()
        raise WrongCodeError
    row.used_at = clock.now()
    return await _open(session, row, row.email)


async def _open(session: TenantSession, row: SocialSignUp, email: str) -> Recognised:
    provider = SocialProvider(row.provider)
    known = await recognise(session, provider, row.subject, None)
    if known is not None:  # the same person finished in another window
        return known
    if await vouched_clients.find_by_email(session, email) is not None:
        raise EmailTakenError
    try:
        async with session.begin_nested():
            client = await vouched_clients.open_account(
                session, email=email, first_name=row.first_name, last_name=row.last_name, locale=row.locale
            )
            await add_identity(session, client.id, provider, row.subject, None)
    except IntegrityError as overtaken:
        known = await recognise(session, provider, row.subject, None)
        if known is None:
            raise EmailTakenError from overtaken
        return known
    return Recognised(client, SignInMethod(provider))
