"""What operators see of a practice's payment accounts: how they stand, and nothing that could be used."""

from uuid import uuid4

from billing.accounts.models import AccountKind, AccountStatus, PaymentAccount
from tests.conftest import HttpFactory
from tests.support.operators import make_operator
from tests.support.problems import assert_problem
from todoenbalance.kit import clock
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.tenancy import TenantContext


async def test_operators_see_how_an_account_stands_and_no_credentials(
    runtime: Runtime, practice: TenantContext, http: HttpFactory
) -> None:
    now = clock.now()
    sealed = runtime.vault.encrypt("a secret", tenant_key=practice.key)
    async with runtime.database.tenant(practice) as session:
        session.add(
            PaymentAccount(
                id=new_id(),
                provider="paypal",
                kind=AccountKind.CREDENTIALS,
                mode="test",
                status=AccountStatus.RESTRICTED,
                account_ref="client-of-theirs",
                credentials=sealed,
                problem="credentials_refused",
                created_at=now,
                updated_at=now,
            )
        )
    operator = await make_operator(runtime)
    answer = await http().get(f"/api/v1/platform/tenants/{practice.id}/payment-accounts", headers=operator.headers)
    assert answer.status_code == 200, answer.text
    (seen,) = answer.json()["items"]
    assert (seen["status"], seen["problem"], seen["is_usable"]) == ("restricted", "credentials_refused", False)
    assert seen["reason"]
    assert sealed not in answer.text
    nobody = await http().get(f"/api/v1/platform/tenants/{uuid4()}/payment-accounts", headers=operator.headers)
    assert_problem(nobody, 404, "not_found")
