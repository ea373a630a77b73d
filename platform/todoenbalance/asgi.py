"""The ASGI application that uvicorn and gunicorn serve: ``todoenbalance.asgi:app``."""

from todoenbalance.app import create_app
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import get_settings

app = create_app(Runtime.from_settings(get_settings()))
