"""Every setting of the project, read from the environment. Nothing else in the package reads `os.environ`.

Three families are read here: the variables of the service that went before us, by their old names (platform card,
section 1); boto3's own variables, which boto3 reads by itself; and ours, under the prefix `NOMIS_PIPELINES_`.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from tempfile import gettempdir
from typing import Annotated, Any, Literal, Self
from urllib.parse import unquote
from zoneinfo import ZoneInfo

from pydantic import AliasChoices, BeforeValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

LONDON = "Europe/London"


class SettingError(Exception):
    """A setting is missing or cannot be used. The message names the variable and its purpose, never its value."""


@dataclass(frozen=True, kw_only=True)
class ServiceSpec:
    """How a remote service is found in the environment (platform card, section 1.3)."""

    name: str
    purpose: str
    timeout_seconds: float
    url_variable: str
    id_variable: str
    secret_variable: str
    timeout_variables: tuple[str, ...] = ("API_TIMEOUT",)


def _service(
    name: str,
    stem: str,
    purpose: str,
    timeout: float,
    *,
    client: str = "",
    secret: str = "",
    timeouts: tuple[str, ...] = ("API_TIMEOUT",),
) -> ServiceSpec:
    client = client or stem
    return ServiceSpec(
        name=name,
        purpose=purpose,
        timeout_seconds=timeout,
        url_variable=f"API_BASE_URL_{stem}",
        id_variable=f"{client}_CLIENT_ID",
        secret_variable=secret or f"{client}_CLIENT_SECRET",
        timeout_variables=timeouts,
    )


# Every service of sections 1.3 and 1.4 but HMPPS Auth. API_TIMEOUT replaces the timeouts of 30, 60 and 90 s, no others.
SERVICES: dict[str, ServiceSpec] = {
    spec.name: spec
    for spec in (
        _service("nomis", "NOMIS", "the NOMIS API", 60,
                 client="NOMIS_PRISONER_API", secret="NOMIS_PRISONER_API_SECRET"),
        _service("nomis-sync", "NOMIS-SYNC", "the service that updates NOMIS from DPS", 60, client="NOMIS_SYNC_API"),
        _service("mapping", "MAPPING", "the mapping service (pairs of NOMIS and DPS ids)", 10,
                 client="NOMIS_MAPPING_API", secret="NOMIS_MAPPING_API_SECRET",
                 timeouts=("API_MAPPING_TIMEOUT", "API_MAPPINGTIMEOUT")),
        _service("visits", "VISITS", "the visit scheduler", 90),
        _service("sentencing", "SENTENCING", "the adjustments service", 90),
        _service("activities", "ACTIVITIES", "the activities and appointments service", 90),
        _service("adjudications", "ADJUDICATIONS", "the adjudications service", 90),
        _service("agency-registers", "AGENCYREGISTERS", "the prison register", 30),
        _service("alerts", "ALERTS", "the alerts service", 90),
        _service("case-notes", "CASENOTES", "the case notes service", 90),
        _service("core-person", "CORE_PERSON", "the core person record", 90),
        _service("court-sentencing", "COURT_SENTENCING", "the remand and sentencing service", 10,
                 timeouts=("API_COURT_SENTENCING_TIMEOUT", "API_COURTSENTENCINGTIMEOUT")),
        _service("csip", "CSIP", "the CSIP service", 90),
        _service("csra", "CSRA", "the cell sharing risk assessment service", 30),
        _service("finance", "FINANCE", "the prisoner finance service", 90),
        _service("incidents", "INCIDENTS", "the incident reporting service", 90),
        _service("locations", "LOCATIONS", "the locations service", 90),
        _service("movements-court", "MOVEMENTS_COURT", "the court appearance scheduler", 10, timeouts=()),
        _service("movements-taps", "MOVEMENTS_TAPS", "the external movements service (temporary absences)", 10,
                 client="EXT_MOVEMENTS", timeouts=()),
        _service("movements-transfer", "MOVEMENTS_TRANSFER", "the transfer scheduler", 10, timeouts=()),
        _service("official-visits", "OFFICIALVISITS", "the official visits service", 30),
        _service("organisations", "ORGANISATIONS", "the organisations service", 90),
        _service("personal-relationships", "PERSONAL_RELATIONSHIPS", "the personal relationships service", 90),
        _service("property", "PROPERTY", "the prisoner property service", 30),
        _service("staff", "STAFF", "the prison users service", 90),
        _service("visit-balance", "VISIT_BALANCE", "the visit allocation service", 90),
    )
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ServiceConfig:
    """One remote service as configured: where it is, who we are there, how long we wait (seconds)."""

    name: str
    base_url: str
    client_id: str
    client_secret: SecretStr
    timeout_seconds: float


@dataclass(frozen=True, kw_only=True)
class QueueConfig:
    """The SQS names of one queue id; `dlq_name` is empty where none is configured."""

    queue_id: str
    queue_name: str
    dlq_name: str


_OWN_NAME = "nomis_pipelines_environment"
_SWITCH_PREFIX = "FEATURE_EVENT_"
_LOCAL_LOGIN = "migration"  # user and password of a developer's database, published (platform card, section 1.5)
_PASSWORD_IN_URL = re.compile(r"://[^/@:]*:([^@]+)@")
_SECRET_NAME = re.compile(r"SECRET|PASSWORD|TOKEN|WEBHOOK|CONNECTION_STRING")

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h)?", re.IGNORECASE)
_ISO_DURATION = re.compile(r"PT(?=\d)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?", re.IGNORECASE)
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def parse_seconds(text: object) -> object:
    """`"90"`, `"90s"`, `"500ms"`, `"2m"` or `"PT1M30S"` as seconds; anything else is left for pydantic to refuse."""
    stripped = str(text).strip()
    if match := _DURATION.fullmatch(stripped):
        return float(match[1]) * _UNITS[(match[2] or "s").lower()]
    if match := _ISO_DURATION.fullmatch(stripped):
        return float(match[1] or 0) * 3600 + float(match[2] or 0) * 60 + float(match[3] or 0)
    return text


def _split(text: object) -> object:
    return [part.strip() for part in text.split(",") if part.strip()] if isinstance(text, str) else text


_ON = frozenset({"true", "on", "yes", "1"})
_OFF = frozenset({"false", "off", "no", "0"})

Seconds = Annotated[float, BeforeValidator(parse_seconds), Field(gt=0)]
TextList = Annotated[list[str], NoDecode, BeforeValidator(_split)]


class _VariablesSource(EnvSettingsSource):
    """pydantic-settings' own reading of environment variables, from a mapping that is handed in."""

    def __init__(self, settings_cls: type[BaseSettings], variables: Mapping[str, str]) -> None:
        super().__init__(settings_cls)
        # `environment` itself is no setting, though a variable may bear its name
        self.env_vars = {
            name.lower(): value for name, value in variables.items() if value and name.lower() != _OWN_NAME
        }


