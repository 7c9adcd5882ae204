"""Promise: docs/settings.md names every setting, with the default it really has, and none that does not exist."""

import re
from pathlib import Path

import pytest
from pydantic import AliasChoices, SecretStr
from pydantic.fields import FieldInfo

from nomis_pipelines.settings import SERVICES, ServiceSpec, Settings

PAGE = (Path(__file__).parent.parent / "docs" / "settings.md").read_text()
ROWS = {
    tuple(re.findall(r"`([^`]+)`", cells[0])): cells
    for line in PAGE.splitlines()
    if line.startswith("| `")
    for cells in [[cell.strip() for cell in line.strip("|").split("|")]]
}
FIELDS = {name: field for name, field in Settings.model_fields.items() if name != "environment"}


def variables(name: str, field: FieldInfo) -> tuple[str, ...]:
    alias = field.validation_alias
    if isinstance(alias, AliasChoices):
        return tuple(str(choice) for choice in alias.choices)
    return (str(alias),) if alias else (f"NOMIS_PIPELINES_{name.upper()}",)


def default(field: FieldInfo) -> str:
    value = field.default
    if value is None or value == []:
        return "none"
    if isinstance(value, SecretStr):
        return "secret"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


@pytest.mark.parametrize("name", FIELDS)
def test_a_setting_is_on_the_page_with_its_default_and_a_purpose(name: str):
    row = ROWS[variables(name, FIELDS[name])]
    assert row[1] == default(FIELDS[name])
    assert row[2].endswith(".")


@pytest.mark.parametrize("spec", SERVICES.values(), ids=SERVICES)
def test_a_service_is_on_the_page_as_it_is_configured(spec: ServiceSpec):
    timeout = ", ".join([f"{spec.timeout_seconds:g} s", *[f"`{name}`" for name in spec.timeout_variables]])
    assert ROWS[(spec.url_variable,)] == [
        f"`{spec.url_variable}`",
        f"`{spec.id_variable}`",
        f"`{spec.secret_variable}`",
        timeout,
        spec.purpose,
    ]


def test_the_page_names_no_setting_of_ours_that_does_not_exist():
    known = {variable for name, field in FIELDS.items() for variable in variables(name, field)}
    known |= {"NOMIS_PIPELINES_DAGSTER_DATABASE_URL"}
    assert set(re.findall(r"`(NOMIS_PIPELINES_[A-Z_]+)`", PAGE)) <= known | {"NOMIS_PIPELINES"}
