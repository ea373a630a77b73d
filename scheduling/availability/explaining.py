"""Why a time can, or can't, be booked."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from scheduling.availability.repository import find_sessions_at
from scheduling.availability.rules import Rule, Rules
from scheduling.availability.service import Judgement, find_slots, judge_start, judge_time
from todoenbalance.kit.database import TenantSession

_FAR = timedelta(days=36_500)


async def explain_start(
    session: TenantSession, rules: Rules, starts_at: datetime, practitioner_id: UUID | None = None
) -> Mapping[UUID, Judgement]:
    """What stands between a start and a booking, for one practitioner or for each who offers the service.

    The judgement is the booking's own. One who does not offer the service breaks ``not_offered``.
    """
    if practitioner_id is not None and practitioner_id not in rules.people:
        return {practitioner_id: Judgement((Rule.NOT_OFFERED,))}
    if rules.capacity is not None:
        return await _explain_session(session, rules, starts_at, practitioner_id)
    return await judge_start(session, rules, starts_at, practitioner_id=practitioner_id)


async def _explain_session(
    session: TenantSession, rules: Rules, starts_at: datetime, practitioner_id: UUID | None
) -> Mapping[UUID, Judgement]:
    """Of a group service: there is a session at that time with a seat left, or not."""
    asked = rules if practitioner_id is None else rules.of_people([practitioner_id])
    held = await find_sessions_at(session, rules.service_id, starts_at)
    at_any_notice = replace(rules, minimum_notice=-_FAR, horizon=_FAR)
    open_now = await find_slots(session, at_any_notice, starts_at, starts_at + timedelta(microseconds=1))
    with_seats = {UUID(slot.practitioner_id) for slot in open_now}
    early = judge_time(rules, starts_at)
    return {
        key: Judgement(
            (*early, *((Rule.TAKEN,) if key in held and key not in with_seats else ()))
            if key in held
            else (Rule.NOT_OFFERED,),
            (held[key],) if key in with_seats and not early else (),
        )
        for key in asked.people
    }
