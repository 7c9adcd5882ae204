"""What a domain writes to be migrated. The engine does the rest: paging, claims, counting, history, telemetry."""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from types import MappingProxyType
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel

from nomis_pipelines.http import Conflict, HttpClients, ServiceClient
from nomis_pipelines.ledger import RecordKey
from nomis_pipelines.migration.ids import IdSource
from nomis_pipelines.migration.partitions import Partitions
from nomis_pipelines.observability import Telemetry
from nomis_pipelines.settings import Settings, load_settings

_ORIGIN = frozenset({"label", "mappingType", "whenCreated"})
"""Fields of a mapping that say how a pair came about, not which ids it pairs."""

Id = TypeVar("Id")
Record = TypeVar("Record")
Request = TypeVar("Request")


class Rejected(Exception):
    """A record that shall not be migrated as it is: the reason (a short code) and details that hold ids and codes only.

    Raised by a transform, or by `write` when DPS refuses the record for good and the card says that this is no failure.
    """

    def __init__(self, reason: str, **details: str | int | None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.details = details


class Ignored(Exception):
    """A record that the card says to pass over: there is nothing to write, and nothing wrong. It counts as done.

    Raised by `read` or `transform`, or by `write` when DPS answers that it dropped the record, with a short code and
    details that hold ids and codes only.
    """

    def __init__(self, reason: str, **details: str | int | None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.details = details


class AlreadyMapped(Exception):
    """A record that turned out to be mapped by the time it was to be written: another attempt was quicker.

    Raised by `write`, with the DPS id that the mapping service has. It counts as skipped.
    """

    def __init__(self, dps_id: str) -> None:
        super().__init__(dps_id)
        self.dps_id = dps_id


class Failed(Exception):
    """A record that cannot be migrated as things are, and may be later: it is tried again like any that failed.

    Raised by `read` or `transform`, with a short code and a sentence for people that holds ids and codes only.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class AwaitsParent(Exception):
    """A record that cannot be written before another of the same domain, which has no mapping yet.

    Raised by `read` in a migration that orders by parent. `parent` is the other's key as text; `message` says the same
    to people, with ids only.
    """

    def __init__(self, parent: str, message: str) -> None:
        super().__init__(message)
        self.parent = parent
        self.message = message


class ParentNotMigrated(Exception):
    """A record whose parent exists and has not been migrated: it failed itself, or waits in a circle."""

    def __init__(self, parent: str, message: str) -> None:
        super().__init__(message)
        self.parent = parent
        self.message = message


class DeclarationError(TypeError):
    """A domain's declaration makes no sense. The message names the class and the attribute."""


@dataclass(frozen=True, kw_only=True)
class MigrationContext:
    """What a migration may use while it runs.

    `filter` is that of the migration, also for the retry of some of its records; None where no migration is meant, or
    the history has forgotten it.
    """

    clients: HttpClients
    telemetry: Telemetry
    migration_id: str
    today: date
    filter: BaseModel | None = None
    settings: Settings = field(default_factory=load_settings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What a write made, where one id does not say all of it: a set of DPS records under one NOMIS id, say.

    `mapping` is recorded as it is. An empty `dps_id` says that DPS holds nothing that a mapping could name: then the
    ledger alone knows that the record is done.
    """

    dps_id: str
    mapping: dict[str, Any]


@dataclass(slots=True)
class Item(Generic[Id, Record, Request]):
    """One record on its way through a page; each stage fills in its part."""

    id: Id
    key: RecordKey
    partition: str | None = None
    record: Record | None = None
    request: Request | None = None
    dps_id: str | None = None
    mapping: Mapping[str, Any] | None = None
    claimed: bool = False
    """Ours to write, by a claim in the ledger."""
    looked_up: bool = False
    """The mapping service has been asked, and has no pair."""
    resumed: bool = field(default=False)
    """Written by an earlier attempt: only its mapping is missing, and nothing of the record has been read."""


class Migration(ABC, Generic[Id, Record, Request]):
    """One domain's migration. A fresh object is made for every run, with the run's context."""

    name: ClassVar[str]
    """The domain's name, as in the asset `dps/<name>`."""
    migration_type: ClassVar[str]
    """Its type in the history, e.g. `VISITS` (platform card, section 2.2)."""
    telemetry_name: ClassVar[str]
    """The prefix of its lifecycle events (platform card, section 2.2)."""
    filter: ClassVar[type[BaseModel]]
    """The filter of a run: the body of the start request and the job's configuration."""
    ids: ClassVar[IdSource]
    partitions: ClassVar[Partitions]
    write_service: ClassVar[str]
    """The service that is written to: its concurrency limit bounds how many records can ever be in doubt."""
    services: ClassVar[tuple[str, ...]]
    """The services that are called: their settings are checked before a run begins."""
    mapping_path: ClassVar[str]
    """Where the mapping service keeps this domain's pairs."""
    migrated_path: ClassVar[str] = ""
    """Where it counts those that bear a migration's label, with `{migrationId}` in it; `/migration-id/{migrationId}`
    below `mapping_path` unless the domain says otherwise."""
    migrated_query: ClassVar[Mapping[str, object]] = MappingProxyType({"size": 1})
    """The query of that call. The answer is a page of mappings, or the bare number."""
    page_size: ClassVar[int | None] = None
    """Records a page unless a setting says otherwise; None: the general setting."""
    most_at_once: ClassVar[int | None] = None
    """Records in hand at once, where the card sets a limit; None: what the settings allow."""
    depends_on: ClassVar[tuple[str, ...]] = ()
    """The domains that must be migrated before this one, for the asset graph (see `cautions`)."""
    dps_id_field: ClassVar[str]
    """The name of the DPS id in a mapping, e.g. `vsipId`."""
    idempotent_write: ClassVar[bool] = False
    """Whether writing a record twice leaves one record: a record in doubt is then simply written again."""
    second_conflict_is_done: ClassVar[bool] = False
    """Whether a 409 at the second attempt to record a mapping says that it is there, where the mapping service does not
    tell which pair it has instead. The first is like any other failure then, and no duplicate is ever told of."""
    orders_by_parent: ClassVar[bool] = False
    """Whether records may wait for others: `read` raises `AwaitsParent`, and `exists` is needed."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if ABC in cls.__bases__:
            return
        for attribute in ("name", "migration_type", "telemetry_name", "filter", "ids", "partitions", "write_service",
                          "services", "mapping_path", "dps_id_field"):  # fmt: skip
            if not hasattr(cls, attribute):
                raise DeclarationError(f"{cls.__name__} declares no {attribute}")
        if not re.fullmatch(r"[a-z][a-z0-9_]*", cls.name):
            raise DeclarationError(
                f"{cls.__name__}: the name {cls.name!r} is not lower case letters, digits, underscores"
            )
        missing = {"nomis", "mapping", cls.write_service} - set(cls.services)
        if missing:
            raise DeclarationError(f"{cls.__name__}: services lacks {', '.join(sorted(missing))}")
        if cls.orders_by_parent and cls.exists is Migration.exists:
            raise DeclarationError(f"{cls.__name__} orders by parent and does not say whether a parent exists")
        cls.migrated_path = cls.migrated_path or f"{cls.mapping_path}/migration-id/{{migrationId}}"

    def __init__(self, context: MigrationContext) -> None:
        self.context = context
        self.nomis: ServiceClient = context.clients.client("nomis")
        self.mappings: ServiceClient = context.clients.client("mapping")
        self.dps: ServiceClient = context.clients.client(self.write_service)

    @classmethod
    def record_key(cls, nomis_key: str) -> RecordKey:
        """The ledger's key of a record of this domain."""
        return RecordKey(domain=cls.name, entity=cls.name, nomis_key=nomis_key)

    @abstractmethod
    def key(self, id: Id) -> str:
        """The id as text, for the ledger. It must be unique within the domain."""

    @abstractmethod
    def parse_key(self, nomis_key: str) -> Id:
        """The id that `key` made this text of."""

    @abstractmethod
    async def find_mapping(self, id: Id) -> str | None:
        """The DPS id that the mapping service has for `id`, or None."""

    @abstractmethod
    async def read(self, id: Id) -> Record:
        """Everything the transform needs, reference data too. Raises `Ignored`, `AwaitsParent`, `Rejected`."""

    @abstractmethod
    def transform(self, record: Record, today: date) -> Request:
        """The request to DPS. Pure: no clock, no calls. Raises `Rejected` or `Ignored`."""

    @abstractmethod
    async def write(self, request: Request) -> str | Written:
        """Write to DPS and answer with the DPS id.

        Raises `Rejected` or `Ignored` where the card says that what DPS answers is no failure, and `AlreadyMapped`.
        """

    @abstractmethod
    def mapping(self, id: Id, dps_id: str) -> dict[str, Any]:
        """The body of the mapping to record: ids only, since the ledger keeps it until it is recorded."""

    async def mapping_of_adopted(self, id: Id, dps_id: str) -> dict[str, Any]:
        """The same for a record in doubt whose DPS id an operator gives. Raises `ValueError` when that is none."""
        return self.mapping(id, dps_id)

    def mapping_of_created(self, id: Id, dps_id: str) -> dict[str, Any]:
        """The same for a record that an event made: no migration to be labelled with."""
        mapping = {name: value for name, value in self.mapping(id, dps_id).items() if name != "label"}
        return {**mapping, "mappingType": "NOMIS_CREATED"}

    @abstractmethod
    async def post_mapping(self, mapping: Mapping[str, Any]) -> None:
        """Record the pair. Raises `Conflict` when the mapping service has another pair for one of the ids."""

    async def exists(self, id: Id) -> bool:
        """Whether NOMIS has the record: asked of parents that a whole run has not come upon."""
        raise NotImplementedError(f"{type(self).__name__} does not order by parent")

    def is_own_pair(self, mapping: Mapping[str, Any], existing: Mapping[str, Any]) -> bool:
        """Whether the pair that a 409 of the mapping service shows is the one being recorded.

        An operator may adopt a DPS record that belongs to another NOMIS record: that is no pair of ours, though the
        DPS id is the same.
        """
        names = (mapping.keys() & existing.keys()) - _ORIGIN
        return self.dps_id_field in names and all(str(existing[name]) == str(mapping[name]) for name in names)

    def existing_dps_id(self, mapping: Mapping[str, Any], existing: Mapping[str, Any]) -> str:
        """The DPS id that a 409 shows in the place of the one in `mapping`."""
        return str(existing.get(self.dps_id_field))

    def is_migrated(self, mapping: Mapping[str, Any]) -> bool:
        """Whether a recorded mapping counts as a record migrated; else as one passed over on purpose."""
        return True

    def maps_nothing(self, request: Request) -> bool:
        """Whether writing this leaves no mapping (an empty set): that it was done before, only the ledger can tell."""
        return False

    @classmethod
    async def cautions(cls, clients: HttpClients, filter: BaseModel) -> list[str]:
        """What an operator should know before a run with this filter begins. It is said, and hinders nothing."""
        return []

    @classmethod
    def properties(cls, filter: BaseModel) -> dict[str, Any]:
        """What of the filter steers the run instead of choosing records; told at start and end (card, 3.3)."""
        return {}

    @classmethod
    def message_id(cls, nomis_key: str) -> Any:
        """The NOMIS id as the body of a `MIGRATE_ENTITY` message had it (platform card, section 4.4): plain JSON."""
        return nomis_key

    def partition_of(self, record: Record) -> str | None:
        """The partition a record belongs to, for runs with a free filter; None when the record does not tell."""
        return None

    def on_started(self, estimated: int, filter: BaseModel) -> None:
        """Telemetry at the start, beside `<telemetry name>-migration-started`."""

    def on_skipped(self, item: Item[Id, Record, Request]) -> None:
        """Telemetry for a record that the mapping service had already."""

    def on_failed(self, item: Item[Id, Record, Request], error: Exception) -> None:
        """Telemetry for an attempt to read, transform or write that failed, or whose outcome is unknown.

        Not called for a record that the mapping service could not be asked about.
        """

    def on_rejected(self, item: Item[Id, Record, Request], rejection: Rejected) -> None:
        """Telemetry for a record that was rejected."""

    def on_ignored(self, item: Item[Id, Record, Request], ignored: Ignored) -> None:
        """Telemetry for a record that was passed over."""

    def on_already_mapped(self, item: Item[Id, Record, Request]) -> None:
        """Telemetry for a record that another attempt was found to have mapped when it was to be written."""

    def on_migrated(self, item: Item[Id, Record, Request]) -> None:
        """Telemetry for a record that was written, whatever became of its mapping."""

    def on_duplicate(self, item: Item[Id, Record, Request], conflict: Conflict, minutes: int) -> None:
        """Telemetry for a 409 of the mapping service; `minutes` since the migration began."""

    def on_mapping_failed(self, item: Item[Id, Record, Request]) -> None:
        """Telemetry for a mapping that could not be recorded and will be retried."""

    @property
    def telemetry(self) -> Telemetry:
        """Where events go."""
        return self.context.telemetry

    @property
    def migration_id(self) -> str:
        """The id of this run: local time of its start, also the label of its mappings."""
        return self.context.migration_id


def minutes_since(migration_id: str, now: datetime) -> int:
    """Whole minutes from a migration id, read as a local time, to `now` (platform card, section 6.1).

    0 for the empty id, under which records that no migration wrote are retried.
    """
    from zoneinfo import ZoneInfo

    if not migration_id:
        return 0
    local = now.astimezone(ZoneInfo("Europe/London")).replace(tzinfo=None)
    return max(0, int((local - datetime.fromisoformat(migration_id)).total_seconds() // 60))
