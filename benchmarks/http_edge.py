"""What one call to a service costs, in CPU and in calls a second, beside other ways to make it.

Run as `python -m benchmarks.http_edge`; `--help` names the options. All ways ask
the same server (a process of its own) for the same small JSON document and read it into the same model. CPU is that of
this process with all its threads; the best of five rounds is shown, since other work on the machine only ever adds.
"""

import argparse
import asyncio
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx
import uvloop
from pydantic import BaseModel, Field
from pyreqwest.client import ClientBuilder
from pyreqwest.compatibility.httpx import HttpxTransport

from nomis_pipelines.http import DirectWire, HttpClients, HttpxWire, ReqwestWire, Wire
from nomis_pipelines.settings import Settings

ROUNDS = 5
AUTHORIZATION = "Bearer " + "x" * 600
Call = Callable[[int], Awaitable[object]]


class Code(BaseModel):
    """A reference code with its text."""

    code: str
    description: str | None = None


class Visitor(BaseModel):
    """Who comes to a visit."""

    person_id: int = Field(alias="personId")
    lead_visitor: bool = Field(alias="leadVisitor")


class Visit(BaseModel):
    """The document the server answers with."""

    visit_id: int = Field(alias="visitId")
    offender_no: str = Field(alias="offenderNo")
    prison_id: str = Field(alias="prisonId")
    visit_type: Code = Field(alias="visitType")
    visit_status: Code = Field(alias="visitStatus")
    visitors: list[Visitor]


@dataclass(frozen=True)
class Measurement:
    """One way to call: CPU microseconds a call, calls a second, and how many times less CPU than stock httpx."""

    name: str
    cpu_microseconds: float
    calls_per_second: float
    ratio: float = 1.0


@contextmanager
def server() -> Generator[str]:
    """The server in a process of its own; its base URL."""
    command = [sys.executable, "-m", "benchmarks.fast_server"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.stdin.close()


@asynccontextmanager
async def httpx_calls(url: str, transport: httpx.AsyncBaseTransport | None = None) -> AsyncGenerator[Call]:
    """httpx as its documentation has it, with or without another transport."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(transport=transport, limits=limits, timeout=60) as client:

        async def call(number: int) -> object:
            response = await client.get(f"{url}/visits/{number}", headers={"authorization": AUTHORIZATION})
            return Visit.model_validate_json(response.raise_for_status().content)

        yield call


@asynccontextmanager
async def pyreqwest_calls(url: str) -> AsyncGenerator[Call]:
    """The Rust client without anything around it."""
    async with ClientBuilder().error_for_status().build() as client:

        async def call(number: int) -> object:
            request = client.get(f"{url}/visits/{number}").header("authorization", AUTHORIZATION).build()
            response = await request.send()
            return Visit.model_validate_json((await response.bytes()).to_bytes())

        yield call


@asynccontextmanager
async def service_client_calls(url: str, wire: Wire, concurrency: int) -> AsyncGenerator[Call]:
    """Our client: typed, with token, trace header, limit, breaker and retries. The limit starts where it is needed."""
    environment = {
        "API_BASE_URL_HMPPS_AUTH": f"{url}/auth",
        "API_BASE_URL_VISITS": url,
        "VISITS_CLIENT_ID": "benchmark",
        "VISITS_CLIENT_SECRET": "benchmark",
        "NOMIS_PIPELINES_HTTP_START_CONCURRENCY": str(concurrency),
        "NOMIS_PIPELINES_HTTP_MAX_CONCURRENCY": str(concurrency),
    }
    async with HttpClients(Settings.load(environment), wire=wire) as clients:
        visits = clients.client("visits")

        async def call(number: int) -> object:
            return await visits.get("/visits/{visitId}", Visit, path={"visitId": number})

        yield call


async def one_round(call: Call, calls: int, concurrency: int) -> tuple[float, float]:
    """CPU microseconds a call and calls a second over `calls` calls, `concurrency` at a time."""
    each = max(1, calls // concurrency)

    async def worker(first: int) -> None:
        for number in range(first, first + each):
            await call(number)

    before, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    await asyncio.gather(*(worker(n * each) for n in range(concurrency)))
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF)
    used = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    made = each * concurrency
    return used / made * 1e6, made / seconds


async def measure_all(url: str, calls: int, concurrency: int) -> list[Measurement]:
    """All ways in turn, round after round, so that other work on the machine meets each; the best round of each."""
    ways = {
        "stock httpx": httpx_calls(url),
        "httpx over pyreqwest's transport": httpx_calls(url, HttpxTransport()),
        "pyreqwest, bare": pyreqwest_calls(url),
        "ServiceClient over HttpxWire": service_client_calls(url, HttpxWire(), concurrency),
        "ServiceClient over DirectWire": service_client_calls(url, DirectWire(), concurrency),
        "ServiceClient over ReqwestWire": service_client_calls(url, ReqwestWire(), concurrency),
    }
    best = {name: (float("inf"), 0.0) for name in ways}
    async with AsyncExitStack() as stack:
        calls_of = {name: await stack.enter_async_context(way) for name, way in ways.items()}
        for _ in range(ROUNDS):
            for name, call in calls_of.items():
                await one_round(call, concurrency * 4, concurrency)  # its connections have been dropped meanwhile
                cpu, rate = await one_round(call, calls, concurrency)
                best[name] = (min(cpu, best[name][0]), max(rate, best[name][1]))
    stock, _ = best["stock httpx"]
    return [Measurement(name, cpu, rate, stock / cpu) for name, (cpu, rate) in best.items()]


def table(results: list[Measurement]) -> str:
    """The measurements as Markdown."""
    lines = ["| way | CPU a call, µs | calls a second | less CPU than stock httpx |", "|---|---:|---:|---:|"]
    lines += [
        f"| {result.name} | {result.cpu_microseconds:.0f} | {result.calls_per_second:,.0f} | {result.ratio:.1f}x |"
        for result in results
    ]
    return "\n".join(lines)


def main() -> None:
    """Read the options, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=3200, help="calls a round and way")
    parser.add_argument("--concurrency", type=int, default=64, help="calls at a time")
    parser.add_argument("--loop", choices=["asyncio", "uvloop"], default="asyncio", help="event loop of the client")
    parser.add_argument("--json", type=Path, help="write the measurements here too")
    options = parser.parse_args()
    run = uvloop.run if options.loop == "uvloop" else asyncio.run
    with server() as url:
        results = run(measure_all(url, options.calls, options.concurrency))
    print(f"{options.calls} calls, {options.concurrency} at a time, {options.loop}, {os.cpu_count()} cores\n")
    print(table(results))
    if options.json:
        facts = {
            "calls": options.calls,
            "concurrency": options.concurrency,
            "loop": options.loop,
            "python": platform.python_version(),
            "results": [asdict(result) for result in results],
        }
        options.json.write_text(json.dumps(facts, indent=2) + "\n")


if __name__ == "__main__":
    main()
