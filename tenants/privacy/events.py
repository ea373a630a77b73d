"""Events of privacy; payloads carry ids only."""

BLOCK_OVER = "privacy.block_over"
"""``{erasure_id}``, due when what was kept of an erased person need not be kept any more."""

HOUSEKEEPING = "practice.housekeeping"
"""No payload, daily: throw away what has been kept long enough. Each practice has one row, made by the migration."""
