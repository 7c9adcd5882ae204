"""Promise: case notes are migrated and then follow NOMIS's events; ledger, mapping service and DPS agree."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from nomis_pipelines.ledger import LedgerReader
from nomis_pipelines.sandbox import Sandbox, SandboxAdmin
from nomis_pipelines.sandbox.compare import disagreements
from nomis_pipelines.sandbox.emit import Emitter
from nomis_pipelines_tests.conftest import SANDBOX_TODAY
from nomis_pipelines_tests.e2e.support import bare, run

pytestmark = [pytest.mark.server, pytest.mark.timeout(600)]

PRISONERS = 120
Json = dict[str, Any]


@pytest.fixture(scope="module")
def world() -> Iterator[Sandbox]:
    """A sandbox with queues and a few prisoners."""
    with Sandbox(visits=10, prisoners=PRISONERS, seed=5, today=SANDBOX_TODAY, postgres=False) as made:
        yield made


@pytest.fixture
def environment(world: Sandbox, ledger_url: str) -> dict[str, str]:
    """What leads a command to the sandbox and a fresh ledger."""
    world.admin.reset()
    names = {name: value for name, value in world.environment.items() if name != "DAGSTER_HOME"}
    names |= {"NOMIS_PIPELINES_TODAY": SANDBOX_TODAY.isoformat(), "DATABASE_URL": ledger_url}
    return bare(names)


def migrate(environment: dict[str, str], *prisoners: str) -> Json:
    filter = json.dumps({"offenderNos": prisoners} if prisoners else {})
    ended = run(environment, "migrate", "case-notes", "--filter", filter, "--json")
    assert ended.status == 0, ended.err
    return ended.result


def synchronise(environment: dict[str, str]) -> Json:
    """Handle what is on the queue; the report."""
    ended = run(environment, "synchronise", "case-notes", "--until-idle", "4", "--json")
    assert ended.status == 0, ended.err
    (report,) = json.loads(ended.out.strip().splitlines()[-1])
    return report


def differing(admin: SandboxAdmin, ledger_url: str) -> list[str]:
    with LedgerReader(ledger_url) as reader:
        return disagreements(admin, reader, "case_notes")


def mappings(admin: SandboxAdmin, prisoner: str) -> dict[int, str]:
    """NOMIS row -> DPS note, of a prisoner."""
    rows = admin.records("/mappings/case-notes", size=20_000)["content"]
    return {row["nomisKey"][0]: row["dps_id"] for row in rows if row["prisoner"] == prisoner}


def prisoners_with_notes(admin: SandboxAdmin, bookings: int) -> list[str]:
    """Prisoners with notes, and with so many bookings."""
    found = dict.fromkeys(row["prisoner"] for row in admin.records("/mappings/case-notes", size=20_000)["content"])
    return [number for number in found if len(admin.prisoner(number)["bookings"]) == bookings]


def test_a_migration_ends_in_agreement_and_a_second_one_does_nothing(
    world: Sandbox, environment: dict[str, str], ledger_url: str
) -> None:
    result = migrate(environment)
    assert (result["estimated"], result["migrated"]) == (PRISONERS, PRISONERS)
    assert differing(world.admin, ledger_url) == []
    again = migrate(environment)
    assert (again["migrated"], again["skipped"]) == (0, PRISONERS)
    agreement = world.admin.agreement()["case_notes"]
    assert agreement["dps_surplus"] == 0
    assert agreement["mappings"] > agreement["dps_records"] > 0, "copies and double entries are one note"


def test_after_the_migration_dps_follows_what_nomis_tells(
    world: Sandbox, environment: dict[str, str], ledger_url: str
) -> None:
    admin = world.admin
    migrate(environment)
    emit = Emitter(admin, world.environment)
    one, two, three, four, five, *_ = prisoners_with_notes(admin, bookings=1)
    shared, *_ = prisoners_with_notes(admin, bookings=2)
    before = mappings(admin, shared)
    copied, sister = next(
        (note, other) for note in before for other in before if note < other and before[note] == before[other]
    )
    inserted = emit.case_notes.inserted(one, "Seen in the library")
    emit.case_notes.updated(int(inserted["caseNoteId"]), "Seen in the library twice")
    changed, *_ = mappings(admin, two)
    emit.case_notes.updated(changed, "Changed at once")
    emit.case_notes.updated(changed, "Changed again")
    doomed, *_ = mappings(admin, three)
    doomed_note = mappings(admin, three)[doomed]
    emit.case_notes.deleted(doomed)
    emit.case_notes.updated(copied, "Said of both rows")
    emit.booking_moved(admin.prisoner(four)["bookings"][-1], five)
    moved = set(mappings(admin, four).values())
    # the note deleted may have sisters of its own, whose rows go with it
    assert synchronise(environment)["handled"] >= 7
    new = mappings(admin, one)[int(inserted["caseNoteId"])]
    assert admin.dps_case_note(new)["body"]["text"] == "Seen in the library twice"
    assert admin.dps_case_note(mappings(admin, two)[changed])["body"]["text"] == "Changed again"
    assert doomed_note not in mappings(admin, three).values()
    assert admin.case_note(sister)["caseNoteText"] == "Said of both rows"
    assert admin.case_note(sister)["auditModuleName"].startswith("DPS_SYNCHRONISATION")
    assert moved <= set(mappings(admin, five).values())
    assert {admin.dps_case_note(dps_id)["prisoner"] for dps_id in moved} == {five}
    assert differing(admin, ledger_url) == []
    # the row changed on behalf of DPS tells of itself, and nothing comes of it
    emit.case_notes.told("UPDATED", sister)
    # a merge, and a note of the number that stays told before and after it
    copy = admin.copy_case_note(min(mappings(admin, two)), admin.prisoner(one)["bookings"][-1])
    emit.prisoner_merged(one, two)
    late = emit.case_notes.inserted(one, "After the merge")
    report = synchronise(environment)
    assert report["failed"] == 0
    kept = mappings(admin, one)
    assert mappings(admin, two) == {}
    assert kept[copy["caseNoteId"]] == kept[changed]
    assert admin.dps_case_note(kept[int(late["caseNoteId"])])["prisoner"] == one
    assert differing(admin, ledger_url) == []
    assert admin.agreement()["case_notes"]["dps_surplus"] == 0
