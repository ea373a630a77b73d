"""What makes a mail the one that it is: kind, subject, version and recipient, and which time it is sent again."""

import re
from dataclasses import dataclass, replace
from typing import Self
from uuid import UUID

from notifications.models import EmailLog
from notifications.recipients import Recipient, RecipientKind

_AGAIN = ".resend"
_KEY = re.compile(
    r"(?P<version>.+?)(?:\.resend(?P<again>\d{1,4}))?:(?P<kind>client|staff|address):(?P<recipient>.+)", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class MailKey:
    """The parts of ``EmailLog.dedupe_key``. ``again`` is 0, or n for the nth time that staff had it sent again."""

    kind: str
    subject_id: UUID
    version: int | str
    recipient: Recipient
    again: int = 0

    def __str__(self) -> str:
        """As it is stored."""
        version = f"{self.version}{_AGAIN}{self.again}" if self.again else self.version
        return f"{self.kind}:{self.subject_id}:{version}:{self.recipient.kind}:{self.recipient.id}"

    @property
    def client_id(self) -> UUID | None:
        """The client whose mail it is, if it is one's."""
        return UUID(self.recipient.id) if self.recipient.kind is RecipientKind.CLIENT else None

    @property
    def first(self) -> Self:
        """Of the mail that was sent again."""
        return replace(self, again=0)

    @classmethod
    def of(cls, log: EmailLog) -> Self | None:
        """From a line of the log; None for a line that names no subject or has a key of another make."""
        prefix = f"{log.kind}:{log.subject_id}:"
        found = _KEY.fullmatch(log.dedupe_key.removeprefix(prefix)) if log.dedupe_key.startswith(prefix) else None
        if found is None or log.subject_id is None:
            return None
        # Versions of subjects are numbers, and composers compare them as such.
        version = int(found["version"]) if found["version"].isdecimal() else found["version"]
        recipient = Recipient(RecipientKind(found["kind"]), found["recipient"])
        return cls(log.kind, log.subject_id, version, recipient, int(found["again"] or 0))


def client_of(log: EmailLog) -> UUID | None:
    """The client whom a mail was for, if it was for one."""
    key = MailKey.of(log)
    return key.client_id if key else None


def staff_of(log: EmailLog) -> UUID | None:
    """The member of staff whom a mail was for, if it was for one."""
    key = MailKey.of(log)
    return UUID(key.recipient.id) if key and key.recipient.kind is RecipientKind.STAFF else None
