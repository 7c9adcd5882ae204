"""Promise: the lock file fits the declared dependencies and tells nothing about the machine it was made on."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK = (ROOT / "requirements.lock").read_text()
# `name==version`, perhaps with a marker; a package may be there once for each of several markers
LOCKED = [(canonicalize_name(name), version) for name, version in re.findall(r"(?m)^([\w.-]+)==([^\s;\\]+)", LOCK)]
DECLARED = [
    Requirement(text)
    for group in (PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
    for text in group
]


@pytest.mark.parametrize("requirement", DECLARED, ids=str)
def test_the_lock_file_satisfies_what_is_declared(requirement: Requirement):
    if requirement.name == PROJECT["name"]:
        assert requirement.extras <= set(PROJECT["optional-dependencies"])
        return
    versions = [version for name, version in LOCKED if name == canonicalize_name(requirement.name)]
    assert versions, f"{requirement.name} is not locked: make lock"
    for version in versions:
        assert requirement.specifier.contains(version, prereleases=True), f"{requirement} is locked at {version}"


def test_every_locked_package_is_pinned_with_hashes():
    entries = re.split(r"(?m)^(?=\S+==)", LOCK)[1:]
    assert len(entries) == len(LOCKED)
    assert all("--hash=sha256:" in entry for entry in entries)


def test_the_lock_file_names_no_place():
    assert not re.search(r"://|index-url|find-links|file:|(?m:^-)", LOCK)
    assert LOCK.splitlines()[1].strip() == "#    make lock"


def test_dagster_and_its_libraries_are_of_one_release():
    versions = dict(LOCKED)
    assert versions[canonicalize_name("dagster-webserver")] == versions[canonicalize_name("dagster")]
    minor, patch = versions[canonicalize_name("dagster")].split(".")[1:]
    for library in ("dagster-aws", "dagster-k8s", "dagster-postgres"):
        assert versions[canonicalize_name(library)] == f"0.{int(minor) + 16}.{patch}"


def test_ci_runs_the_checks_and_the_tests():
    script = (ROOT / ".ci" / "run").read_text()
    assert "make check" in script
    assert "make test" in script
