"""Alembic's entry: runs the scripts of `versions/` in the transaction of the connection given by
`nomis_pipelines.ledger.schema`.
"""

from alembic import context

from nomis_pipelines.ledger.schema import VERSION_TABLE
from nomis_pipelines.ledger.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    compare_type=True,
    compare_server_default=True,
)
with context.begin_transaction():
    context.run_migrations()
