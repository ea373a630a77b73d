"""The Celery application and the names of its tasks, shared by the worker and by those who nudge it."""

from celery import Celery
from celery.schedules import crontab

from todoenbalance.kit.settings import Settings

RELAY_TASK = "outbox.relay"
DELIVER_TASK = "outbox.deliver"
HOUSEKEEPING_TASK = "platform.housekeeping"
WAITING_TASK = "platform.waiting"


def make_celery(settings: Settings) -> Celery:
    """The Celery application over the settings' Redis."""
    app = Celery("todoenbalance", broker=settings.redis_url.get_secret_value())
    app.conf.update(
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_serializer="json",
        accept_content=["json"],
        worker_prefetch_multiplier=4,
        worker_send_task_events=False,
        broker_connection_retry_on_startup=True,
        # Longer than any task runs; a redelivered message is harmless all the same (see kit.outbox.relay).
        broker_transport_options={
            "visibility_timeout": 600,
            "socket_timeout": 5,
            "socket_connect_timeout": 2,
            "retry_on_timeout": True,
        },
        task_time_limit=120,
        task_soft_time_limit=90,
        beat_schedule={
            "relay": {
                "task": RELAY_TASK,
                "schedule": settings.outbox.relay_interval_seconds,
                # A tick that nobody took in time is worth nothing: the next one does its work.
                "options": {"expires": max(settings.outbox.relay_interval_seconds * 3, 5.0)},
            },
            "housekeeping": {
                "task": HOUSEKEEPING_TASK,
                "schedule": crontab(hour="3", minute="17"),  # UTC; practices have hours of their own
                "options": {"expires": 3600.0},
            },
            "waiting": {
                "task": WAITING_TASK,
                "schedule": crontab(minute="*/5"),
                "options": {"expires": 300.0},
            },
        },
        beat_schedule_filename=str(settings.data_dir / "run" / "beat-schedule"),
    )
    return app


def send_nudge(app: Celery) -> None:
    """Ask the worker to run the relay now; raises what the broker's client raises."""
    app.send_task(RELAY_TASK, expires=5, retry=False)
