"""The locations of NOMIS: functions of the world and an id, like the visits.

One plan of a prison repeats: two house blocks, each with wings, spurs, landings and two hundred cells, and an area
with a place of every other type. Ids follow the plan, and the second house block is written down from its cells
upwards, as if it had been reorganised since: there each parent has a higher id than its children. At the end of the
plan lie the odd ones: a parent that is gone, a circle of three, a type and a history column that nobody knows, and
places in the prisons that are none. A prison whose turn comes again gets further blocks.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from nomis_pipelines.sandbox.data.prisons import PRISONS
from nomis_pipelines.sandbox.data.world import Timeline, World, draws

FIRST_LOCATION = 70_001
HOUSES, WINGS, SPURS, LANDINGS, CELLS = 2, "AB", 2, 2, 25
NOT_PRISONS = ("ZZGHI", "UNKNWN", "TRN", "LT3", "LT4")
UNKNOWN_TYPE, UNKNOWN_COLUMN = "KIOSK", "Paint Colour"
OTHER_TYPES = (
    "ADJU", "ADMI", "APP", "ASSO", "BOOT", "BOX", "CLAS", "EXER", "EXTE", "FAIT", "GROU", "HCEL", "HOLD", "IGRO",
    "INSI", "INTE", "LOCA", "MEDI", "MOVE", "OFFI", "OUTS", "POSI", "RESI", "ROOM", "RTU", "SHEL", "SPOR", "STOR",
    "TABL", "TRAI", "TRRM", "VIDE", "VISIT", "WORK",
)  # fmt: skip
UNIT_TYPES = ("NA", "NA", "NA", "NA", "HC", "HOLC", "OU", "REC", "SEG", "SPLC")
REASONS = "ABCDEFGHIJKL"
USAGES = ("APP", "MOVEMENT", "OCCUR", "OIC", "OTHER", "OTH", "PROG", "PROP", "VISIT")
COLUMNS = (
    "Unit Type", "Active", "Living Unit Id", "Comments", "Accommodation Type", "Certified", "Description",
    "Baseline CNA", "Operational Capacity", "Deactivate Reason", "Proposed Reactivate Date", "Sequence",
    "Deactivate Date", "Maximum Capacity", None,
)  # fmt: skip
# the last two have no attribute in DPS
PROFILES = {
    "HOU_SANI_FIT": ("ABD", "ACB", "FIB", "MD", "MOB", "PC", "PS", "SCB", "SETO", "WD"),
    "HOU_UNIT_ATT": ("A", "DO", "ELC", "GC", "LC", "LF", "MO", "NSMC", "OC", "SC", "SO", "SPC", "WA"),
    "HOU_USED_FOR": (*"123456789", "10", "11", "12", *"ABCDEHIJKLRTVYZ"),
    "SUP_LVL_TYPE": (
        *"AEHBCDIJVKLZXPQRSTUYN", "GRANTED", "LOW", "MED", "HI", "N/A", "NA", "PEND", "REF/REVIEW", "REFUSED",
        "STANDARD", "NEW",
    ),
    "NON_ASSO_TYP": ("STG",),
}  # fmt: skip
_PROFILE_TYPES = tuple(PROFILES)
_COMMENTS = ("Window replaced", "Out of use until checked — see file", "", "Near the library", "Café area")
_USERS = tuple(f"{a}{b}_GEN" for a, b in ("AB", "CD", "EF", "GH", "KL", "MN", "PQ", "RS", "TU", "WX"))

Location = dict[str, Any]


@dataclass(frozen=True)
class Slot:
    """One place of the plan. `parent` is a place of the plan, None at the top; `odd` says what is wrong with it."""

    type: str
    codes: tuple[str, ...]
    parent: int | None
    sequence: int
    odd: str = ""


def _plan() -> tuple[Slot, ...]:
    places: list[Slot] = []

    def add(type: str, codes: tuple[str, ...], above: int | None, sequence: int, odd: str = "") -> int:
        places.append(Slot(type, codes, above, sequence, odd))
        return len(places) - 1

    for house in range(HOUSES):
        first = len(places)
        block = add(("BLK", "HBLK")[house], (f"HB{house + 1}",), None, house + 1)
        for w, wing in enumerate(WINGS):
            on_wing = add("WING", (f"HB{house + 1}", wing), block, w + 1)
            for s in range(SPURS):
                on_spur = add("SPUR", (*places[on_wing].codes, str(s + 1)), on_wing, s + 1)
                for level in range(LANDINGS):
                    type = ("LAND", "TIER", "LAN")[(w + s + level) % 3]
                    on_landing = add(type, (*places[on_spur].codes, str(level + 1)), on_spur, level + 1)
                    for cell in range(CELLS):
                        add("CELL", (*places[on_landing].codes, f"{cell + 1:03}"), on_landing, cell + 1)
        if house:
            _turn_over(places, first)
    area = add("AREA", ("SITE",), None, HOUSES + 1)
    for number, type in enumerate(OTHER_TYPES):
        add(type, ("SITE", type), area, number + 1)
    add("ROOM", ("LOST",), None, 1, "orphan")
    circle = len(places)
    for number in range(3):
        add("ROOM", (f"RING{number + 1}",), circle + (number + 1) % 3, number + 1, "circle")
    add(UNKNOWN_TYPE, ("KIOSK",), area, 90, "type")
    add("ROOM", ("PAINT",), area, 91, "column")
    for prison in NOT_PRISONS:
        above = add("AREA", (prison,), None, 1, prison)
        add("ROOM", (prison, "ROOM"), above, 1, prison)
    return tuple(places)


def _turn_over(places: list[Slot], first: int) -> None:
    """Let the places from `first` on come in the opposite order."""
    last = len(places) - 1
    places[first:] = [
        slot if slot.parent is None else replace(slot, parent=first + last - slot.parent)
        for slot in reversed(places[first:])
    ]


PLAN = _plan()


class LocationData:
    """All locations of a world: `world.locations` of them, the last prison perhaps unfinished."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.timeline = Timeline(world, world.locations)

    def id_at(self, place: int) -> int:
        """The id of the location at a place of the list (from 0)."""
        return FIRST_LOCATION + place

    def place_of(self, location_id: int) -> int | None:
        """Where a location stands in the list; None for none."""
        place = location_id - FIRST_LOCATION
        return place if 0 <= place < self.world.locations else None

    def find(self, created: Any) -> int | None:
        """The location created within the second that begins at `created`."""
        number = self.timeline.find_second(created)
        return None if number is None else self.id_at(number - 1)

    def odd(self, what: str) -> list[int]:
        """The ids of all locations that have something wrong with them."""
        return [self.id_at(place) for place in range(self.world.locations) if PLAN[place % len(PLAN)].odd == what]

    def location(self, location_id: int) -> Location | None:
        """A location as NOMIS gives it (locations card, section 3), nulls left out; None for none."""
        place = self.place_of(location_id)
        if place is None:
            return None
        slot = PLAN[place % len(PLAN)]
        drawn = draws(self.world.key, b"location", place)
        created = self.timeline.created(place + 1)
        location = self._position(place, slot) | {
            "locationType": slot.type,
            "listSequence": slot.sequence,
            "active": True,
            "certified": drawn[0] % 4 != 0,
            "tracking": drawn[1] % 2 == 0,
            "createDatetime": created.isoformat(),
            "createUsername": _USERS[drawn[2] % len(_USERS)],
            "profiles": _profiles(drawn) if slot.type == "CELL" else [],
            "usages": _usages(drawn) if slot.type in OTHER_TYPES else [],
            "amendments": _amendments(slot, created, drawn),
        }
        _add_texts(location, drawn)
        _add_capacities(location, slot, drawn)
        if drawn[3] % 7 == 0:
            location |= {"active": False, "deactivateDate": created.date().isoformat()}
            location |= {} if drawn[4] % 9 == 0 else {"reasonCode": REASONS[drawn[4] % 12]}
            location |= {"reactivateDate": (created.date() + timedelta(days=90)).isoformat()} if drawn[5] % 2 else {}
        return location

    def _position(self, place: int, slot: Slot) -> Location:
        """Id, prison, key and parent."""
        turn = place // len(PLAN)
        prisons = tuple(PRISONS)
        again, which = divmod(turn, len(prisons))
        prison = slot.odd if slot.odd in NOT_PRISONS else prisons[which]
        # the first code tells apart what a prison has got more than once
        codes = [slot.codes[0] + (f"-{again + 1}" if again else ""), *slot.codes[1:]]
        position: Location = {
            "locationId": self.id_at(place),
            "prisonId": prison,
            "locationCode": codes[-1],
            "description": "-".join((prison, *codes)),
        }
        parent = self._parent(turn, slot)
        if slot.odd == "orphan":
            position["parentLocationId"] = FIRST_LOCATION - 1 - turn
        elif parent is not None:
            position["parentLocationId"] = self.id_at(parent)
            position["parentKey"] = "-".join((prison, *codes[:-1])) if len(codes) > 1 else prison
        return position

    def _parent(self, turn: int, slot: Slot) -> int | None:
        """The place of the parent; in an unfinished prison the nearest one above that has been made."""
        while slot.parent is not None:
            place = turn * len(PLAN) + slot.parent
            if place < self.world.locations:
                return place
            slot = PLAN[slot.parent]
        return None


