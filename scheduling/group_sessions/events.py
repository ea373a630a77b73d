"""Events that group sessions publish; payloads carry ids and versions only."""

GROUP_SESSION_PLANNED = "group_session.planned"
"""``{session_id, version, planned_by}``; the last is the id of the member of staff who did it, or null."""

GROUP_SESSION_MOVED = "group_session.moved"
GROUP_SESSION_CANCELLED = "group_session.cancelled"
"""``{session_id, version}`` each: a whole session. Its seats have events of their own, for their clients."""
