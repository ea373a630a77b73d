"""What goes in and out of privacy's endpoints."""

from datetime import date, datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from tenants.privacy.erasure import ErasurePlan, describe_plan
from tenants.privacy.models import Erasure
from tenants.privacy.port import Action, DataClass, Json, Reason
from tenants.privacy.words import CLASSES, REASONS, say
from todoenbalance.kit.money import MoneySchema

WrittenReason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=500)]


class ConsentRead(BaseModel):
    """That one agreed to one version of a document."""

    model_config = ConfigDict(from_attributes=True)

    document: str
    version: str
    locale: str
    accepted_at: datetime


class ConsentRequest(BaseModel):
    """Agreeing to the version that one has read."""

    model_config = ConfigDict(extra="forbid")

    document: Literal["privacy"]
    version: Annotated[str, StringConstraints(min_length=1, max_length=40)]


class ClassTreatment(BaseModel):
    """What becomes of one class of data: how many entries, until when they are kept blocked, and why."""

    model_config = ConfigDict(populate_by_name=True)

    data_class: DataClass = Field(alias="class")
    title: str
    action: Action
    count: int
    until: date | None
    reason: Reason
    explanation: str


class CancelledByErasure(BaseModel):
    """An appointment to come that is cancelled. ``refund``: what goes back, null if nothing had been paid."""

    appointment_id: UUID
    starts_at: datetime
    refund: MoneySchema | None


class ErasurePreview(BaseModel):
    """What an erasure would do now. ``blocked_until``: the last date of what must be kept, null if nothing must."""

    classes: list[ClassTreatment]
    cancellations: list[CancelledByErasure]
    blocked_until: date | None

    @classmethod
    def of_plan(cls, plan: ErasurePlan, locale: str) -> Self:
        """In the reader's language."""
        return cls(**_described(describe_plan(plan), locale))


class ErasureReceipt(ErasurePreview):
    """What an erasure did. It names nobody."""

    id: UUID
    erased_at: datetime
    requested_by: Literal["client", "staff"]
    destroyed_at: datetime | None

    @classmethod
    def of(cls, row: Erasure, locale: str) -> Self:
        """From our own row."""
        return cls(
            **_described(row.receipt, locale),
            id=row.id,
            erased_at=row.created_at,
            requested_by=row.receipt["requested_by"],
            destroyed_at=row.destroyed_at,
        )


def _described(receipt: Json, locale: str) -> dict[str, Any]:
    return {
        "classes": [
            {
                **one,
                "title": say(CLASSES[DataClass(one["class"])], locale),
                "explanation": say(REASONS[Reason(one["reason"])], locale),
            }
            for one in receipt["classes"]
        ],
        "cancellations": receipt["cancellations"],
        "blocked_until": receipt["blocked_until"],
    }


class UnsealRequest(BaseModel):
    """Why a blocked record is opened: which judge, authority or claim wants it (LOPDGDD, art. 32.2)."""

    model_config = ConfigDict(extra="forbid")

    reason: WrittenReason
