"""Promise: every variable is read under its published name, checked at start-up, and no secret is ever shown."""

import pickle
from datetime import date
from pathlib import Path

import pytest

from nomis_pipelines.settings import SERVICES, SettingError, Settings, parse_seconds

VISITS = {
    "API_BASE_URL_VISITS": "http://visits.test/",
    "VISITS_CLIENT_ID": "visits-client",
    "VISITS_CLIENT_SECRET": "visits-client-secret",
}


def load(**environment: str) -> Settings:
    return Settings.load(environment)


class TestOurOwnSettings:
    def test_the_defaults_are_usable(self):
        settings = Settings.load({})
        assert settings.http_wire == "direct"
        assert settings.page_size == 2000
        assert settings.user == "NOMIS_PIPELINES"
        assert settings.alerts_has_migrated_data is True

    def test_ours_bear_our_prefix(self, tmp_path: Path):
        settings = load(
            NOMIS_PIPELINES_TELEMETRY_FILE=str(tmp_path / "events.jsonl"),
            NOMIS_PIPELINES_TODAY="2024-05-17",
            NOMIS_PIPELINES_PRISONS="HEI, BXI,,LEI",
            NOMIS_PIPELINES_HTTP_WIRE="httpx",
            NOMIS_PIPELINES_CONSUMER_IDLE_SECONDS="2m",
        )
        assert settings.telemetry_file == tmp_path / "events.jsonl"
        assert settings.today == date(2024, 5, 17)
        assert settings.prisons == ["HEI", "BXI", "LEI"]
        assert settings.http_wire == "httpx"
        assert settings.consumer_idle_seconds == 120

    def test_an_empty_variable_counts_as_not_set(self):
        settings = load(NOMIS_PIPELINES_TODAY="", NOMIS_PIPELINES_TELEMETRY_FILE="", DATABASE_URL="")
        assert settings.today is None
        assert settings.telemetry_file is None
        with pytest.raises(SettingError, match="DATABASE_URL is not set"):
            _ = settings.database_url

    def test_a_variable_of_ours_that_is_not_known_is_left_alone(self):
        assert load(NOMIS_PIPELINES_ENVIRONMENT='{"FEATURE_EVENT_X": "false"}', OTHER="1").event_switches == {}

    @pytest.mark.parametrize(
        ("variable", "value"),
        [
            ("NOMIS_PIPELINES_HTTP_WIRE", "carrier-pigeon"),
            ("NOMIS_PIPELINES_PAGE_SIZE", "1"),
            ("NOMIS_PIPELINES_PAGE_SIZE", "many"),
            ("NOMIS_PIPELINES_TODAY", "17 May"),
            ("NOMIS_PIPELINES_BREAKER_SECONDS", "soon"),
            ("NOMIS_PIPELINES_BREAKER_SECONDS", "0"),
            ("NOMIS_PIPELINES_PRISONS", "HEI|BXI"),
            ("NOMIS_PIPELINES_RETRY_FAILED_ENABLED", "perhaps"),
            ("NOMIS_PIPELINES_LOG_LEVEL", "loud"),
            ("RETRY_ALL_DLQS_UNPROTECTED", "perhaps"),
            ("ALERTS_HASMIGRATEDDATA", "perhaps"),
        ],
    )
    def test_a_value_that_cannot_be_used_is_reported_by_the_name_of_its_variable(self, variable: str, value: str):
        with pytest.raises(SettingError) as caught:
            Settings.load({variable: value})
        assert f"\n  {variable}: " in str(caught.value)
        assert value not in str(caught.value).removeprefix(variable) or len(value) < 4

    def test_all_faults_are_reported_at_once(self):
        with pytest.raises(SettingError) as caught:
            load(NOMIS_PIPELINES_PAGE_SIZE="1", NOMIS_PIPELINES_TODAY="x")
        assert "NOMIS_PIPELINES_PAGE_SIZE" in str(caught.value)
        assert "NOMIS_PIPELINES_TODAY" in str(caught.value)

    def test_the_environment_of_the_process_is_read_when_none_is_given(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("NOMIS_PIPELINES_USER", "NIGHT_SHIFT")
        assert Settings.load().user == "NIGHT_SHIFT"

    def test_an_environment_that_is_given_stands_alone(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("NOMIS_PIPELINES_USER", "NIGHT_SHIFT")
        monkeypatch.setenv("DATABASE_URL", "postgresql://localhost/other")
        settings = Settings.load({})
        assert settings.user == "NOMIS_PIPELINES"
        assert settings.database_url_text is None

    def test_settings_cannot_be_changed(self):
        with pytest.raises(ValueError, match="frozen"):
            load().user = "SOMEBODY"  # pyright: ignore[reportAttributeAccessIssue]


class TestPageSizes:
    def test_a_domain_may_have_its_own(self):
        settings = load(NOMIS_PIPELINES_PAGE_SIZE="500", NOMIS_PIPELINES_VISIT_SLOTS_PAGE_SIZE="20")
        assert settings.page_size_of("visit-slots") == 20
        assert settings.page_size_of("visits") == 500

    @pytest.mark.parametrize("value", ["1", "50001", "-3", "ten"])
    def test_one_out_of_range_is_refused_by_name(self, value: str):
        with pytest.raises(SettingError, match="NOMIS_PIPELINES_VISITS_PAGE_SIZE must be a whole number"):
            load(NOMIS_PIPELINES_VISITS_PAGE_SIZE=value).page_size_of("visits")


class TestServices:
    def test_a_service_is_its_address_its_client_and_its_timeout(self):
        service = Settings.load(VISITS).service("visits")
        assert service.base_url == "http://visits.test"
        assert service.client_id == "visits-client"
        assert service.client_secret.get_secret_value() == "visits-client-secret"
        assert service.timeout_seconds == 90

    @pytest.mark.parametrize(
        ("name", "url", "client", "secret", "seconds"),
        [
            ("nomis", "API_BASE_URL_NOMIS", "NOMIS_PRISONER_API_CLIENT_ID", "NOMIS_PRISONER_API_SECRET", 60),
            ("mapping", "API_BASE_URL_MAPPING", "NOMIS_MAPPING_API_CLIENT_ID", "NOMIS_MAPPING_API_SECRET", 10),
            ("nomis-sync", "API_BASE_URL_NOMIS-SYNC", "NOMIS_SYNC_API_CLIENT_ID", "NOMIS_SYNC_API_CLIENT_SECRET", 60),
            ("sentencing", "API_BASE_URL_SENTENCING", "SENTENCING_CLIENT_ID", "SENTENCING_CLIENT_SECRET", 90),
            ("movements-taps", "API_BASE_URL_MOVEMENTS_TAPS", "EXT_MOVEMENTS_CLIENT_ID",
             "EXT_MOVEMENTS_CLIENT_SECRET", 10),
            ("official-visits", "API_BASE_URL_OFFICIALVISITS", "OFFICIALVISITS_CLIENT_ID",
             "OFFICIALVISITS_CLIENT_SECRET", 30),
        ],
    )  # fmt: skip
    def test_the_names_are_those_of_the_platform_card(
        self, name: str, url: str, client: str, secret: str, seconds: float
    ):
        service = Settings.load({url: "https://host.test/base", client: "id", secret: "hush"}).service(name)
        assert (service.base_url, service.client_id, service.timeout_seconds) == (
            "https://host.test/base",
            "id",
            seconds,
        )
        assert service.client_secret.get_secret_value() == "hush"

    @pytest.mark.parametrize("missing", VISITS)
    def test_a_missing_variable_is_reported_with_its_name_and_purpose(self, missing: str):
        settings = Settings.load({name: value for name, value in VISITS.items() if name != missing})
        with pytest.raises(SettingError, match=f"^{missing} is not set: .*visit scheduler"):
            settings.service("visits")

    @pytest.mark.parametrize("address", ["visits.test", "ftp://visits.test", "http://"])
    def test_an_address_that_is_not_http_is_refused(self, address: str):
        with pytest.raises(SettingError, match="API_BASE_URL_VISITS must begin with http"):
            Settings.load(VISITS | {"API_BASE_URL_VISITS": address}).service("visits")

    def test_the_general_timeout_replaces_the_long_ones_only(self):
        settings = Settings.load({
            **{spec.url_variable: "http://host.test" for spec in SERVICES.values()},
            **{spec.id_variable: "id" for spec in SERVICES.values()},
            **{spec.secret_variable: "hush" for spec in SERVICES.values()},
            "API_TIMEOUT": "5s",
        })  # fmt: skip
        for name, spec in SERVICES.items():
            assert settings.service(name).timeout_seconds == (10 if spec.timeout_seconds == 10 else 5), name

    @pytest.mark.parametrize("variable", ["API_MAPPING_TIMEOUT", "API_MAPPINGTIMEOUT"])
    def test_the_mapping_service_has_a_timeout_of_its_own(self, variable: str):
        settings = Settings.load({
            "API_BASE_URL_MAPPING": "http://mapping.test", "NOMIS_MAPPING_API_CLIENT_ID": "id",
            "NOMIS_MAPPING_API_SECRET": "hush", variable: "1500ms",
        })  # fmt: skip
        assert settings.service("mapping").timeout_seconds == 1.5

    @pytest.mark.parametrize("value", ["soon", "0", "-5s"])
    def test_a_timeout_that_is_no_duration_is_refused_by_name(self, value: str):
        with pytest.raises(SettingError, match="API_TIMEOUT is not a duration"):
            Settings.load(VISITS | {"API_TIMEOUT": value}).service("visits")

    def test_auth_has_an_address_only(self):
        assert load(API_BASE_URL_HMPPS_AUTH="http://localhost:8090/auth/").auth_url == "http://localhost:8090/auth"
        with pytest.raises(SettingError, match="API_BASE_URL_HMPPS_AUTH is not set: base URL of HMPPS Auth"):
            _ = load().auth_url


class TestDurations:
    @pytest.mark.parametrize(
        ("text", "seconds"),
        [("90", 90), ("90s", 90), (" 1.5 s ", 1.5), ("500ms", 0.5), ("2m", 120), ("1H", 3600), ("PT90S", 90),
         ("PT1M30S", 90), ("pt2h", 7200), ("PT0.5S", 0.5)],
    )  # fmt: skip
    def test_a_duration_is_understood(self, text: str, seconds: float):
        assert parse_seconds(text) == seconds

    @pytest.mark.parametrize("text", ["", "s", "PT", "P1D", "PT500ms", "90 sec", "1s2s"])
    def test_anything_else_is_not(self, text: str):
        assert parse_seconds(text) == text


class TestDatabase:
    def test_database_url_is_turned_to_the_driver_in_use(self):
        url = load(DATABASE_URL="postgresql://migration:hush-hush@db.test:5433/ledger").database_url
        assert url == "postgresql+psycopg://migration:hush-hush@db.test:5433/ledger"

    def test_options_of_the_address_are_kept(self):
        assert load(DATABASE_URL="postgres://db.test/ledger?sslmode=require").database_url.endswith("?sslmode=require")

    @pytest.mark.parametrize("address", ["sqlite:///ledger.db", "mysql://db.test/ledger"])
    def test_another_kind_of_database_is_refused(self, address: str):
        with pytest.raises(SettingError, match="must be a PostgreSQL address"):
            _ = load(DATABASE_URL=address).database_url

    @pytest.mark.parametrize("address", ["ledger:hush-hush", "postgresql://u:hush-hush@host:port/ledger"])
    def test_what_is_no_address_is_refused_without_showing_it(self, address: str):
        with pytest.raises(SettingError, match="DATABASE_URL is not an address") as caught:
            _ = load(DATABASE_URL=address).database_url
        assert "hush" not in str(caught.value)

    def test_the_pair_of_variables_asks_for_tls(self):
        url = load(
            DATABASE_ENDPOINT="db.test:5433",
            DATABASE_NAME="ledger",
            SPRING_R2DBC_USERNAME="app",
            SPRING_R2DBC_PASSWORD="hush/hush",
        ).database_url
        assert url == "postgresql+psycopg://app:hush%2Fhush@db.test:5433/ledger?sslmode=require"

    @pytest.mark.parametrize(
        ("endpoint", "place"),
        [("localhost", "localhost:5432"), ("localhost:5440", "localhost:5440"), ("127.0.0.1", "127.0.0.1:5432")],
    )
    def test_on_this_machine_no_tls_is_asked_for(self, endpoint: str, place: str):
        url = load(DATABASE_ENDPOINT=endpoint, DATABASE_NAME="migration").database_url
        assert url == f"postgresql+psycopg://migration:migration@{place}/migration"

    @pytest.mark.parametrize("endpoint", ["db.test:", "db.test:port", "db:1:2"])
    def test_an_endpoint_that_is_not_host_and_port_is_refused(self, endpoint: str):
        with pytest.raises(SettingError, match="DATABASE_ENDPOINT must be a host"):
            _ = load(DATABASE_ENDPOINT=endpoint, DATABASE_NAME="ledger").database_url

    @pytest.mark.parametrize("half", [{"DATABASE_ENDPOINT": "db.test"}, {"DATABASE_NAME": "ledger"}, {}])
    def test_half_a_pair_is_not_enough(self, half: dict[str, str]):
        with pytest.raises(SettingError, match="DATABASE_URL is not set: PostgreSQL database of the ledger"):
            _ = Settings.load(half).database_url

    def test_schema_changes_may_have_a_login_of_their_own(self):
        pair = {"DATABASE_ENDPOINT": "localhost", "DATABASE_NAME": "ledger", "SPRING_R2DBC_USERNAME": "app"}
        assert Settings.load(pair).schema_database_url == Settings.load(pair).database_url
        settings = Settings.load(pair | {"SPRING_FLYWAY_USER": "owner", "SPRING_FLYWAY_PASSWORD": "hush"})
        assert settings.schema_database_url == "postgresql+psycopg://owner:hush@localhost:5432/ledger"


class TestQueues:
    def test_a_queue_has_a_name_and_may_have_dead_letters(self):
        settings = load(
            HMPPS_SQS_QUEUES_EVENTSENTENCING_QUEUE_NAME="sentencing-events",
            HMPPS_SQS_QUEUES_EVENTSENTENCING_DLQ_NAME="sentencing-events-dlq",
            HMPPS_SQS_QUEUES_AUDIT_QUEUE_NAME="audit",
        )
        queue = settings.queue("eventsentencing")
        assert (queue.queue_id, queue.queue_name, queue.dlq_name) == (
            "eventsentencing",
            "sentencing-events",
            "sentencing-events-dlq",
        )
        assert settings.queue("audit").dlq_name == ""
        assert settings.has_queue("audit")
        assert not settings.has_queue("eventalerts")

    def test_a_queue_without_a_name_is_reported(self):
        with pytest.raises(SettingError, match=r"^HMPPS_SQS_QUEUES_EVENTALERTS_QUEUE_NAME is not set"):
            load().queue("eventalerts")

    @pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL_SQS", "AWS_ENDPOINT_URL", "HMPPS_SQS_LOCALSTACK_URL"])
    def test_the_address_of_sqs_has_three_names(self, variable: str):
        assert Settings.load({variable: "http://localhost:4566"}).sqs_endpoint_url == "http://localhost:4566"

    def test_boto3s_own_variable_wins_over_the_local_one(self):
        settings = load(HMPPS_SQS_LOCALSTACK_URL="http://localhost:1", AWS_ENDPOINT_URL_SQS="http://localhost:2")
        assert settings.sqs_endpoint_url == "http://localhost:2"

    @pytest.mark.parametrize("variable", ["AWS_REGION", "AWS_DEFAULT_REGION"])
    def test_the_region_is_boto3s(self, variable: str):
        assert Settings.load({variable: "eu-west-1"}).aws_region == "eu-west-1"


class TestEventSwitches:
    def test_every_event_is_on_by_default(self):
        assert load().event_enabled("alerts", "ALERT-INSERTED")

    @pytest.mark.parametrize(
        "variable",
        ["FEATURE_EVENT_ALERT-INSERTED", "FEATURE_EVENT_ALERT_INSERTED", "FEATURE_EVENT_ALERTS_ALERT-INSERTED",
         "FEATURE_EVENT_ALERTS_ALERT_INSERTED"],
    )  # fmt: skip
    @pytest.mark.parametrize("value", ["false", "FALSE", " off ", "no", "0"])
    def test_either_form_in_either_spelling_switches_it_off(self, variable: str, value: str):
        settings = Settings.load({variable: value})
        assert not settings.event_enabled("alerts", "ALERT-INSERTED")
        assert settings.event_enabled("alerts", "ALERT-UPDATED")

    def test_the_form_with_the_domain_touches_no_other_domain(self):
        settings = load(FEATURE_EVENT_ALERTS_PRISONER_MERGED="false")
        assert not settings.event_enabled("alerts", "PRISONER_MERGED")
        assert settings.event_enabled("csra", "PRISONER_MERGED")

    def test_dots_are_underscores(self):
        settings = Settings.load({"FEATURE_EVENT_PRISON-OFFENDER-EVENTS_PRISONER_MERGED": "false"})
        assert not settings.event_enabled("alerts", "prison-offender-events.prisoner.merged")

    def test_true_and_empty_leave_it_on(self):
        settings = load(FEATURE_EVENT_A="true", FEATURE_EVENT_B="")
        assert settings.event_enabled("x", "A")
        assert settings.event_enabled("x", "B")
        assert settings.event_switches == {"FEATURE_EVENT_A": "true", "FEATURE_EVENT_B": ""}

    def test_a_misspelt_value_is_refused_at_start_up(self):
        with pytest.raises(SettingError, match="FEATURE_EVENT_ALERT-INSERTED must be true or false"):
            Settings.load({"FEATURE_EVENT_ALERT-INSERTED": "flase"})


class TestSecrets:
    ENVIRONMENT = VISITS | {
        "VISITS_CLIENT_SECRET": "marker-1-visits",
        "DATABASE_URL": "postgresql://u:marker-2-database@host/name",
        "SPRING_R2DBC_PASSWORD": "marker-3-r2dbc",
        "SPRING_FLYWAY_PASSWORD": "marker-4-flyway",
        "APPLICATIONINSIGHTS_CONNECTION_STRING": "InstrumentationKey=marker-5-insights",
        "NOMIS_PIPELINES_ALERT_WEBHOOK_URL": "https://hooks.test/marker-6-webhook",
        "AWS_SECRET_ACCESS_KEY": "marker-7-aws",
    }

    def test_no_representation_shows_one(self):
        settings = Settings.load(self.ENVIRONMENT)
        shown = f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"
        shown += f"{settings.service('visits')!r}"
        assert "marker" not in shown

    def test_no_error_shows_one(self):
        with pytest.raises(SettingError) as caught:
            Settings.load(self.ENVIRONMENT | {"NOMIS_PIPELINES_PAGE_SIZE": "0", "FEATURE_EVENT_X": "marker-8-typo"})
        assert "marker" not in f"{caught.value} {caught.value!r}"
        # a chained pydantic error would print its input in a traceback
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__

    def test_the_log_is_told_every_one_of_them(self):
        secrets = Settings.load(self.ENVIRONMENT).secrets
        for number in range(1, 8):
            assert any(f"marker-{number}-" in secret for secret in secrets), number
        assert "marker-2-database" in secrets

    def test_short_values_and_the_published_default_are_not_blotted_out(self):
        assert load(SPRING_R2DBC_PASSWORD="migration", VISITS_CLIENT_SECRET="x").secrets == frozenset()

    def test_settings_survive_the_way_to_another_process(self):
        settings = pickle.loads(pickle.dumps(Settings.load(self.ENVIRONMENT)))
        assert settings.service("visits").client_secret.get_secret_value() == "marker-1-visits"
