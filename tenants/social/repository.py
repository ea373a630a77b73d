"""Every query of social sign-in."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, select, update

from tenants.social.models import OAuthFlow, SocialHandoff, SocialIdentity, SocialProviderAccount, SocialSignUp
from todoenbalance.kit import clock
from todoenbalance.kit.database import PlatformSession, TenantSession
from todoenbalance.kit.security.tokens import hash_opaque_token


class SocialRepository:
    """Identities, handoffs, sign-ups and registrations of one practice."""

    def __init__(self, session: TenantSession) -> None:
        self._session = session

    def add(self, row: SocialIdentity | SocialHandoff | SocialSignUp | SocialProviderAccount) -> None:
        """Insert with the next flush."""
        self._session.add(row)

    # ---- identities

    async def find_identity(self, provider: str, subject: str) -> SocialIdentity | None:
        """Who somebody at a provider is here, as of now, or None."""
        statement = select(SocialIdentity).where(SocialIdentity.provider == provider, SocialIdentity.subject == subject)
        return (await self._session.scalars(statement, execution_options={"populate_existing": True})).one_or_none()

    async def find_identity_of(self, client_id: UUID, provider: str) -> SocialIdentity | None:
        """A client's identity at a provider, or None."""
        statement = select(SocialIdentity).where(
            SocialIdentity.client_id == client_id, SocialIdentity.provider == provider
        )
        return (await self._session.scalars(statement)).one_or_none()

    async def find_identity_by_id(self, identity_id: UUID) -> SocialIdentity | None:
        """By id, or None."""
        return await self._session.get(SocialIdentity, identity_id)

    async def list_identities(self, client_id: UUID) -> list[SocialIdentity]:
        """A client's identities, the oldest first."""
        statement = select(SocialIdentity).where(SocialIdentity.client_id == client_id).order_by(SocialIdentity.id)
        return list((await self._session.scalars(statement)).all())

    async def delete_identity(self, identity_id: UUID) -> None:
        """Forget one."""
        await self._session.execute(delete(SocialIdentity).where(SocialIdentity.id == identity_id))

    async def delete_identities(self, client_id: UUID) -> None:
        """Forget all of a client's, and what is under way to add to them."""
        await self._session.execute(delete(SocialIdentity).where(SocialIdentity.client_id == client_id))
        await self._session.execute(delete(SocialHandoff).where(SocialHandoff.link_client_id == client_id))

    # ---- handoffs

    async def spend_handoff(self, token: str) -> SocialHandoff | None:
        """Mark a live handoff as used, so that of two that come at once one gets it; None otherwise."""
        now = clock.now()
        statement = (
            update(SocialHandoff)
            .where(
                SocialHandoff.token_hash == hash_opaque_token(token),
                SocialHandoff.used_at.is_(None),
                SocialHandoff.expires_at > now,
            )
            .values(used_at=now)
            .returning(SocialHandoff)
        )
        return (await self._session.scalars(statement)).one_or_none()

    # ---- sign-ups

    async def lock_sign_up(self, token: str) -> SocialSignUp | None:
        """A sign-up that is not over, locked, or None."""
        statement = select(SocialSignUp).where(
            SocialSignUp.token_hash == hash_opaque_token(token),
            SocialSignUp.used_at.is_(None),
            SocialSignUp.expires_at > clock.now(),
        )
        return (
            await self._session.scalars(statement.with_for_update(), execution_options={"populate_existing": True})
        ).one_or_none()

    async def lock_sign_up_by_id(self, sign_up_id: UUID) -> SocialSignUp | None:
        """A sign-up that is not over, locked and fresh, or None."""
        statement = select(SocialSignUp).where(
            SocialSignUp.id == sign_up_id, SocialSignUp.used_at.is_(None), SocialSignUp.expires_at > clock.now()
        )
        return (
            await self._session.scalars(statement.with_for_update(), execution_options={"populate_existing": True})
        ).one_or_none()

    async def find_sign_up(self, sign_up_id: UUID) -> SocialSignUp | None:
        """By id, or None."""
        return await self._session.get(SocialSignUp, sign_up_id)

    async def count_codes_sent(self, email: str, since: datetime, *, except_id: UUID) -> int:
        """How many codes other sign-ups had sent to an address since then."""
        statement = select(func.coalesce(func.sum(SocialSignUp.codes_sent), 0)).where(
            func.lower(SocialSignUp.email) == email.lower(),
            SocialSignUp.created_at > since,
            SocialSignUp.id != except_id,
        )
        return int((await self._session.scalar(statement)) or 0)

    # ---- registrations

    async def find_account(self, provider: str, *, for_update: bool = False) -> SocialProviderAccount | None:
        """The practice's own registration at a provider, or None."""
        return await self._session.get(SocialProviderAccount, provider, with_for_update=for_update)

    async def list_accounts(self) -> dict[str, SocialProviderAccount]:
        """The practice's own registrations by provider."""
        rows = await self._session.scalars(select(SocialProviderAccount))
        return {row.provider: row for row in rows}

    async def delete_account(self, provider: str) -> bool:
        """Forget a registration; whether there was one."""
        statement = delete(SocialProviderAccount).where(SocialProviderAccount.provider == provider)
        gone = await self._session.scalars(statement.returning(SocialProviderAccount.provider))
        return gone.one_or_none() is not None


class FlowRepository:
    """Sign-ins of all practices that have gone to a provider."""

    def __init__(self, session: PlatformSession) -> None:
        self._session = session

    def add(self, flow: OAuthFlow) -> None:
        """Insert with the next flush."""
        self._session.add(flow)

    async def spend(self, flow_id: UUID, provider: str) -> OAuthFlow | None:
        """Mark a live flow to this provider as used, so that of two callbacks one gets it; None otherwise."""
        now = clock.now()
        statement = (
            update(OAuthFlow)
            .where(
                OAuthFlow.id == flow_id,
                OAuthFlow.provider == provider,
                OAuthFlow.used_at.is_(None),
                OAuthFlow.expires_at > now,
            )
            .values(used_at=now)
            .returning(OAuthFlow)
        )
        return (await self._session.scalars(statement)).one_or_none()
