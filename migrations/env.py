"""Alembic's entry: runs on the connection that `api.domain.database.migrate` hands over."""

from alembic import context

from api.domain.database.migrate import VERSION_TABLE
from api.domain.database.tables import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection, target_metadata=metadata, version_table=VERSION_TABLE, transactional_ddl=True,
    transaction_per_migration=False,
)  # fmt: skip
context.run_migrations()
