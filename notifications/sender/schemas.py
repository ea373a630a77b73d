"""What the API takes and answers about a practice's sender."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, EmailStr, Field, StringConstraints

from notifications.sender.addresses import shown_domain
from notifications.sender.models import Trouble
from notifications.sender.records import Purpose, Record, RecordState, RecordType
from notifications.sender.service import SenderChoices, SenderState, SenderStatus


class MailSenderPut(BaseModel):
    """The sender as a whole; what is left out or null is the default: the practice's name, its contact address, the
    platform's address."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)] | None = None
    reply_to: Annotated[EmailStr, Field(max_length=320)] | None = None
    address: Annotated[EmailStr, Field(max_length=320)] | None = None

    def choices(self) -> SenderChoices:
        """For the service."""
        return SenderChoices(self.name, self.reply_to, self.address)


class DnsRecordRead(BaseModel):
    """A record to enter in the domain's DNS, and what was found there. `is_required`: mails wait for it."""

    purpose: Purpose
    type: RecordType
    name: str
    value: str
    found: str | None
    state: RecordState
    is_required: bool

    @classmethod
    def of(cls, record: Record) -> "DnsRecordRead":
        """From what was looked at."""
        return cls(
            purpose=record.purpose,
            type=record.type,
            name=record.name,
            value=record.value,
            found=record.found,
            state=record.state,
            is_required=record.is_required,
        )


class CurrentSenderRead(BaseModel):
    """As whom mails go out now."""

    name: str
    address: str
    reply_to: str | None


class MailSenderRead(BaseModel):
    """The sender: what was chosen, how far the domain is, and as whom mails go out now.

    `is_offered`: addresses of practices' own can be used here. `is_being_checked`: a look at DNS is queued for now.
    """

    name: str | None
    reply_to: str | None
    address: str | None
    domain: str | None
    domain_shown: str | None
    status: SenderStatus
    trouble: Trouble | None
    records: list[DnsRecordRead]
    checked_at: datetime | None
    verified_at: datetime | None
    broken_at: datetime | None
    is_being_checked: bool
    is_offered: bool
    current: CurrentSenderRead

    @classmethod
    def of(cls, state: SenderState) -> "MailSenderRead":
        """From the service's answer."""
        current = state.current
        return cls(
            name=state.name,
            reply_to=state.reply_to,
            address=state.address,
            domain=state.domain,
            domain_shown=shown_domain(state.domain) if state.domain else None,
            status=state.status,
            trouble=Trouble(state.trouble) if state.trouble else None,
            records=[DnsRecordRead.of(one) for one in state.records],
            checked_at=state.checked_at,
            verified_at=state.verified_at,
            broken_at=state.broken_at,
            is_being_checked=state.is_being_checked,
            is_offered=state.is_offered,
            current=CurrentSenderRead(name=current.name, address=current.address, reply_to=current.reply_to),
        )