def _add_texts(location: Location, drawn: tuple[int, ...]) -> None:
    if drawn[6] % 2:
        location["userDescription"] = f"{location['locationType'].title()} {location['locationCode']}"
    if drawn[7] % 5 == 0:
        location["comment"] = _COMMENTS[drawn[7] % len(_COMMENTS)]
    if drawn[8] % 3:
        location["modifyUsername"] = _USERS[drawn[9] % len(_USERS)]


def _add_capacities(location: Location, slot: Slot, drawn: tuple[int, ...]) -> None:
    if slot.type != "CELL":
        return
    location["unitType"] = UNIT_TYPES[drawn[10] % len(UNIT_TYPES)]
    most = 1 + drawn[11] % 3
    if drawn[12] % 20:
        location["capacity"] = most
    if drawn[13] % 10:
        location["operationalCapacity"] = max(0, most - drawn[13] % 2)
    if drawn[14] % 10:
        location["cnaCapacity"] = most


def _profiles(drawn: tuple[int, ...]) -> list[Location]:
    found: list[Location] = []
    for number in range(drawn[15] % 5):
        type = _PROFILE_TYPES[drawn[16 + number] % len(_PROFILE_TYPES)]
        codes = PROFILES[type]
        found.append({"profileType": type, "profileCode": codes[drawn[16 + number] // 8 % len(codes)]})
    if drawn[20] % 12 == 0:
        # two codes for one attribute
        found += [{"profileType": "HOU_USED_FOR", "profileCode": code} for code in ("7", "V")]
    return found


def _usages(drawn: tuple[int, ...]) -> list[Location]:
    found: list[Location] = []
    for number in range(1 + drawn[21] % 3):
        usage: Location = {"internalLocationUsageType": USAGES[drawn[22 + number] % len(USAGES)]}
        if drawn[25] % 3:
            usage |= {"capacity": 5 + drawn[25] % 40}
        if drawn[26] % 2:
            usage |= {"sequence": number + 1}
        found.append(usage)
    return found


def _amendments(slot: Slot, created: Any, drawn: tuple[int, ...]) -> list[Location]:
    found: list[Location] = []
    for number in range(drawn[27] % 4):
        column = COLUMNS[drawn[28 + number] % len(COLUMNS)]
        found.append(
            {
                "amendDateTime": (created + timedelta(days=30 * (number + 1))).isoformat(timespec="seconds"),
                "amendedBy": _USERS[drawn[28 + number] % len(_USERS)],
                "oldValue": str(number),
                "newValue": str(number + 1),
            }
            | ({} if column is None else {"columnName": column})
        )
    if slot.odd == "column":
        at = created.isoformat(timespec="seconds")
        found.append({"amendDateTime": at, "amendedBy": _USERS[0], "columnName": UNKNOWN_COLUMN})
    return found
