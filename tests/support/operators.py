"""Operators for tests."""

import secrets

from tests.support.practices import SignedIn, hashed_password
from todoenbalance.kit import clock
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.runtime import Runtime
from todoenbalance.operators.models import Operator
from todoenbalance.operators.service import start_session


async def make_operator(runtime: Runtime, email: str | None = None, **fields: object) -> SignedIn:
    """An operator, signed in."""
    email = email or f"operator-{secrets.token_hex(4)}@example.com"
    names = {"first_name": "Olaf", "last_name": "Operador"}
    async with runtime.database.platform() as session:
        operator = Operator(
            id=new_id(),
            email=email,
            hashed_password=await hashed_password(),
            is_active=True,
            created_at=clock.now(),
            **(names | fields),
        )
        session.add(operator)
        await session.flush()  # the sign-in refers to it
        pair = await start_session(session, runtime.signer, runtime.settings.auth, operator)
    return SignedIn(operator.id, email, {"Authorization": f"Bearer {pair.access_token}"}, pair.refresh_token)
