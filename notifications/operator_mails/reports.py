"""What the provider told of mails to operators."""

from collections.abc import Sequence

from notifications.models import Delivery, EmailStatus
from notifications.operator_mails.repository import OperatorMailRepository
from notifications.tracking.deliveries import GRAVITY
from notifications.tracking.reports import Report
from todoenbalance.kit.database import PlatformSession
from todoenbalance.kit.logs import get_logger

_log = get_logger("notifications.operator_mails")
_NOT_ARRIVED = (Delivery.DROPPED, Delivery.BOUNCED, Delivery.COMPLAINED)


async def record_operator_reports(session: PlatformSession, reports: Sequence[Report]) -> int:
    """Keep with each mail the gravest of what was told, of equals the latest; answers how many named a mail of ours.

    Nobody's address is suppressed: operators are few, and what they are told guards the platform. That one of them is
    not reached is an error in the log, for whoever watches that.
    """
    rows = await OperatorMailRepository(session).lock_all({report.message_id for report in reports})
    ours = [report for report in reports if report.message_id in rows]
    for report in ours:
        row, told = rows[report.message_id], GRAVITY.get(report.kind)
        if told is None:
            continue
        gravity, delivery = told
        known = (_gravity_of(row.delivery), row.delivery_at) if row.delivery_at is not None else None
        if known is not None and (gravity, report.occurred_at) <= known:
            continue
        if delivery in _NOT_ARRIVED and row.delivery != delivery:
            _log.error("operator_not_reached", operator_mail_id=str(row.id), delivery=delivery)
        row.delivery, row.delivery_at, row.delivery_reason = delivery, report.occurred_at, report.reason
        if row.status == EmailStatus.FAILED:  # given up because nobody said what came of it; it did go
            row.status, row.failure, row.sent_at = EmailStatus.SENT, None, report.occurred_at
    return len(ours)


def _gravity_of(delivery: str | None) -> int:
    return max((gravity for gravity, one in GRAVITY.values() if one == delivery), default=0)
