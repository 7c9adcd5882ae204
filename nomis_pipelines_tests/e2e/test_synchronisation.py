"""Promise: an event is handled once, in order, whoever consumes it and however often a consumer is killed.

By hand at full size: the same file with NOMIS_PIPELINES_EVENT_KILLS=20 NOMIS_PIPELINES_EVENT_ADJUSTMENTS=500
"""

import json
import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import boto3
import pytest

from nomis_pipelines.ledger import LedgerReader, State
from nomis_pipelines.sandbox import Sandbox, SandboxAdmin
from nomis_pipelines.sandbox.compare import disagreements
from nomis_pipelines_tests.conftest import SANDBOX_TODAY
from nomis_pipelines_tests.e2e.support import bare, command, run

pytestmark = [pytest.mark.server, pytest.mark.timeout(900)]

ADJUSTMENTS = int(os.environ.get("NOMIS_PIPELINES_EVENT_ADJUSTMENTS", "150"))
KILLS = int(os.environ.get("NOMIS_PIPELINES_EVENT_KILLS", "5"))
SEED = int(os.environ.get("NOMIS_PIPELINES_EVENT_SEED", "20240612"))
DOMAIN = "sentencing_adjustments"
Key = tuple[str, int]


@pytest.fixture
def world() -> Iterator[Sandbox]:
    """A sandbox with queues, and adjustments enough."""
    with Sandbox(visits=20_000, adjustments=4_000, seed=SEED, today=SANDBOX_TODAY, postgres=False) as made:
        yield made


@pytest.fixture
def environment(world: Sandbox, ledger_url: str) -> dict[str, str]:
    """What leads a consumer to the sandbox and a fresh ledger; messages come back soon from a killed one."""
    names = {name: value for name, value in world.environment.items() if name != "DAGSTER_HOME"}
    names |= {"NOMIS_PIPELINES_TODAY": SANDBOX_TODAY.isoformat(), "NOMIS_PIPELINES_VISIBILITY_SECONDS": "4"}
    return bare({**names, "DATABASE_URL": ledger_url})


