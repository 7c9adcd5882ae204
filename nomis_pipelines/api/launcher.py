"""How runs are launched, looked at and terminated: through Dagster's webserver, so that its coordinator queues them."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic_core import from_json, to_json

from nomis_pipelines.http import Wire, WireError, WireRequest

LOCATION = "nomis-pipelines"
"""The code location's name, as in `workspace.yaml`."""
WAITING = frozenset({"NOT_STARTED", "QUEUED"})
ENDED = frozenset({"SUCCESS", "FAILURE", "CANCELED"})
TIMEOUT_SECONDS = 30.0
TERMINATION_SECONDS = 5.0

_LAUNCH = """
mutation ($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on Error { message }
    ... on RunConfigValidationInvalid { errors { message } }
  }
}
"""
_STATUS = """
query ($id: ID!) {
  runOrError(runId: $id) { __typename ... on Run { status tags { key value } } ... on Error { message } }
}
"""
_TERMINATE = """
mutation ($id: String!) {
  terminateRun(runId: $id, terminatePolicy: SAFE_TERMINATE) { __typename ... on Error { message } }
}
"""

log = logging.getLogger(__name__)


class LaunchError(Exception):
    """Dagster cannot be asked, or refuses. The message says where it was looked for, and Dagster's own words."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Where a run stands: Dagster's word, and of one that failed whether and as which run the daemon tries it again.

    `will_retry` is None until Dagster has marked the run, a moment after it failed; and for ever without retries.
    """

    status: str
    will_retry: bool | None = None
    retry_run_id: str | None = None


class Launcher(Protocol):
    """Starts runs elsewhere. All of it raises `LaunchError`."""

    async def launch(self, job: str, run_config: Mapping[str, Any], tags: Mapping[str, str]) -> str:
        """Have a job run; the run's id. It has been queued when this returns."""
        ...

    async def status(self, run_id: str) -> str | None:
        """Dagster's status of a run, such as `QUEUED`; None when there is no such run."""
        ...

    async def terminate(self, run_id: str) -> None:
        """Ask a run to end, and wait a few seconds for that."""
        ...

    async def is_there(self) -> bool:
        """Whether somebody is there to launch. Raises nothing."""
        ...


class DagsterLauncher:
    """Speaks GraphQL to the webserver at `url` (`NOMIS_PIPELINES_DAGSTER_URL`).

    By hand rather than with Dagster's client, which blocks, reads the whole schema first and costs two seconds to
    import: three short questions are all that is asked.
    """

    def __init__(self, url: str, wire: Wire) -> None:
        self._url = url
        self._wire = wire

    async def launch(self, job: str, run_config: Mapping[str, Any], tags: Mapping[str, str]) -> str:
        """Have a job of our code location run."""
        params = {
            "selector": {"jobName": job, "repositoryName": "__repository__", "repositoryLocationName": LOCATION},
            "runConfigData": run_config,
            "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in tags.items()]},
        }
        answer = await self._ask(_LAUNCH, {"params": params}, "launchRun")
        run_id = (answer.get("run") or {}).get("runId")
        if isinstance(run_id, str):
            return run_id
        words = [answer.get("message"), *(each.get("message") for each in answer.get("errors", []))]
        said = "; ".join(str(word) for word in words if word) or str(answer.get("__typename"))
        raise LaunchError(f"Dagster did not launch {job}: {said}")

    async def status(self, run_id: str) -> str | None:
        """Dagster's word for where a run stands."""
        standing = await self.standing(run_id)
        return standing.status if standing is not None else None

    async def standing(self, run_id: str) -> Standing | None:
        """Where a run stands; None when there is no such run."""
        answer = await self._ask(_STATUS, {"id": run_id}, "runOrError")
        if "status" in answer:
            tags = {tag["key"]: tag["value"] for tag in answer.get("tags") or []}
            marked = tags.get("dagster/will_retry")
            return Standing(
                status=str(answer["status"]),
                will_retry=None if marked is None else marked == "true",
                retry_run_id=tags.get("dagster/auto_retry_run_id"),
            )
        if answer.get("__typename") == "RunNotFoundError":
            return None
        raise LaunchError(f"Dagster does not tell of run {run_id}: {answer.get('message', answer.get('__typename'))}")

    async def terminate(self, run_id: str) -> None:
        """Ask a run to end; a queued one ends at once."""
        answer = await self._ask(_TERMINATE, {"id": run_id}, "terminateRun")
        if answer.get("__typename") != "TerminateRunSuccess":
            log.info("run %s was not terminated: %s", run_id, answer.get("message", answer.get("__typename")))
        for _ in range(int(TERMINATION_SECONDS / 0.25)):
            if await self.status(run_id) in {None, *ENDED}:
                return
            await asyncio.sleep(0.25)

    async def is_there(self) -> bool:
        """Whether a webserver answers."""
        try:
            request = WireRequest("GET", f"{self._url}/server_info", [], None, 2.0)
            return (await self._wire.send(request)).status == 200
        except WireError:
            return False

    async def _ask(self, query: str, variables: Mapping[str, Any], field: str) -> dict[str, Any]:
        body = to_json({"query": query, "variables": variables})
        headers = [("content-type", "application/json")]
        place = f"Dagster's webserver at {self._url} (NOMIS_PIPELINES_DAGSTER_URL)"
        try:
            request = WireRequest("POST", f"{self._url}/graphql", headers, body, TIMEOUT_SECONDS)
            response = await self._wire.send(request)
            answer = from_json(response.body)
        except WireError as error:
            raise LaunchError(f"{place} cannot be reached: {error}") from None
        except ValueError:
            raise LaunchError(f"{place} does not answer as Dagster's would") from None
        found = (answer.get("data") or {}).get(field) if isinstance(answer, dict) else None
        if not isinstance(found, dict):
            raise LaunchError(f"{place} refused the question with status {response.status}")
        return found
