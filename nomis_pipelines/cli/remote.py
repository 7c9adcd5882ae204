"""Launching a run through the Dagster webserver (`NOMIS_PIPELINES_DAGSTER_URL`), and asking what became of it."""

from collections.abc import Mapping
from typing import Any

import click

LOCATION = "nomis-pipelines"
"""The code location's name, as in `workspace.yaml`."""
ENDED = frozenset({"SUCCESS", "FAILURE", "CANCELED"})
TIMEOUT_SECONDS = 60.0

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
_STATUS = "query ($id: ID!) { runOrError(runId: $id) { __typename ... on Run { status } ... on Error { message } } }"


def launch(server: str, job: str, run_config: Mapping[str, Any], tags: Mapping[str, str]) -> str:
    """Launch a job; the run's id. Raises a `ClickException` with Dagster's own words when it refuses."""
    params = {
        "selector": {"jobName": job, "repositoryName": "__repository__", "repositoryLocationName": LOCATION},
        "runConfigData": run_config,
        "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in tags.items()]},
    }
    answer = _ask(server, _LAUNCH, {"params": params})["launchRun"]
    if "run" in answer:
        return str(answer["run"]["runId"])
    words = [answer["message"]] if "message" in answer else [error["message"] for error in answer.get("errors", [])]
    raise click.ClickException(f"Dagster did not launch {job}: {'; '.join(words) or answer['__typename']}")


def run_status(server: str, run_id: str) -> str:
    """The status of a run, such as `STARTED`."""
    answer = _ask(server, _STATUS, {"id": run_id})["runOrError"]
    if "status" not in answer:
        raise click.ClickException(f"run {run_id}: {answer.get('message', answer['__typename'])}")
    return str(answer["status"])


def _ask(server: str, query: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    import httpx

    hint = f"the Dagster webserver at {server} (NOMIS_PIPELINES_DAGSTER_URL)"
    try:
        response = httpx.post(
            f"{server}/graphql", json={"query": query, "variables": variables}, timeout=TIMEOUT_SECONDS
        )
        answer = response.json()
    except httpx.HTTPError as error:
        raise click.ClickException(f"{hint} cannot be reached: {type(error).__name__}") from None
    except ValueError:
        raise click.ClickException(f"{hint} does not answer as Dagster's would") from None
    if not isinstance(answer, dict) or not answer.get("data"):
        raise click.ClickException(f"{hint} refused the question: {answer}")
    return answer["data"]