class Settings(BaseSettings):
    """The validated settings of one process. Build it with `load_settings()`."""

    model_config = SettingsConfigDict(
        env_prefix="NOMIS_PIPELINES_", env_ignore_empty=True, extra="ignore", frozen=True, hide_input_in_errors=True
    )

    environment: dict[str, str] = Field(default_factory=dict, exclude=True, repr=False)

    database_url_text: SecretStr | None = Field(None, validation_alias="DATABASE_URL")
    database_endpoint: str | None = Field(None, validation_alias="DATABASE_ENDPOINT")
    database_name: str | None = Field(None, validation_alias="DATABASE_NAME")
    database_username: str = Field(_LOCAL_LOGIN, validation_alias="SPRING_R2DBC_USERNAME")
    database_password: SecretStr = Field(SecretStr(_LOCAL_LOGIN), validation_alias="SPRING_R2DBC_PASSWORD")
    schema_username: str | None = Field(None, validation_alias="SPRING_FLYWAY_USER")
    schema_password: SecretStr | None = Field(None, validation_alias="SPRING_FLYWAY_PASSWORD")

    sqs_endpoint_url: str | None = Field(
        None, validation_alias=AliasChoices("AWS_ENDPOINT_URL_SQS", "AWS_ENDPOINT_URL", "HMPPS_SQS_LOCALSTACK_URL")
    )
    aws_region: str = Field("eu-west-2", validation_alias=AliasChoices("AWS_REGION", "AWS_DEFAULT_REGION"))

    server_port: int = Field(8080, ge=1, le=65_535, validation_alias="SERVER_PORT")
    queue_admin_role: str | None = Field(None, validation_alias="QUEUE_ADMIN_ROLE")
    retry_all_dlqs_unprotected: bool = Field(False, validation_alias="RETRY_ALL_DLQS_UNPROTECTED")
    alerts_has_migrated_data: bool = Field(
        True, validation_alias=AliasChoices("ALERTS_HAS_MIGRATED_DATA", "ALERTS_HASMIGRATEDDATA")
    )
    adjudications_report_mode: bool = Field(False, validation_alias="FEATURE_ADJUDICATIONS_REPORT_MODE")
    post_timeout: Seconds = Field(50.0, validation_alias=AliasChoices("API_POST_TIMEOUT", "API_POSTTIMEOUT"))
    time_critical_timeout: Seconds = Field(
        3.0, validation_alias=AliasChoices("API_TIME_CRITICAL_TIMEOUT", "API_TIMECRITICAL_TIMEOUT")
    )
    court_sentencing_mapping_retries: int = Field(
        9, ge=0, le=60, validation_alias="COURTSENTENCING_MAPPING_RETRY_COUNT"
    )
    court_sentencing_mapping_pause_milliseconds: int = Field(
        1000, ge=0, le=60_000, validation_alias="COURTSENTENCING_MAPPING_RETRY_DELAY_MILLISECONDS"
    )
    product_id: str = Field("DPS060", validation_alias="PRODUCT_ID")
    app_insights: SecretStr | None = Field(None, validation_alias="APPLICATIONINSIGHTS_CONNECTION_STRING")
    otlp_endpoint: str | None = Field(None, validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT")

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    telemetry_file: Path | None = None
    today: date | None = None
    prisons: TextList = []
    user: str = Field("NOMIS_PIPELINES", min_length=1)

    http_wire: Literal["direct", "reqwest", "httpx"] = "direct"
    http_attempts: int = Field(5, ge=1, le=20)
    http_start_concurrency: int = Field(16, ge=1)
    http_max_concurrency: int = Field(128, ge=1)
    breaker_seconds: Seconds = 15.0

    page_size: int = Field(2000, ge=2, le=50_000)
    commit_milliseconds: float = Field(2.0, ge=0, le=1000)

    consumer_concurrency: int = Field(40, ge=1, le=1000)
    consumer_idle_seconds: Seconds = 120.0
    consumer_max_age_seconds: Seconds = 3600.0
    visibility_seconds: int = Field(30, ge=2, le=43_200)
    retry_mappings_enabled: bool = True
    retry_failed_enabled: bool = True

    alert_webhook_url: SecretStr | None = None
    alert_window_seconds: Seconds = 1800.0
    report_directory: Path | None = None
    ui_url: str = "http://localhost:3000"
    dagster_url: str | None = None

    @field_validator("prisons")
    @classmethod
    def _prison_codes(cls, codes: list[str]) -> list[str]:
        for code in codes:
            if not re.fullmatch(r"[A-Z0-9]{3,6}", code):
                raise ValueError("prison codes are three to six capitals or digits, separated by commas")
        return codes

    @field_validator("environment")
    @classmethod
    def _switch_values(cls, environment: dict[str, str]) -> dict[str, str]:
        for name, value in environment.items():
            if name.startswith(_SWITCH_PREFIX) and value.strip().lower() not in _ON | _OFF | {""}:
                raise ValueError(f"{name} must be true or false")
        return environment

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Fields come from the mapping in `environment`, never from `os.environ` behind its back."""
        return init_settings, _VariablesSource(settings_cls, init_settings().get("environment", {}))

    @classmethod
    def load(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Read and validate `environment` (by default the process's); a `SettingError` names each variable at fault."""
        values: dict[str, Any] = {"environment": dict(os.environ if environment is None else environment)}
        try:
            return cls(**values)
        except ValidationError as error:
            raise SettingError(_describe(error, values["environment"])) from None

    def london_today(self) -> date:
        """The day to take for today: the one set, else London's."""
        return self.today or datetime.now(ZoneInfo(LONDON)).date()

    @property
    def dagster_server(self) -> str:
        """Where the control API finds Dagster's webserver, to launch runs."""
        return (self.dagster_url or self.ui_url).rstrip("/")

    def service(self, name: str) -> ServiceConfig:
        """Where service `name` is and who we are there. Raises `SettingError` naming the first missing variable."""
        spec = SERVICES[name]
        timeout = next((self.environment[v] for v in spec.timeout_variables if v in self.environment), None)
        seconds = parse_seconds(timeout) if timeout is not None else spec.timeout_seconds
        if not isinstance(seconds, float | int) or seconds <= 0:
            raise SettingError(f"{spec.timeout_variables[0]} is not a duration such as 90s or 500ms")
        return ServiceConfig(
            name=name,
            base_url=self._url(spec.url_variable, f"base URL of {spec.purpose}"),
            client_id=self._required(spec.id_variable, f"OAuth2 client id for {spec.purpose}"),
            client_secret=SecretStr(self._required(spec.secret_variable, f"OAuth2 client secret for {spec.purpose}")),
            timeout_seconds=float(seconds),
        )

    @property
    def auth_url(self) -> str:
        """Base URL of HMPPS Auth, ending in `/auth`."""
        return self._url("API_BASE_URL_HMPPS_AUTH", "base URL of HMPPS Auth, which gives our tokens (ends in /auth)")

    def queue(self, queue_id: str) -> QueueConfig:
        """The names of queue `queue_id`. Raises `SettingError` when the queue's name is not set."""
        stem = f"HMPPS_SQS_QUEUES_{queue_id.upper()}"
        return QueueConfig(
            queue_id=queue_id,
            queue_name=self._required(f"{stem}_QUEUE_NAME", f"SQS name of queue {queue_id}"),
            dlq_name=self.environment.get(f"{stem}_DLQ_NAME", ""),
        )

    def has_queue(self, queue_id: str) -> bool:
        """Whether queue `queue_id` has a name in the environment."""
        return bool(self.environment.get(f"HMPPS_SQS_QUEUES_{queue_id.upper()}_QUEUE_NAME"))

    @property
    def database_url(self) -> str:
        """SQLAlchemy address of the ledger, from `DATABASE_URL` or the pair `DATABASE_ENDPOINT`, `DATABASE_NAME`.

        Raises `SettingError` when neither is set or the address is not PostgreSQL's.
        """
        return self._database_url(self.database_username, self.database_password)

    @property
    def schema_database_url(self) -> str:
        """As `database_url`, with the login for schema changes when `SPRING_FLYWAY_USER` gives one."""
        return self._database_url(
            self.schema_username or self.database_username, self.schema_password or self.database_password
        )

    def _database_url(self, username: str, password: SecretStr) -> str:
        from sqlalchemy.engine import URL, make_url
        from sqlalchemy.exc import ArgumentError

        if self.database_url_text is not None:
            try:
                url = make_url(self.database_url_text.get_secret_value())
            except (ArgumentError, ValueError):
                raise SettingError(
                    "DATABASE_URL is not an address such as postgresql://user:password@host/name"
                ) from None
            if url.get_backend_name() not in {"postgresql", "postgres"}:
                raise SettingError("DATABASE_URL must be a PostgreSQL address (postgresql://…)")
            return url.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
        if not (self.database_endpoint and self.database_name):
            raise SettingError(
                "DATABASE_URL is not set: PostgreSQL database of the ledger (or DATABASE_ENDPOINT and DATABASE_NAME)"
            )
        place = re.fullmatch(r"(\[[^\]]+\]|[^:\[\]]+)(?::(\d{1,5}))?", self.database_endpoint.strip())
        if place is None:
            raise SettingError("DATABASE_ENDPOINT must be a host, or host:port, of PostgreSQL")
        host = place[1].strip("[]")
        return URL.create(
            "postgresql+psycopg",
            username=username,
            password=password.get_secret_value(),
            host=host,
            port=int(place[2] or 5432),
            database=self.database_name,
            query={} if host in {"localhost", "127.0.0.1", "::1"} else {"sslmode": "require"},
        ).render_as_string(hide_password=False)

    def event_enabled(self, switch_domain: str, event_type: str) -> bool:
        """Whether an event type is switched on: both forms of the switch must be true (platform card, section 5.1)."""
        return all(
            self.environment.get(f"{_SWITCH_PREFIX}{name}", "").strip().lower() not in _OFF
            for event in (event_type, f"{switch_domain}.{event_type}")
            for name in _switch_spellings(event)
        )

    @property
    def reports(self) -> Path:
        """Where reports are written: the setting, else `reports` in Dagster's home or in the temporary directory."""
        if self.report_directory is not None:
            return self.report_directory
        home = self.environment.get("DAGSTER_HOME")
        return Path(home, "reports") if home else Path(gettempdir(), "nomis-pipelines", "reports")

    @property
    def event_switches(self) -> dict[str, str]:
        """The event switches set in the environment, by variable, as `/info` shows them."""
        return {k: v for k, v in sorted(self.environment.items()) if k.startswith(_SWITCH_PREFIX)}

    @property
    def secrets(self) -> frozenset[str]:
        """The values that must never be shown, for the log to leave out."""
        named = {value for name, value in self.environment.items() if _SECRET_NAME.search(name)}
        fields = {v.get_secret_value() for v in self.__dict__.values() if isinstance(v, SecretStr)}
        fields |= {unquote(match[1]) for text in fields if (match := _PASSWORD_IN_URL.search(text))}
        # short ones and the well-known default would only blot out ordinary words
        return frozenset(v for v in named | fields if len(v) >= 6 and v != _LOCAL_LOGIN)

    def page_size_of(self, domain: str, usual: int | None = None) -> int:
        """Records a page of `domain`: `NOMIS_PIPELINES_<DOMAIN>_PAGE_SIZE`, else `usual`, else the general setting."""
        name = f"NOMIS_PIPELINES_{domain.replace('-', '_').upper()}_PAGE_SIZE"
        text = self.environment.get(name)
        if text is None:
            return usual or self.page_size
        if not text.isdigit() or not 2 <= int(text) <= 50_000:
            raise SettingError(f"{name} must be a whole number from 2 to 50000")
        return int(text)

    def _required(self, name: str, purpose: str) -> str:
        value = self.environment.get(name, "").strip()
        if not value:
            raise SettingError(f"{name} is not set: {purpose}")
        return value

    def _url(self, name: str, purpose: str) -> str:
        value = self._required(name, purpose).rstrip("/")
        if not re.match(r"^https?://[^\s/]+", value):
            raise SettingError(f"{name} must begin with http:// or https://: {purpose}")
        return value


def _switch_spellings(event: str) -> set[str]:
    dotted = event.upper().replace(".", "_")
    return {dotted, dotted.replace("-", "_")}


def _describe(error: ValidationError, environment: Mapping[str, str]) -> str:
    lines: list[str] = []
    for problem in error.errors(include_input=False, include_url=False):
        message = problem["msg"].removeprefix("Value error, ")
        place = str(problem["loc"][0])
        lines.append(message if place == "environment" else f"{_variable(place, environment)}: {message}")
    return "settings cannot be used:\n  " + "\n  ".join(lines)


def _variable(place: str, environment: Mapping[str, str]) -> str:
    """The variable that was read for `place`, a field's name or the first of its aliases."""
    if not place.isupper():
        return f"NOMIS_PIPELINES_{place.upper()}"
    aliases = (field.validation_alias for field in Settings.model_fields.values())
    choices = [alias.choices for alias in aliases if isinstance(alias, AliasChoices)]
    names = next((options for options in choices if place in options), [place])
    return next((str(name) for name in names if environment.get(str(name))), place)


@lru_cache(maxsize=1)
def load_settings() -> Settings:
    """The settings of this process, read once."""
    return Settings.load()
