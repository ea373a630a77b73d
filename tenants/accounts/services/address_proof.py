"""The first proof that an address is its account's: what was set up before it goes.

Anybody can open an account in the name of somebody else's address and wait. When the owner of the address turns
up, whoever waited must not stay in: not by the password, not by a sign-in, not by an identity at a provider.
"""

from tenants.accounts.models import AccountKind, Client
from tenants.accounts.repository import AccountRepository
from tenants.accounts.services import sign_ins
from tenants.accounts.services.links import EMAIL_CHANGE_CANCEL, EMAIL_CHANGE_NEW, EMAIL_CHANGE_OLD, VERIFICATION
from todoenbalance.kit.database import TenantSession
from todoenbalance.kit.security.sign_ins import EndReason


async def prove_address(session: TenantSession, client: Client) -> None:
    """Note that a mail to the client's address was answered, under their row's lock."""
    if client.is_verified:
        return
    client.is_verified = True
    client.hashed_password = None
    accounts = AccountRepository(session)
    await accounts.void_one_time_tokens(
        client.id, VERIFICATION, EMAIL_CHANGE_OLD, EMAIL_CHANGE_NEW, EMAIL_CHANGE_CANCEL
    )
    await accounts.close_email_changes(AccountKind.CLIENT, client.id)
    await sign_ins.end_all(session, AccountKind.CLIENT, client.id, EndReason.REVOKED)
    await disconnect_providers(session, client)


async def disconnect_providers(session: TenantSession, client: Client) -> None:
    """Take every identity at a provider away, under the account's row lock.

    Somebody who resets a password may do so because somebody else is in: that one must not stay by an account
    at Google that they connected. One whose provider vouches for this address is joined again by itself.
    """
    # What signs in by providers builds on accounts.
    from tenants.social.service import forget_identities

    await forget_identities(session, client.id)
