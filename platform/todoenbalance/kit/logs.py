"""Structured logs: one event a line, request id and practice in each, never personal data."""

import logging
import sys

import structlog

# Libraries that write credentials or whole messages at DEBUG.
_TELLTALES = ("httpx", "httpcore", "python_http_client", "paypalrestsdk", "stripe", "kombu", "amqp")
# Celery says for each tick of the relay that it came and went.
_CHATTY = ("celery.beat", "celery.worker.strategy", "celery.app.trace")


def configure_logs(level: str, *, json: bool) -> None:
    """Send structlog and the standard library's loggers to stderr in one shape."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if json
        # Plain tracebacks: the pretty ones show local variables, and those hold passwords and health data.
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    tail: list[structlog.typing.Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        *([structlog.processors.format_exc_info] if json else []),
        renderer,
    ]
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=tail))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _TELLTALES + _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger whose lines carry what :func:`structlog.contextvars.bind_contextvars` bound."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(name)
    return logger
