"""What goes in and out of the operators' API about plans."""

from typing import Annotated

from pydantic import BaseModel, StringConstraints

from billing.platform_fees.schemas import PlanAdminRead, PlanCode
from todoenbalance.operators.schemas import Text

Month = Annotated[str, StringConstraints(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$")]


class PlanList(BaseModel):
    """All plans, in the order in which they are shown."""

    items: list[PlanAdminRead]


class CheckoutWish(BaseModel):
    """The plan with a price to subscribe to."""

    plan: PlanCode


class Settlement(BaseModel):
    """How a statement was settled elsewhere, or why it is waived."""

    note: Text
