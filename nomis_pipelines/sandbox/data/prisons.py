"""The sandbox's prisons and their visit rooms, with the room mappings that are there from the beginning."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Room:
    """A visit room in NOMIS; `vsip` is its name in the visit scheduler, empty when nobody has mapped it."""

    code: str
    description: str
    vsip: str = ""
    is_open: bool = True


@dataclass(frozen=True, kw_only=True)
class Prison:
    """A prison: its share of all visits (per thousand) and its rooms, the more used ones more than once."""

    code: str
    weight: int
    social: tuple[Room, ...]
    official: tuple[Room, ...]

    @property
    def rooms(self) -> tuple[Room, ...]:
        """Every room once."""
        return tuple(dict.fromkeys((*self.social, *self.official)))


def _room(prison: str, code: str, vsip: str = "", *, is_open: bool = True, area: str = "VISITS") -> Room:
    return Room(code=code, description=f"{prison}-{area}-{code}", vsip=vsip, is_open=is_open)


def _hewell() -> Prison:
    main = "Visits Main Room"
    social = _room("HEI", "SOC_VIS", main)
    legal = tuple(_room("HEI", f"LEG{number}", f"Legal Visit Room {number}") for number in (6, 7, 8))
    closed = tuple(_room("HEI", f"{block}CLO", main, is_open=False) for block in ("HB1", "HB4", "HB7"))
    others = tuple(_room("HEI", f"HB{number}", main) for number in range(1, 8))
    return Prison(
        code="HEI",
        weight=300,
        # the chapel was never mapped: its future visits have no room
        social=(*[social] * 24, *others, *closed, _room("HEI", "CHAPEL")),
        official=(*legal, *legal, *others[:3], _room("HEI", "PACE", "PACE Room", is_open=False), closed[2]),
    )


def _bristol() -> Prison:
    hall = "Visits Main Hall"
    closed = tuple(_room("BLI", code, hall, is_open=False) for code in ("CLO_VIS", "CLO_VIS1"))
    hospital = _room("BLI", "HOSP", "Hospital", area="HCC")
    return Prison(
        code="BLI",
        weight=60,
        social=(*[_room("BLI", "SOC_VIS", hall)] * 12, *closed, hospital),
        official=(
            *[_room("BLI", "OFF_VIS", "Official Visit Room")] * 4,
            _room("BLI", "VIDLNK", "Video Link"),
            hospital,
        ),
    )


def _common(code: str, weight: int, *, mapped: int) -> Prison:
    """A prison with the usual rooms, of which the first `mapped` have a name in the visit scheduler."""
    names = [
        ("SOC_VIS", "Visits Hall", True),
        ("OFF_VIS", "Official Visits", True),
        ("CLO_VIS", "Closed Visits", False),
        ("VISIT HALL 2", "Visits Hall", True),
        ("SOC/VIS 3", "Small Visits Room", True),
        ("FAM&KIDS", "Family Room", True),
    ]
    rooms = [
        _room(code, name, vsip if number < mapped else "", is_open=is_open)
        for number, (name, vsip, is_open) in enumerate(names)
    ]
    hall, offices, closed, hall2, small, family = rooms
    return Prison(
        code=code,
        weight=weight,
        social=(*[hall] * 10, closed, hall2, hall2, small, family),
        official=(*[offices] * 4, small),
    )


PRISONS: dict[str, Prison] = {
    prison.code: prison
    for prison in (
        _hewell(),
        _bristol(),
        _common("BXI", 80, mapped=6),
        _common("MDI", 70, mapped=5),
        _common("LEI", 70, mapped=4),
        _common("WWI", 50, mapped=3),
        _common("PVI", 45, mapped=2),
        _common("LPI", 40, mapped=6),
        _common("DMI", 40, mapped=4),
        _common("HLI", 35, mapped=2),
        _common("EXI", 30, mapped=5),
        _common("NHI", 30, mapped=1),
        _common("RNI", 25, mapped=6),
        _common("SWI", 25, mapped=3),
        _common("CFI", 20, mapped=3),
        _common("BWI", 20, mapped=4),
        _common("FNI", 20, mapped=2),
        _common("ASI", 15, mapped=5),
        _common("EWI", 15, mapped=1),
        _common("SLI", 10, mapped=0),
    )
}
