"""How many requests a second the sandbox serves on one core, how fast it starts, and what a million visits cost it.

The sandbox's own CPU time is counted, so that neither the client nor the machine's other work shows in the numbers:
a result of 10,000 means that a core of its own would serve 10,000 a second.

    python benchmarks/sandbox.py [--records 10000] [--connections 32]
"""

import argparse
import asyncio
import json
import os
import re
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, cast

import uvloop

from nomis_pipelines.sandbox import Sandbox

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
LABEL = "2026-01-01T00:00:00"
Numbers = list[tuple[str, str]]


class Line(asyncio.Protocol):
    """A connection that sends ready-made requests and hands out the bodies of the answers in their order."""

    def __init__(self) -> None:
        self.buffer = b""
        self.waiting: list[asyncio.Future[bytes]] = []
        self.transport = cast("asyncio.Transport", None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            match = LENGTH.search(self.buffer, 0, end)
            finish = end + 4 + int(match[1] if match else 0)
            if len(self.buffer) < finish:
                return
            body, self.buffer = self.buffer[end + 4 : finish], self.buffer[finish:]
            self.waiting.pop(0).set_result(body)

    def send(self, requests: Iterable[bytes]) -> list[asyncio.Future[bytes]]:
        """Send requests in one go; the futures of their bodies."""
        batch = list(requests)
        futures = [asyncio.get_running_loop().create_future() for _ in batch]
        self.waiting += futures
        self.transport.write(b"".join(batch))
        return futures


class Client:
    """Connections to one service, with its token."""

    def __init__(self, sandbox: Sandbox, service: str, client_id: str) -> None:
        self.port = sandbox.state["ports"][service]
        self.head = f"Host: 127.0.0.1\r\nAuthorization: Bearer {sandbox.admin.token(client_id)}\r\n"

    async def connect(self) -> Line:
        return (await asyncio.get_running_loop().create_connection(Line, "127.0.0.1", self.port))[1]

    def request(self, method: str, path: str, body: object = None) -> bytes:
        content = b"" if body is None else json.dumps(body).encode()
        kind = "Content-Type: application/json\r\n" if content else ""
        return f"{method} {path} HTTP/1.1\r\n{self.head}{kind}Content-Length: {len(content)}\r\n\r\n".encode() + content


def migrate_body(visit: dict[str, Any]) -> dict[str, Any]:
    """A visit as the visit scheduler takes it; near enough to what the migration sends, in shape and size."""
    people = [{"nomisPersonId": person["personId"]} for person in visit["visitors"]]
    return {
        "actionedBy": visit["createUserId"],
        "prisonerId": visit["offenderNo"],
        "prisonId": visit["prisonId"],
        "startTimestamp": visit["startDateTime"],
        "endTimestamp": visit["endDateTime"],
        "visitType": "SOCIAL",
        "visitStatus": "BOOKED",
        "outcomeStatus": "COMPLETED_NORMALLY",
        "visitRoom": visit.get("agencyInternalLocation", {}).get("description", "UNKNOWN"),
        "visitRestriction": "UNKNOWN",
        "contactList": people,
        "visitors": people,
        "visitNotes": [],
        "legacyData": {"leadVisitorId": 880001},
        "visitContact": {"name": "Petra Novak", "telephone": "01632 960111 22"},
        "createDateTime": visit["whenCreated"][:19],
    }


class Mix:
    """What a migration asks for a thousand records: one page of ids, then four calls a record."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.nomis = Client(sandbox, "nomis", "nomis-prisoner-api")
        self.mapping = Client(sandbox, "mapping", "nomis-mapping-api")
        self.visits = Client(sandbox, "visits", "visits-api")

    async def worker(self, depth: int, pages: "asyncio.Queue[int]", size: int) -> int:
        """Migrate whole pages until none is left, `depth` requests at once on each connection; how many were sent."""
        nomis, mapping, visits = [await client.connect() for client in (self.nomis, self.mapping, self.visits)]
        sent = 0
        while not pages.empty():
            page = pages.get_nowait()
            (body,) = [await f for f in nomis.send([self.nomis.request("GET", f"/visits/ids?page={page}&size={size}")])]
            ids = [row["visitId"] for row in json.loads(body)["content"]]
            for start in range(0, len(ids), depth):
                sent += await self._records(nomis, mapping, visits, ids[start : start + depth])
            sent += 1
        for line in (nomis, mapping, visits):
            line.transport.close()
        return sent

    async def _records(self, nomis: Line, mapping: Line, visits: Line, ids: list[int]) -> int:
        lookups = mapping.send(self.mapping.request("GET", f"/mapping/visits/nomisId/{i}") for i in ids)
        for future in lookups:
            await future
        records = [
            json.loads(await future)
            for future in nomis.send(self.nomis.request("GET", f"/visits/{number}") for number in ids)
        ]
        posts = visits.send(self.visits.request("POST", "/migrate-visits", migrate_body(visit)) for visit in records)
        pairs: list[dict[str, object]] = []
        for number, future in zip(ids, posts, strict=True):
            reference = (await future).decode()
            if len(reference) == 11:  # the others were refused: too far ahead
                pairs.append({"nomisId": number, "vsipId": reference, "label": LABEL, "mappingType": "MIGRATED"})
        for future in mapping.send(self.mapping.request("POST", "/mapping/visits", pair) for pair in pairs):
            await future
        return 3 * len(ids) + len(pairs)


async def run_mix(sandbox: Sandbox, *, first_page: int, records: int, connections: int, depth: int, size: int) -> int:
    """Migrate `records` visits over `connections` times three connections; the number of requests."""
    pages: asyncio.Queue[int] = asyncio.Queue()
    for page in range(first_page, first_page + records // size):
        pages.put_nowait(page)
    mix = Mix(sandbox)
    return sum(await asyncio.gather(*(mix.worker(depth, pages, size) for _ in range(connections))))


async def repeat(client: Client, request: bytes, *, count: int, connections: int) -> int:
    """Send one request again and again, one at a time on each connection."""

    async def worker() -> None:
        line = await client.connect()
        for _ in range(count // connections):
            await line.send([request])[0]
        line.transport.close()

    await asyncio.gather(*(worker() for _ in range(connections)))
    return count // connections * connections


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mb(pid: int) -> float:
    """Resident memory of a process, in megabytes (Linux)."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def measured(sandbox: Sandbox, name: str, work: Callable[[], Any]) -> tuple[str, str, str, str]:
    """Requests a second of the sandbox's CPU time, and by the clock."""
    cpu, clock = cpu_seconds(sandbox.pid), time.perf_counter()
    requests = uvloop.run(work())
    cpu, clock = cpu_seconds(sandbox.pid) - cpu, time.perf_counter() - clock
    return name, f"{requests:,}", f"{requests / cpu:,.0f}", f"{cpu / requests * 1e6:.0f}"


def throughput(arguments: argparse.Namespace) -> None:
    """Print the table of requests a second."""
    records, connections = arguments.records, arguments.connections
    rows: list[tuple[str, str, str, str]] = []
    with Sandbox(visits=1_000_000, postgres=False, sqs=False) as sandbox:
        size = 500

        def mix(first_page: int, depth: int) -> Callable[[], Any]:
            return lambda: run_mix(
                sandbox, first_page=first_page, records=records, connections=connections, depth=depth, size=size
            )

        rows.append(measured(sandbox, f"the mix, {connections} x 3 connections, one request at a time", mix(0, 1)))
        rows.append(measured(sandbox, "the mix, pipelined ten deep", mix(records // size, 10)))
        nomis = Client(sandbox, "nomis", "nomis-prisoner-api")
        mapping = Client(sandbox, "mapping", "nomis-mapping-api")
        for name, client, path, count in (
            ("visit", nomis, "/visits/4711", 2 * records),
            ("mapping lookup, 404", mapping, "/mapping/visits/nomisId/999999", 2 * records),
            ("page of 1,000 ids", nomis, "/visits/ids?prisonIds=HEI&page=7&size=1000", records // 5),
        ):
            request = client.request("GET", path)

            def work(client: Client = client, request: bytes = request, count: int = count) -> Any:
                return repeat(client, request, count=count, connections=connections)

            rows.append(measured(sandbox, name, work))
    print("\n| requests | sent | requests a CPU second | µs a request |\n|---|---:|---:|---:|")
    for row in rows:
        print("| " + " | ".join(row) + " |")


def a_million(arguments: argparse.Namespace) -> None:
    """Print start-up times and memory with a million visits, before and after all of them are migrated."""
    rows: Numbers = []
    begun = time.perf_counter()
    with Sandbox(visits=1_000_000, postgres=False, sqs=False) as sandbox:
        rows.append(("start with 1,000,000 visits, services only", f"{time.perf_counter() - begun:.2f} s"))
        rows.append(("memory after the start", f"{memory_mb(sandbox.pid):.0f} MB"))
    begun = time.perf_counter()
    with Sandbox(visits=1_000_000) as sandbox:
        rows.append(("start with PostgreSQL and SQS", f"{time.perf_counter() - begun:.2f} s"))
    if arguments.whole:
        state = Path(arguments.whole)
        with Sandbox(visits=1_000_000, postgres=False, sqs=False, state=state) as sandbox:
            work = run_mix(sandbox, first_page=0, records=1_000_000, connections=8, depth=20, size=1000)
            requests = uvloop.run(work)
            rows.append((f"memory after all were migrated ({requests:,} requests)", f"{memory_mb(sandbox.pid):.0f} MB"))
            print(sandbox.admin.agreement()["visits"])
        rows.append(("journal", f"{(state / 'journal').stat().st_size / 1e6:.0f} MB"))
        begun = time.perf_counter()
        with Sandbox(postgres=False, sqs=False, state=state) as sandbox:
            rows.append(("start with the journal of all of them", f"{time.perf_counter() - begun:.2f} s"))
            rows.append(("memory after that start", f"{memory_mb(sandbox.pid):.0f} MB"))
    print("\n| a million visits | |\n|---|---:|")
    for name, value in rows:
        print(f"| {name} | {value} |")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--whole", metavar="DIR", help="also migrate a million visits, with this state directory")
    arguments = parser.parse_args()
    throughput(arguments)
    a_million(arguments)


if __name__ == "__main__":
    main()
