"""Promise: a domain whose declaration makes no sense is refused when it is imported, not at night."""

from typing import Any

import pytest

from nomis_pipelines.domains import DOMAINS, UnknownDomain, domain
from nomis_pipelines.domains.declaration import Domain
from nomis_pipelines.domains.visits import VISITS
from nomis_pipelines.migration.declaration import DeclarationError, Migration
from nomis_pipelines.migration.partitions import ByPrison
from nomis_pipelines.migration.tally import Outcome, Tally
from nomis_pipelines.settings import SERVICES

WHOLE: dict[str, Any] = {
    name: getattr(VISITS.migration, name)
    for name in ("name", "migration_type", "telemetry_name", "filter", "ids", "partitions", "write_service",
                 "services", "mapping_path", "dps_id_field")
}  # fmt: skip


@pytest.mark.parametrize("missing", WHOLE)
def test_each_part_must_be_declared(missing: str) -> None:
    parts = {name: value for name, value in WHOLE.items() if name != missing}
    with pytest.raises(DeclarationError, match=f"Half declares no {missing}"):
        type("Half", (Migration,), parts)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": "Visits"}, "not lower case"),
        ({"name": "visit-balances"}, "not lower case"),
        ({"services": ("nomis", "visits")}, "services lacks mapping"),
        ({"write_service": "activities"}, "services lacks activities"),
    ],
)
def test_nonsense_is_named(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(DeclarationError, match=message):
        type("Wrong", (Migration,), {**WHOLE, **wrong})


def test_a_domain_and_its_migration_have_one_name() -> None:
    with pytest.raises(DeclarationError, match="domain calls: its migration calls itself visits"):
        Domain(name="calls", title="Calls", migration=VISITS.migration)


def test_a_domain_is_found_by_name_and_an_unknown_one_is_told_which_there_are() -> None:
    assert domain("visits") is VISITS
    with pytest.raises(UnknownDomain, match=r"'visitz' is not a domain; there are: .*visits"):
        domain("visitz")


@pytest.mark.parametrize("declared", DOMAINS, ids=lambda d: d.name)
def test_every_domain_calls_services_that_are_known_and_keys_that_come_back(declared: Domain) -> None:
    migration = declared.migration
    assert set(migration.services) <= set(SERVICES)
    assert len(migration.migration_type) <= 35
    needed = {"prisonId": "HEI"} if isinstance(migration.partitions, ByPrison) else {}
    assert migration.filter.model_validate(needed) == migration.filter(**needed)
    assert migration.record_key("1").domain == declared.name


def test_names_and_types_are_no_domain_s_but_one() -> None:
    migrations = [each.migration for each in DOMAINS]
    for attribute in ("name", "migration_type", "telemetry_name", "mapping_path"):
        values = [getattr(migration, attribute) for migration in migrations]
        assert len(set(values)) == len(values), attribute


def test_tallies_add_up() -> None:
    one, other = Tally(listed=3), Tally(listed=2)
    for outcome in Outcome:
        one.add(outcome)
    other.add(Outcome.FAILED, "nomis-500")
    other.add(Outcome.FAILED, "nomis-500")
    total = one + other
    assert total.counts() == {
        "listed": 5, "migrated": 1, "skipped": 1, "rejected": 1, "failed": 3, "unmapped": 1, "in_doubt": 1,
        "duplicates": 1, "busy": 1,
    }  # fmt: skip
    assert (total.processed, total.reasons) == (10, {"nomis-500": 2})