def queue(world: Sandbox) -> Any:
    names = world.environment
    sqs: Any = boto3.resource(
        "sqs",
        endpoint_url=names["AWS_ENDPOINT_URL_SQS"],
        region_name=names["AWS_REGION"],
        aws_access_key_id=names["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=names["AWS_SECRET_ACCESS_KEY"],
    )
    return sqs.get_queue_by_name(QueueName=names["HMPPS_SQS_QUEUES_EVENTSENTENCING_QUEUE_NAME"])


def new_adjustments(admin: SandboxAdmin, count: int) -> list[dict[str, Any]]:
    """Fresh adjustments of both kinds, of types that DPS knows, on as many bookings."""
    return [
        admin.add_adjustment(category, 1_000_000 + place, adjustmentType={"code": code, "description": code})
        for place, (category, code) in zip(
            range(count), (("SENTENCE", "RX"), ("KEY-DATE", "ADA")) * count, strict=False
        )
    ]


def event(adjustment: dict[str, Any], what: str = "UPSERTED") -> str:
    """A NOMIS event about an adjustment, in its SNS envelope."""
    sentence = "sentenceSequence" in adjustment
    kind = f"{'SENTENCE' if sentence else 'KEY_DATE'}_ADJUSTMENT_{what}"
    body = {
        "offenderIdDisplay": adjustment["offenderNo"],
        "bookingId": str(adjustment["bookingId"]),
        "adjustmentId": str(adjustment["id"]),
        **({"sentenceSeq": str(adjustment["sentenceSequence"])} if sentence else {}),
    }
    attributes = {"eventType": {"Type": "String", "Value": kind}}
    return json.dumps({"Type": "Notification", "Message": json.dumps(body), "MessageAttributes": attributes})


def send(world: Sandbox, bodies: Sequence[str]) -> None:
    to = queue(world)
    for start in range(0, len(bodies), 10):
        entries = [{"Id": str(place), "MessageBody": body} for place, body in enumerate(bodies[start : start + 10])]
        assert not to.send_messages(Entries=entries).get("Failed")


def start(environment: dict[str, str], idle: float) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command("synchronise", "sentencing-adjustments", "--until-idle", str(idle), "--json"),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> dict[str, Any]:
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    return next(found for found in json.loads(output.strip().splitlines()[-1]) if found["queue"] == "eventsentencing")


def dump(admin: SandboxAdmin, path: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    while page := admin.records(path, page=len(rows) // 1000, size=1000)["content"]:
        rows += page
        if len(page) < 1000:
            break
    return rows


def key_of(row: dict[str, Any]) -> Key:
    category, number = row["nomisKey"]
    return str(category), int(number)


def test_after_a_month_is_migrated_events_update_what_it_made_and_make_what_is_new(
    world: Sandbox, environment: dict[str, str], ledger_url: str
) -> None:
    admin = world.admin
    ended_migration = run(
        environment, "migrate", "sentencing-adjustments", "--from", "2026-02", "--to", "2026-02", "--json"
    )
    assert ended_migration.status == 0, ended_migration.err
    result = ended_migration.result
    assert result["estimated"] > 20
    assert result["migrated"] + result["rejected"] == result["estimated"]
    migrated = {key_of(row): row["dps_id"] for row in dump(admin, "/mappings/adjustments")}
    assert len(migrated) == result["migrated"]
    category, number = changed = next(iter(migrated))
    code = {"code": "RX" if category == "SENTENCE" else "ADA", "description": "x"}
    body = admin.adjustment(migrated[changed])["body"]
    old = admin.change_adjustment(
        category, number, adjustmentType=code, adjustmentDays=body["adjustmentDays"] + 8, hiddenFromUsers=False
    )
    (new,) = new_adjustments(admin, 1)
    send(world, [event(old), event(new)])
    assert ended(start(environment, 3))["handled"] == 2
    assert admin.adjustment(migrated[changed])["body"]["adjustmentDays"] == body["adjustmentDays"] + 8
    pairs = {key_of(row): row for row in dump(admin, "/mappings/adjustments")}
    made = pairs[("SENTENCE", int(new["id"]))]
    assert (made["mapping_type"], made["label"]) == ("NOMIS_CREATED", None)
    assert admin.adjustment(made["dps_id"])["body"]["offenderNo"] == new["offenderNo"]
    with LedgerReader(ledger_url) as reader:
        assert disagreements(admin, reader, DOMAIN) == []


def test_three_events_for_each_and_two_consumers_make_each_adjustment_once(
    world: Sandbox, environment: dict[str, str]
) -> None:
    made = new_adjustments(world.admin, 500)
    bodies = [event(adjustment) for adjustment in made for _ in range(3)]
    random.Random(SEED).shuffle(bodies)
    send(world, bodies)
    reports = [ended(process) for process in [start(environment, 5), start(environment, 5)]]
    assert sum(report["handled"] for report in reports) == 1500
    in_dps = Counter(key_of(row) for row in dump(world.admin, "/adjustments"))
    assert set(in_dps.values()) == {1}
    assert len(in_dps) == 500
    assert len(dump(world.admin, "/mappings/adjustments")) == 500
    assert world.admin.duplicates("adjustments") == []


def test_kills_and_lost_answers_make_nothing_twice_and_lose_nothing(
    world: Sandbox, environment: dict[str, str], ledger_url: str
) -> None:
    admin = world.admin
    made = new_adjustments(admin, ADJUSTMENTS)
    admin.set_fault("latency", "sentencing", distribution="lognormal", milliseconds=40, when="after", seed=SEED)
    admin.set_fault("drop_after", "sentencing", method="POST", probability=0.02, seed=SEED)
    chance = random.Random(SEED)
    bodies = [event(adjustment) for adjustment in made for _ in range(2)]
    chance.shuffle(bodies)
    send(world, bodies)
    for number in range(KILLS):
        consumer = start(environment, 60)
        wanted = int(ADJUSTMENTS * (number + chance.random()) / (KILLS + 1))
        until = time.monotonic() + 30
        while admin.count("sentencing", "POST", "/legacy/adjustments") < wanted and time.monotonic() < until:
            time.sleep(0.01)
        consumer.send_signal(signal.SIGKILL)
        consumer.communicate()
    admin.clear_faults()
    ended(start(environment, 14))
    keys = {("SENTENCE" if "sentenceSequence" in found else "KEY-DATE", int(found["id"])) for found in made}
    in_dps = Counter(key_of(row) for row in dump(admin, "/adjustments"))
    mapped = {key_of(row) for row in dump(admin, "/mappings/adjustments")}
    with LedgerReader(ledger_url) as reader:
        doubtful = {
            as_key(record.nomis_key) for record in reader.records(DOMAIN, states=[State.IN_DOUBT, State.WRITING])
        }
    assert [key for key, copies in in_dps.items() if copies > 1] == []
    assert mapped | doubtful == keys
    assert mapped <= set(in_dps)
    assert set(in_dps) - mapped <= doubtful


def as_key(text: str) -> Key:
    category, _, number = text.partition("/")
    return category, int(number)


def test_events_of_one_entity_are_applied_in_order_while_others_interleave(
    world: Sandbox, environment: dict[str, str]
) -> None:
    admin = world.admin
    others = new_adjustments(admin, 334)
    one = admin.add_adjustment("SENTENCE", 1_000_900, adjustmentType={"code": "RX", "description": "Remand"})
    admin.set_fault("latency", "sentencing", distribution="lognormal", milliseconds=15, seed=SEED)
    filler = [event(other) for other in others for _ in range(3)]
    story = [event(one), event(one), event(one, "DELETED")]
    third = len(filler) // 3
    bodies = [*filler[:third], story[0], *filler[third : 2 * third], story[1], *filler[2 * third :], story[2]]
    send(world, bodies)
    report = ended(start(environment, 5))
    assert report["handled"] == len(bodies)
    posted = admin.count("sentencing", "POST", "/legacy/adjustments")
    assert posted == len(others) + 1
    assert ("SENTENCE", int(one["id"])) not in {key_of(row) for row in dump(admin, "/adjustments")}
    assert ("SENTENCE", int(one["id"])) not in {key_of(row) for row in dump(admin, "/mappings/adjustments")}
    assert admin.count("sentencing", "DELETE", "/legacy/adjustments/{adjustmentId}") == 1
