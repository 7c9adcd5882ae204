"""What can go wrong with the ledger, by what happens next.

    LedgerError              this operation is not allowed for this record, or a caller's mistake: do not repeat it
    ├── LedgerUnavailable    PostgreSQL is away, or was for too long: the run should stop and be started again
    ├── AlreadyRunning       a migration of the type runs already, and the start asked to be the only one
    └── SchemaOutOfDate      an operator must run `nomis-pipelines db upgrade`

Messages hold ids, states and reasons; never a password, never a value of a record's mapping or details.
"""

from nomis_pipelines.ledger.model import MigrationRow


class LedgerError(Exception):
    """An operation the ledger refuses. The message names the record and its state."""


class LedgerUnavailable(LedgerError):
    """The ledger's database cannot be reached. The message names host, port and database, never the password."""


class AlreadyRunning(LedgerError):
    """A migration of this type runs already: `row` is its history row."""

    def __init__(self, row: MigrationRow) -> None:
        super().__init__(f"migration {row.migration_id} of {row.migration_type} is {row.status}")
        self.row = row


class SchemaOutOfDate(LedgerError):
    """The database does not have the schema that this release needs."""
