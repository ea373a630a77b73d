"""What is to be in the DNS of a practice's domain so that mails from it are believed, and judging what is there."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, Final, Self


class RecordType(StrEnum):
    """Types of DNS records that are asked for."""

    CNAME = "CNAME"
    TXT = "TXT"


class Purpose(StrEnum):
    """What a record is for.

    ``ownership``: shows that this very practice may use the domain. ``dkim``: signatures (RFC 6376). ``return_path``
    and ``spf``: who may send (RFC 7208). ``dmarc``: advice only, what receivers do with mail that fails both (RFC
    7489).
    """

    OWNERSHIP = "ownership"
    DKIM = "dkim"
    RETURN_PATH = "return_path"
    SPF = "spf"
    DMARC = "dmarc"


class RecordState(StrEnum):
    """``unknown``: not asked yet, or no server gave an answer."""

    UNKNOWN = "unknown"
    MISSING = "missing"
    WRONG = "wrong"
    OK = "ok"


@dataclass(frozen=True, slots=True)
class Record:
    """A wanted record, and what was found in its place."""

    purpose: Purpose
    type: RecordType
    name: str
    value: str
    found: str | None = None
    state: RecordState = RecordState.UNKNOWN

    @property
    def is_required(self) -> bool:
        """Whether mails wait for it."""
        return self.purpose is not Purpose.DMARC

    @property
    def is_bad(self) -> bool:
        """Whether it is certain that it isn't there as it should be."""
        return self.state in (RecordState.MISSING, RecordState.WRONG)

    def to_json(self) -> dict[str, Any]:
        """As it is stored."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Self:
        """From what was stored."""
        purpose, kind, state = Purpose(stored["purpose"]), RecordType(stored["type"]), RecordState(stored["state"])
        return cls(purpose, kind, stored["name"], stored["value"], stored["found"], state)


OWNERSHIP_LABEL: Final = "_todoenbalance"
_SPF: Final = "v=spf1"
_DMARC: Final = "v=dmarc1"
_FOUND_MOST = 500


def ownership_record(domain: str, token: str) -> Record:
    """Without it a practice could write from the domain of another that entered the provider's records: those are the
    same for both."""
    return Record(Purpose.OWNERSHIP, RecordType.TXT, f"{OWNERSHIP_LABEL}.{domain}", f"practice={token}")


def spf_record(domain: str, include: str) -> Record:
    """For a domain that has no SPF record yet; :func:`judge` puts the part that matters into the one there is."""
    return Record(Purpose.SPF, RecordType.TXT, domain, f"{_SPF} include:{include} ~all")


def dmarc_record(domain: str) -> Record:
    """The mildest there is: it asks for nothing and refuses nothing."""
    return Record(Purpose.DMARC, RecordType.TXT, f"_dmarc.{domain}", "v=DMARC1; p=none")


def judge(wanted: Record, values: Sequence[str] | None) -> Record:
    """The record with what was found, from the values of the answer; None: there was no answer."""
    if values is None:
        return replace(wanted, found=None, state=RecordState.UNKNOWN)
    if wanted.purpose is Purpose.SPF:
        return _judge_spf(wanted, values)
    if wanted.purpose is Purpose.DMARC:
        return _judge_dmarc(wanted, values)
    if wanted.type is RecordType.CNAME:
        is_there = any(_host(value) == _host(wanted.value) for value in values)
    else:
        is_there = any(value.strip() == wanted.value for value in values)
    state = RecordState.OK if is_there else RecordState.WRONG if values else RecordState.MISSING
    return replace(wanted, found=wanted.value if is_there else _shown(values), state=state)


def _host(name: str) -> str:
    return name.rstrip(".").lower()


def _shown(values: Sequence[str]) -> str | None:
    return " | ".join(values)[:_FOUND_MOST] or None


def _judge_spf(wanted: Record, values: Sequence[str]) -> Record:
    """One record at most, else none counts (RFC 7208, 4.5); the domain's other TXT records are not our business."""
    records = [value for value in values if value.lower().split(" ", 1)[0] == _SPF]
    include = next(term for term in wanted.value.split() if term.startswith("include:"))
    if not records:
        return replace(wanted, found=None, state=RecordState.MISSING)
    terms = records[0].split()
    is_there = any(term.lower().lstrip("+") == include for term in terms)
    if len(records) == 1 and is_there:
        return replace(wanted, value=records[0], found=records[0], state=RecordState.OK)
    whole = records[0] if is_there else " ".join((terms[0], include, *terms[1:]))
    return replace(wanted, value=whole[:_FOUND_MOST], found=_shown(records), state=RecordState.WRONG)


def _judge_dmarc(wanted: Record, values: Sequence[str]) -> Record:
    records = [value for value in values if value.lower().replace(" ", "").split(";", 1)[0] == _DMARC]
    state = RecordState.MISSING if not records else RecordState.OK if len(records) == 1 else RecordState.WRONG
    return replace(wanted, found=_shown(records), state=state)
