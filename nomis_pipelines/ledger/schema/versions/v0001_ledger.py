"""History, progress, owners and records.

`migration_history` keeps the shape the dashboard's reports were written against (platform card, section 2.9). A
database taken over from the service that went before has it already: it is kept, its rows too, and only its type
column is widened.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_COUNTERS = (
    "estimated",
    "listed",
    "migrated",
    "skipped",
    "rejected",
    "failed",
    "unmapped",
    "in_doubt",
    "duplicates",
    "busy",
    "processed",
)
_STATES = "'writing', 'written', 'mapped', 'duplicate', 'rejected', 'failed', 'in_doubt'"
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    _history()
    _progress()
    op.execute("CREATE SEQUENCE ledger_owner_number AS bigint")
    op.create_table(
        "ledger_owner",
        sa.Column("owner", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("locked_at", _TIME, nullable=False),
    )
    _record()


def downgrade() -> None:
    for table in ("record", "ledger_owner", "migration_progress", "migration_history"):
        op.drop_table(table)
    op.execute("DROP SEQUENCE ledger_owner_number")


def _history() -> None:
    if sa.inspect(op.get_bind()).has_table("migration_history"):
        op.alter_column("migration_history", "migration_type", type_=sa.String(35))
    else:
        op.create_table(
            "migration_history",
            sa.Column("migration_id", sa.String(40), primary_key=True),
            sa.Column("when_started", _TIME, nullable=False, server_default=sa.func.now()),
            sa.Column("when_ended", _TIME),
            sa.Column("estimated_record_count", sa.BigInteger, nullable=False),
            sa.Column("records_migrated", sa.BigInteger, server_default=sa.text("0")),
            sa.Column("records_failed", sa.BigInteger, server_default=sa.text("0")),
            sa.Column("migration_type", sa.String(35), nullable=False),
            sa.Column("status", sa.String(20), nullable=False),
            sa.Column("filter", sa.Text),
        )
    op.create_index("ix_migration_history_type", "migration_history", ["migration_type", "when_started"])


def _progress() -> None:
    history = sa.ForeignKey("migration_history.migration_id", ondelete="CASCADE")
    op.create_table(
        "migration_progress",
        sa.Column("migration_id", sa.String(40), history, primary_key=True),
        sa.Column("domain", sa.Text, nullable=False),
        sa.Column("run_id", sa.Text),
        sa.Column("partition", sa.Text),
        sa.Column("owner", sa.BigInteger),
        *(sa.Column(name, sa.BigInteger, nullable=False, server_default=sa.text("0")) for name in _COUNTERS),
        sa.Column("cancel_requested_at", _TIME),
        sa.Column("updated_at", _TIME, nullable=False, server_default=sa.func.now()),
    )


def _record() -> None:
    op.create_table(
        "record",
        sa.Column("domain", sa.Text, nullable=False),
        sa.Column("entity", sa.Text, nullable=False),
        sa.Column("nomis_key", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("dps_id", sa.Text),
        sa.Column("existing_dps_id", sa.Text),
        sa.Column("mapping", JSONB),
        sa.Column("reason", sa.Text),
        sa.Column("status", sa.Integer),
        sa.Column("details", JSONB),
        sa.Column("migration_id", sa.Text),
        sa.Column("partition", sa.Text),
        sa.Column("owner", sa.BigInteger, nullable=False),
        sa.Column("token", sa.BigInteger, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False, server_default=sa.text("1")),
        sa.Column("attempts", sa.Integer, nullable=False, server_default=sa.text("1")),
        sa.Column("dismissed", sa.Boolean, nullable=False, server_default=sa.text("false")),
        sa.Column("created_at", _TIME, nullable=False, server_default=sa.func.now()),
        sa.Column("updated_at", _TIME, nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("entity", "nomis_key", name="pk_record"),
        sa.CheckConstraint(f"state IN ({_STATES})", name="ck_record_state"),
        sa.CheckConstraint("state NOT IN ('written', 'duplicate') OR dps_id IS NOT NULL", name="ck_record_dps_id"),
    )
    op.create_index(
        "ix_record_unfinished",
        "record",
        ["domain", "state", "entity", "nomis_key"],
        postgresql_where=sa.text("state <> 'mapped'"),
    )
    op.create_index(
        "ix_record_mapped",
        "record",
        ["domain", "partition", "migration_id"],
        postgresql_where=sa.text("state = 'mapped'"),
    )
