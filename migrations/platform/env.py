"""Alembic environment of the shared schema. Always run by `migrations.runner`, over its connection."""

from alembic import context
from sqlalchemy import Connection

import todoenbalance.registry  # noqa: F401 - loads every table into the metadata
from todoenbalance.kit.database import PLATFORM_SCHEMA, PlatformBase

connection: Connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=PlatformBase.metadata,
    version_table_schema=PLATFORM_SCHEMA,
    include_schemas=True,
    include_name=lambda name, type_, _parents: type_ != "schema" or name == PLATFORM_SCHEMA,
    compare_server_default=False,
)
with context.begin_transaction():
    context.run_migrations()
