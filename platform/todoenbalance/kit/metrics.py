"""What Prometheus may read. Labels are few and bounded: never an id, a host or an address."""

from prometheus_client import Counter, Histogram

REQUEST_SECONDS = Histogram(
    "todoenbalance_http_request_seconds", "Time to answer a request.", ["method", "route", "status"]
)
RATE_LIMITED = Counter("todoenbalance_rate_limited_total", "Requests refused by a rate limit.", ["policy", "scope"])
RATE_LIMITS_WITHOUT_REDIS = Counter(
    "todoenbalance_rate_limits_without_redis_total", "Counts that a process made on its own as Redis did not answer."
)
