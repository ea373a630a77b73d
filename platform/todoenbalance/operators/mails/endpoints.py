"""An operator's choices of mails, and the one click by which mail programs end what may be ended (RFC 8058)."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form
from pydantic import BaseModel, ConfigDict

from tenants.accounts.schemas import LocaleCode
from todoenbalance.kit.errors import NotFoundError
from todoenbalance.kit.ratelimit import MAIL_CHOICES
from todoenbalance.kit.web.dependencies import ContextDep, PlatformSessionDep, RuntimeDep
from todoenbalance.kit.web.limits import limited
from todoenbalance.kit.web.problems import responses
from todoenbalance.operators.auth import CurrentOperator
from todoenbalance.operators.mails.choices import PATH, change_choices, read_token, unsubscribe

router = APIRouter(prefix="/auth/mail-preferences", tags=["own account of operators"])
public_router = APIRouter(tags=["mail"])


class OperatorMailChoices(BaseModel):
    """`wants_news`: mails about what waits for operators. `locale`: of their mails, null for the deployment's.

    What guards the account is always sent.
    """

    model_config = ConfigDict(extra="forbid", from_attributes=True)

    wants_news: bool
    locale: LocaleCode | None


@router.get("")
async def read_choices(operator: CurrentOperator) -> OperatorMailChoices:
    """Which mails the caller gets, of those that may be switched off."""
    return OperatorMailChoices.model_validate(operator)


@router.put("")
async def put_choices(
    body: OperatorMailChoices, operator: CurrentOperator, session: PlatformSessionDep, context: ContextDep
) -> OperatorMailChoices:
    """Keep the caller's choices. Safe to repeat."""
    await change_choices(
        session, operator, wants_news=body.wants_news, locale=body.locale, request_id=context.request_id
    )
    return OperatorMailChoices.model_validate(operator)


@public_router.post(PATH, responses=responses(NotFoundError), dependencies=[Depends(limited(MAIL_CHOICES))])
async def end_news(
    token: str,
    session: PlatformSessionDep,
    runtime: RuntimeDep,
    context: ContextDep,
    one_click: Annotated[Literal["One-Click"], Form(alias="List-Unsubscribe")],
) -> dict[str, str]:
    """End an operator's mails about what waits: `List-Unsubscribe=One-Click`, as RFC 8058 has it.

    Asked by mail programs, so without cookies and without a question in between. Safe to repeat. The same address read
    (`GET`) leads to the console's page of choices and changes nothing.
    """
    del one_click
    await unsubscribe(session, read_token(runtime.signer, token), context.request_id)
    return {"status": "unsubscribed"}
