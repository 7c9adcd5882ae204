"""The mapping service's tables of CSIP: reports, each with five lists of parts, all unique on both sides."""

from collections.abc import Iterator
from typing import Any

from pydantic_core import from_json, to_json

from nomis_pipelines.sandbox.data.world import london_now
from nomis_pipelines.sandbox.journal import Journal

LISTS = ("attendeeMappings", "factorMappings", "interviewMappings", "planMappings", "reviewMappings")

Json = dict[str, Any]


class CsipMappings:
    """Full mappings by the NOMIS id of their report. What is added is added whole, or not at all."""

    KIND = b";"

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._reports: dict[int, Json] = {}
        self._report_of: dict[str, int] = {}
        self._parts: dict[tuple[str, int | str], int] = {}

    def replay(self, payload: bytes, _place: int) -> None:
        """Read one journal entry: `[what, …]`."""
        what, detail = from_json(payload)
        self._apply(what, detail)

    def get(self, report_id: int) -> Json | None:
        """The full mapping of a report."""
        return self._reports.get(report_id)

    def by_dps_id(self, dps_id: str) -> Json | None:
        """The full mapping of a record."""
        report_id = self._report_of.get(dps_id)
        return None if report_id is None else self._reports[report_id]

    def part(self, name: str, nomis_id: int) -> Json | None:
        """The pair of a part in one of the lists."""
        report_id = self._parts.get((name, nomis_id))
        if report_id is None:
            return None
        return next(pair for pair in self._reports[report_id][name] if pair["nomisId"] == nomis_id)

    def add(self, mapping: Json) -> Json | None:
        """Record a report with its parts; None, or what contradicts it."""
        known = self.get(mapping["nomisCSIPReportId"]) or self.by_dps_id(mapping["dpsCSIPReportId"])
        if known is not None or self._clashes(mapping):
            return known or {}
        when = london_now().isoformat(timespec="seconds")
        parts = {name: [{"whenCreated": when, **pair} for pair in mapping[name]] for name in LISTS}
        self._record("add", {"whenCreated": when, **mapping, **parts})
        return None

    def add_parts(self, mapping: Json) -> Json | None:
        """Add parts to a report that is mapped; None, or the report when one of them is there already."""
        known = self._reports[mapping["nomisCSIPReportId"]]
        if self._clashes(mapping):
            return known
        when = london_now().isoformat(timespec="seconds")
        parts = {name: [{"whenCreated": when, **pair} for pair in mapping[name]] for name in LISTS}
        self._record("parts", {"nomisCSIPReportId": known["nomisCSIPReportId"], **parts})
        return None

    def labelled(self, label: str) -> list[Json]:
        """The reports of a migration."""
        return [mapping for mapping in self._reports.values() if mapping.get("label") == label]

    def remove(self, dps_id: str) -> bool:
        """Forget a record and its parts; False when there is none."""
        if dps_id not in self._report_of:
            return False
        self._record("remove", dps_id)
        return True

    def remove_all(self, *, only_migrated: bool) -> None:
        """Forget every report, or every migrated one."""
        for mapping in list(self._reports.values()):
            if not only_migrated or mapping["mappingType"] == "MIGRATED":
                self._record("remove", mapping["dpsCSIPReportId"])

    def rows(self) -> Iterator[tuple[int, str, int, Json]]:
        """Of every report and each of its parts: the report's NOMIS id, the list, the NOMIS id, the pair."""
        for report_id, mapping in self._reports.items():
            yield report_id, "RECORD", report_id, {**mapping, "dpsId": mapping["dpsCSIPReportId"]}
            for name in LISTS:
                yield from ((report_id, name, pair["nomisId"], pair) for pair in mapping[name])

    def clear(self) -> None:
        """Forget everything."""
        self._reports.clear()
        self._report_of.clear()
        self._parts.clear()

    def _clashes(self, mapping: Json) -> bool:
        keys = ((name, each) for name in LISTS for pair in mapping[name] for each in (pair["nomisId"], pair["dpsId"]))
        return any(key in self._parts for key in keys)

    def _record(self, what: str, detail: Json | str) -> None:
        self._journal.append(self.KIND, to_json([what, detail]))
        self._apply(what, detail)

    def _apply(self, what: str, detail: Any) -> None:
        match what:
            case "add":
                self._reports[detail["nomisCSIPReportId"]] = detail
                self._report_of[detail["dpsCSIPReportId"]] = detail["nomisCSIPReportId"]
                self._index(detail)
            case "parts":
                known = self._reports[detail["nomisCSIPReportId"]]
                for name in LISTS:
                    known[name] = [*known[name], *detail[name]]
                self._index(detail)
            case _:
                gone = self._reports.pop(self._report_of.pop(detail))
                for name in LISTS:
                    for pair in gone[name]:
                        del self._parts[name, pair["nomisId"]], self._parts[name, pair["dpsId"]]

    def _index(self, mapping: Json) -> None:
        for name in LISTS:
            for pair in mapping[name]:
                self._parts[name, pair["nomisId"]] = self._parts[name, pair["dpsId"]] = mapping["nomisCSIPReportId"]
