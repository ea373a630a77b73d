"""What Prometheus may read. Labels are few and bounded: never an id, a host or an address."""

from prometheus_client import Counter, Histogram

REQUEST_SECONDS = Histogram(
    "todoenbalance_http_request_seconds", "Time to answer a request.", ["method", "route", "status"]
)
EVENTS_DELIVERED = Counter("todoenbalance_events_total", "Deliveries of queued events.", ["topic", "outcome"])
