"""Alembic environment of a practice's schema.

Offline it renders the stream as SQL (how practices are made and migrated, see `migrations.render`);
online it serves `alembic check` and autogenerate over a connection that is bound to one practice. The
version table carries no schema: the search path puts it into the practice's own.
"""

from alembic import context

import todoenbalance.registry  # noqa: F401 - loads every table into the metadata
from todoenbalance.kit.database import TenantBase

if context.is_offline_mode():
    context.configure(
        dialect_name="postgresql",
        target_metadata=TenantBase.metadata,
        literal_binds=True,
        output_buffer=context.config.output_buffer,
        transactional_ddl=False,
    )
    context.run_migrations()
else:
    context.configure(connection=context.config.attributes["connection"], target_metadata=TenantBase.metadata)
    with context.begin_transaction():
        context.run_migrations()
