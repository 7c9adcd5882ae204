"""Promise: what Dagster's webserver answers is understood, and what it does not answer is said in one line."""

import json
from typing import Any

import pytest

from nomis_pipelines.api.launcher import DagsterLauncher, LaunchError
from nomis_pipelines.http import NeverSent, WireRequest, WireResponse


class Webserver:
    """A wire to a webserver that gives these answers one after another, the last for ever."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, Any]] = []

    async def send(self, request: WireRequest) -> WireResponse:
        assert request.url.startswith("http://dagster.test/")
        if request.body:
            self.asked.append(json.loads(request.body))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return WireResponse(200, answer if isinstance(answer, bytes) else json.dumps(answer).encode())

    async def aclose(self) -> None:
        """Nothing is open."""


def launcher(*answers: Any) -> tuple[DagsterLauncher, Webserver]:
    server = Webserver(*answers)
    return DagsterLauncher("http://dagster.test", server), server


def said(field: str, **answer: Any) -> dict[str, Any]:
    return {"data": {field: answer}}


async def test_a_launch_names_job_configuration_and_tags() -> None:
    dagster, server = launcher(said("launchRun", __typename="LaunchRunSuccess", run={"runId": "r-1"}))
    assert await dagster.launch("a_job", {"ops": {}}, {"a": "b"}) == "r-1"
    params = server.asked[0]["variables"]["params"]
    assert params["selector"]["jobName"] == "a_job"
    assert params["runConfigData"] == {"ops": {}}
    assert params["executionMetadata"] == {"tags": [{"key": "a", "value": "b"}]}


REFUSALS = [
    said("launchRun", __typename="PythonError", message="out of order"),
    said("launchRun", __typename="RunConfigValidationInvalid", errors=[{"message": "out of order"}]),
    said("launchRun", __typename="out of order"),
]


@pytest.mark.parametrize("refusal", REFUSALS)
async def test_a_refused_launch_is_told_in_dagsters_words(refusal: Any) -> None:
    with pytest.raises(LaunchError, match="did not launch a_job: out of order"):
        await launcher(refusal)[0].launch("a_job", {}, {})


@pytest.mark.parametrize(
    "answer",
    [
        NeverSent("refused"),
        b"<html>",
        {"errors": [{"message": "x"}]},
        {"data": None},
        {"data": {"launchRun": 1}},
        [],
        1,
    ],
    ids=str,
)
async def test_no_answer_of_dagsters_names_place_and_setting(answer: Any) -> None:
    dagster, _ = launcher(answer)
    place = r"http://dagster\.test \(NOMIS_PIPELINES_DAGSTER_URL\)"
    with pytest.raises(LaunchError, match=place):
        await dagster.launch("a_job", {}, {})
    with pytest.raises(LaunchError, match=place):
        await dagster.status("r-1")


async def test_a_status_is_dagsters_word_and_none_for_no_such_run() -> None:
    assert await launcher(said("runOrError", __typename="Run", status="QUEUED"))[0].status("r-1") == "QUEUED"
    assert await launcher(said("runOrError", __typename="RunNotFoundError", message="none"))[0].status("r-1") is None
    with pytest.raises(LaunchError, match="r-1: broken"):
        await launcher(said("runOrError", __typename="PythonError", message="broken"))[0].status("r-1")


async def test_a_termination_waits_until_the_run_has_ended() -> None:
    dagster, server = launcher(
        said("terminateRun", __typename="TerminateRunSuccess"),
        said("runOrError", __typename="Run", status="CANCELING"),
        said("runOrError", __typename="Run", status="CANCELED"),
    )
    await dagster.terminate("r-1")
    assert [each["variables"] for each in server.asked] == [{"id": "r-1"}] * 3


async def test_whether_somebody_is_there_raises_nothing() -> None:
    assert await launcher({})[0].is_there()
    assert not await launcher(NeverSent("refused"))[0].is_there()
