"""What can go wrong with the ledger, by what happens next.

    LedgerError              this operation is not allowed for this record, or a caller's mistake: do not repeat it
    ├── LedgerUnavailable    PostgreSQL is away, or was for too long: the run should stop and be started again
    └── SchemaOutOfDate      an operator must run `nomis-pipelines db upgrade`

Messages hold ids, states and reasons; never a password, never a value of a record's mapping or details.
"""


class LedgerError(Exception):
    """An operation the ledger refuses. The message names the record and its state."""


class LedgerUnavailable(LedgerError):
    """The ledger's database cannot be reached. The message names host, port and database, never the password."""


class SchemaOutOfDate(LedgerError):
    """The database does not have the schema that this release needs."""
