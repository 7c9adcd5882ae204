-- Dagster's own database, beside the ledger's; and the login that the settings name by default.
CREATE DATABASE dagster OWNER migration;
