"""What a mail's state comes to by what was told of it."""

from types import MappingProxyType

from notifications.models import Delivery
from notifications.tracking.models import EventKind

GRAVITY = MappingProxyType(
    {
        EventKind.DEFERRED: (1, Delivery.DEFERRED),
        EventKind.DROPPED: (2, Delivery.DROPPED),
        EventKind.DELIVERED: (3, Delivery.DELIVERED),
        EventKind.BLOCKED: (4, Delivery.BOUNCED),
        EventKind.BOUNCED: (5, Delivery.BOUNCED),
        EventKind.COMPLAINED: (6, Delivery.COMPLAINED),
    }
)
"""By gravity. A mail may bounce after a server took it, and one that was handed over twice may be dropped once."""
