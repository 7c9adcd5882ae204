"""What the visit scheduler was sent: bodies stay in the journal, a few numbers a visit stay in memory."""

from array import array
from collections.abc import Iterator
from datetime import datetime

from pydantic_core import from_json, to_json

from nomis_pipelines.sandbox.journal import Journal
from nomis_pipelines.sandbox.stores.nomis_visits import NomisVisits

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_MODULUS = 26**8
_STRIDE = 77_777_777_777  # shares no factor with 26, so every serial number gets another reference
_BACK = pow(_STRIDE, -1, _MODULUS)


def reference_of(serial: int) -> str:
    """The reference of the visit with this serial number (from 0): eight letters in pairs, in no visible order."""
    number = (serial + 1) * _STRIDE % _MODULUS
    letters = ""
    for _ in range(8):
        number, letter = divmod(number, 26)
        letters += _LETTERS[letter]
    return f"{letters[:2]}-{letters[2:4]}-{letters[4:6]}-{letters[6:]}"


def serial_of(reference: str) -> int | None:
    """The serial number of a reference; None when the text is none."""
    letters = reference.replace("-", "")
    if len(letters) != 8 or len(reference) != 11 or not (letters.isascii() and letters.isalpha() and letters.islower()):
        return None
    number = 0
    for letter in reversed(letters):
        number = number * 26 + ord(letter) - 97
    return (number * _BACK - 1) % _MODULUS


class ScheduledVisits:
    """Visits in DPS, each with the NOMIS visit it was made from (0 when it is like none)."""

    KIND = b"V"
    CANCEL_KIND = b"C"

    def __init__(self, nomis: NomisVisits, journal: Journal) -> None:
        self._nomis = nomis
        self._journal = journal
        self._places = array("Q")
        self._lengths = array("I")
        self._nomis_ids = array("Q")
        self._cancelled: set[int] = set()
        self._posts = bytearray()
        self.distinct = 0

    def replay(self, payload: bytes, place: int) -> None:
        """Read one journal entry: NOMIS id, tab, body."""
        number, _, body = payload.partition(b"\t")
        self._remember(int(number), place + len(number) + 1, len(body))

    def replay_cancel(self, payload: bytes, _place: int) -> None:
        """Read one journal entry: `[serial, body]`."""
        self._cancelled.add(from_json(payload)[0])

    def add(self, body: bytes, prisoner: str, created: datetime) -> str:
        """Store a visit; returns its reference."""
        if b"\n" in body:
            body = to_json(from_json(body))  # an entry of the journal is one line
        number = self._nomis.find(prisoner, created.replace(microsecond=0)) or 0
        prefix = b"%d\t" % number
        place = self._journal.append(self.KIND, prefix + body)
        return reference_of(self._remember(number, place + len(prefix), len(body)))

    def cancel(self, reference: str, body: bytes) -> bool:
        """Cancel a visit; False when there is none."""
        serial = self.serial(reference)
        if serial is None:
            return False
        self._cancelled.add(serial)
        self._journal.append(self.CANCEL_KIND, to_json([serial, from_json(body)]))
        return True

    def serial(self, reference: str) -> int | None:
        """The serial number of an existing visit."""
        serial = serial_of(reference)
        return serial if serial is not None and serial < len(self._places) else None

    def body(self, serial: int) -> bytes:
        """The body with which a visit was made."""
        return self._journal.read(self._places[serial], self._lengths[serial])

    def nomis_id(self, serial: int) -> int:
        """The NOMIS visit that a visit was made from; 0 when it is like none."""
        return self._nomis_ids[serial]

    def cancelled(self, serial: int) -> bool:
        """Whether a visit has been cancelled since it was made."""
        return serial in self._cancelled

    def posts_of(self, nomis_id: int) -> int:
        """How often a NOMIS visit has been written here (counted up to 255)."""
        return self._posts[nomis_id] if nomis_id < len(self._posts) else 0

    def duplicates(self) -> Iterator[tuple[int, list[str]]]:
        """Every NOMIS visit written more than once, with its references."""
        repeated = {number for number, count in enumerate(self._posts) if count > 1 and number}
        found: dict[int, list[str]] = {number: [] for number in sorted(repeated)}
        for serial, number in enumerate(self._nomis_ids):
            if number in found:
                found[number].append(reference_of(serial))
        yield from found.items()

    def clear(self) -> None:
        """Forget everything."""
        del self._places[:], self._lengths[:], self._nomis_ids[:]
        self._cancelled.clear()
        self._posts.clear()
        self.distinct = 0

    @property
    def unrecognised(self) -> int:
        """How many visits are like none in NOMIS."""
        return self._posts[0] if self._posts and self._posts[0] < 255 else sum(not n for n in self._nomis_ids)

    @property
    def cancellations(self) -> int:
        """How many visits have been cancelled."""
        return len(self._cancelled)

    def __len__(self) -> int:
        return len(self._places)

    def _remember(self, number: int, place: int, length: int) -> int:
        self._places.append(place)
        self._lengths.append(length)
        self._nomis_ids.append(number)
        if number >= len(self._posts):
            self._posts.extend(bytes(max(number + 1, self._nomis.size + 1) - len(self._posts)))
        if number and not self._posts[number]:
            self.distinct += 1
        self._posts[number] = min(255, self._posts[number] + 1)
        return len(self._places) - 1
