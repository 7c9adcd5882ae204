"""The tables of the ledger as SQLAlchemy sees them. The migrations under `schema/versions` make them.

No column holds personal data: only NOMIS and DPS ids, codes, reasons and counts. `details` and `mapping` are given by
the callers, who keep names, dates of birth and free text out of them.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Sequence,
    String,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from nomis_pipelines.ledger.model import COUNTERS, State

metadata = MetaData()

owner_sequence = Sequence("ledger_owner_number", metadata=metadata, data_type=BigInteger)

migration_history = Table(
    "migration_history",
    metadata,
    Column("migration_id", String(40), primary_key=True),
    Column("when_started", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("when_ended", DateTime(timezone=True)),
    Column("estimated_record_count", BigInteger, nullable=False),
    Column("records_migrated", BigInteger, server_default=text("0")),
    Column("records_failed", BigInteger, server_default=text("0")),
    Column("migration_type", String(35), nullable=False),
    Column("status", String(20), nullable=False),
    Column("filter", Text),
    Index("ix_migration_history_type", "migration_type", "when_started"),
)

migration_progress = Table(
    "migration_progress",
    metadata,
    Column(
        "migration_id", String(40), ForeignKey("migration_history.migration_id", ondelete="CASCADE"), primary_key=True
    ),
    Column("domain", Text, nullable=False),
    Column("run_id", Text),
    Column("partition", Text),
    Column("owner", BigInteger),
    Column("estimated", BigInteger, nullable=False, server_default=text("0")),
    *(Column(name, BigInteger, nullable=False, server_default=text("0")) for name in COUNTERS),
    Column("cancel_requested_at", DateTime(timezone=True)),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

ledger_owner = Table(
    "ledger_owner",
    metadata,
    Column("owner", BigInteger, primary_key=True, autoincrement=False),
    Column("locked_at", DateTime(timezone=True), nullable=False),
)

record = Table(
    "record",
    metadata,
    Column("domain", Text, nullable=False),
    Column("entity", Text, nullable=False),
    Column("nomis_key", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("dps_id", Text),
    Column("existing_dps_id", Text),
    Column("mapping", JSONB),
    Column("reason", Text),
    Column("status", Integer),
    Column("details", JSONB),
    Column("migration_id", Text),
    Column("partition", Text),
    Column("owner", BigInteger, nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False, server_default=text("1")),
    Column("attempts", Integer, nullable=False, server_default=text("1")),
    Column("dismissed", Boolean, nullable=False, server_default=text("false")),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    PrimaryKeyConstraint("entity", "nomis_key", name="pk_record"),
    CheckConstraint("state IN ({})".format(", ".join(f"'{s}'" for s in State)), name="ck_record_state"),
    CheckConstraint("state NOT IN ('written', 'duplicate') OR dps_id IS NOT NULL", name="ck_record_dps_id"),
    # What operators look through is small beside 100 million finished rows: it has an index of its own, and a finished
    # row costs one narrow entry, made once.
    Index("ix_record_unfinished", "domain", "state", "entity", "nomis_key", postgresql_where=text("state <> 'mapped'")),
    Index("ix_record_mapped", "domain", "partition", "migration_id", postgresql_where=text("state = 'mapped'")),
)
