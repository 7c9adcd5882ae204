"""Promise: every domain is what engines and sandbox expect of one, before it has a test of its own."""

from datetime import date, datetime

import pytest

from nomis_pipelines.definitions import build_definitions
from nomis_pipelines.domains import DOMAINS, consumers_of
from nomis_pipelines.domains.declaration import Domain
from nomis_pipelines.migration.checks import NAMES
from nomis_pipelines.migration.filters import filter_json, run_filter
from nomis_pipelines.migration.partitions import ByMonth, ByPrison, PrisonByMonth, Whole
from nomis_pipelines.sandbox.compare import STORES
from nomis_pipelines.sandbox.sqs import QUEUES
from nomis_pipelines.settings import SERVICES

every_domain = pytest.mark.parametrize("domain", DOMAINS, ids=lambda domain: domain.name)


by_month = pytest.mark.parametrize(
    "domain",
    [domain for domain in DOMAINS if isinstance(domain.migration.partitions, PrisonByMonth | ByMonth)],
    ids=lambda domain: domain.name,
)


def partition_of(domain: Domain) -> str:
    match domain.migration.partitions:
        case PrisonByMonth():
            return "HEI|2024-02"
        case Whole(KEY=key):
            return key
        case ByPrison():
            return "HEI"
        case _:
            return "2024-02"


@every_domain
def test_its_names_do_not_clash_with_another_domains(domain: Domain) -> None:
    others = [other for other in DOMAINS if other is not domain]
    for attribute in ("name", "migration_type", "telemetry_name", "mapping_path"):
        taken = {getattr(other.migration, attribute) for other in others}
        assert getattr(domain.migration, attribute) not in taken


@every_domain
def test_a_migration_type_fits_the_column_of_the_history(domain: Domain) -> None:
    assert len(domain.migration.migration_type) <= 35
    assert domain.migration.migration_type.isupper()


@every_domain
def test_its_services_are_in_the_settings(domain: Domain) -> None:
    assert set(domain.migration.services) <= set(SERVICES)


@every_domain
def test_a_filter_that_says_as_little_as_it_may_is_stored_without_blanks_or_nulls(domain: Domain) -> None:
    needed = {"prisonId": "HEI"} if isinstance(domain.migration.partitions, ByPrison) else {}
    text = filter_json(run_filter(domain.migration, needed, None))
    assert " " not in text
    assert "null" not in text


@every_domain
def test_the_filter_of_a_partition_covers_just_that_partition(domain: Domain) -> None:
    key = partition_of(domain)
    filter = run_filter(domain.migration, {}, key)
    again = domain.migration.filter.model_validate_json(filter_json(filter))
    assert domain.migration.partitions.covered(again, date(2024, 12, 1), prisons=["HEI", "BXI"]) == [key]


@by_month
def test_a_month_is_listed_to_its_last_moment(domain: Domain) -> None:
    values = run_filter(domain.migration, {}, partition_of(domain)).model_dump()
    ends = [value for value in values.values() if isinstance(value, date)]
    assert min(ends, key=str) in (date(2024, 2, 1), datetime(2024, 2, 1))  # local, as NOMIS's are
    assert max(ends, key=str) in (date(2024, 2, 29), datetime(2024, 3, 1))


@every_domain
def test_it_has_an_asset_checks_jobs_and_sensors_with_the_mechanical_names(domain: Domain) -> None:
    definitions = build_definitions()
    graph = definitions.resolve_asset_graph()
    key = next(key for key in graph.get_all_asset_keys() if key.path == ["dps", domain.name])
    assert {check.name for check in graph.get_check_keys_for_assets({key})} == set(NAMES)
    jobs = {job.name for job in definitions.resolve_all_job_defs()}
    expected = {f"migrate_{domain.name}", f"migrate_{domain.name}_by_filter", f"retry_failed_{domain.name}"}
    expected |= {f"repair_{domain.name}_{repair.name}" for repair in domain.repairs}
    expected |= {f"{domain.name}_{action.name.replace('-', '_')}" for action in domain.actions}
    sensors = {sensor.name for sensor in definitions.sensors or []}
    if consumers_of(domain):
        expected.add(f"synchronise_{domain.name}")
        assert f"{domain.name}_events" in sensors
    assert expected <= jobs


def test_an_asset_depends_on_those_that_must_be_migrated_before() -> None:
    graph = build_definitions().resolve_asset_graph()
    parents = {
        key.path[1]: sorted(parent.path[1] for parent in graph.get(key).parent_keys)
        for key in graph.get_all_asset_keys()
    }
    assert parents == {domain.name: list(domain.migration.depends_on) for domain in DOMAINS}
    assert parents["allocations"] == ["activities"]


@every_domain
def test_the_sandbox_plays_its_part(domain: Domain) -> None:
    assert domain.name in STORES
    assert set(domain.queues) <= {queue.queue_id for queue in QUEUES}


def test_every_queue_is_consumed_by_exactly_one_domain() -> None:
    consumed = [queue for domain in DOMAINS for queue in consumers_of(domain)]
    assert sorted(consumed) == sorted({queue for domain in DOMAINS for queue in domain.queues})
