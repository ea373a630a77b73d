"""What people type as their second factor."""

from datetime import timedelta
from typing import Any

import httpx
import pyotp

from tests.support.practices import PASSWORD
from todoenbalance.kit import clock


def code_of(secret: str, *, steps: int = 0) -> str:
    """What an app shows ``steps`` times thirty seconds from now."""
    return pyotp.TOTP(secret).at(clock.now() + timedelta(seconds=30 * steps))


def wrong_code(secret: str) -> str:
    """Six digits that no app shows around now."""
    near = {code_of(secret, steps=steps) for steps in range(-3, 4)}
    return next(code for code in (f"{number:06}" for number in range(10)) if code not in near)


async def log_in(
    client: httpx.AsyncClient, email: str, password: str = PASSWORD, at: str = "/api/v1/admin/auth"
) -> dict[str, Any]:
    """The password's step."""
    answer = await client.post(f"{at}/login", data={"username": email, "password": password})
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def bearer(tokens: dict[str, Any]) -> dict[str, str]:
    """The header that acts by an answered sign-in."""
    return {"Authorization": f"Bearer {tokens['access_token']}"}


async def set_up_totp(
    client: httpx.AsyncClient, headers: dict[str, str], at: str = "/api/v1/admin/auth"
) -> tuple[str, list[str]]:
    """Enrol and activate an app; answers its secret (the code of this moment is spent) and the recovery codes."""
    enrolment = await client.post(f"{at}/mfa/enrol", headers=headers)
    assert enrolment.status_code == 200, enrolment.text
    secret: str = enrolment.json()["secret"]
    done = await client.post(f"{at}/mfa/activate", headers=headers, json={"code": code_of(secret)})
    assert done.status_code == 200, done.text
    codes: list[str] = done.json()["recovery_codes"]
    return secret, codes
