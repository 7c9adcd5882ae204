"""The journal: everything the sandbox stores, one line an entry, appended to a file and read again at the next start.

Entries are buffered for up to 50 ms. Large bodies stay in the file: a store remembers where they are.
"""

import asyncio
import os
from collections.abc import Callable, Mapping
from pathlib import Path

FLUSH_SECONDS = 0.05
FLUSH_BYTES = 1 << 20

Replay = Callable[[bytes, int], None]


class Journal:
    """An append-only file of `kind` (one byte), payload (without line breaks), line break."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self._end = 0
        self._buffer: list[bytes] = []
        self._buffered = 0
        self._timer: asyncio.TimerHandle | None = None

    def replay(self, handlers: Mapping[bytes, Replay]) -> int:
        """Give every whole entry to the handler of its kind, with its place in the file; returns how many there were.

        A last line without its end, left by a crash, is cut off.
        """
        count = 0
        with self._path.open("rb", buffering=1 << 20) as file:
            for line in file:
                if not line.endswith(b"\n"):
                    break
                handlers[line[:1]](line[1:-1], self._end + 1)
                self._end += len(line)
                count += 1
        os.ftruncate(self._file, self._end)
        os.lseek(self._file, self._end, os.SEEK_SET)
        return count

    def append(self, kind: bytes, payload: bytes) -> int:
        """Add an entry; returns the place of its payload in the file."""
        place = self._end + self._buffered + 1
        line = b"%s%s\n" % (kind, payload)
        self._buffer.append(line)
        self._buffered += len(line)
        if self._buffered >= FLUSH_BYTES:
            self.flush()
        elif self._timer is None:
            self._start_timer()
        return place

    def read(self, place: int, length: int) -> bytes:
        """`length` bytes from a place in the file."""
        if place + length > self._end:
            self.flush()
        return os.pread(self._file, length, place)

    def flush(self) -> None:
        """Write what is buffered."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._buffer:
            data = memoryview(b"".join(self._buffer))
            self._end += len(data)
            self._buffer.clear()
            self._buffered = 0
            while data:
                data = data[os.write(self._file, data) :]

    def clear(self) -> None:
        """Forget everything."""
        self.flush()
        os.ftruncate(self._file, 0)
        os.lseek(self._file, 0, os.SEEK_SET)
        self._end = 0

    def close(self) -> None:
        """Write what is buffered and close the file."""
        self.flush()
        os.close(self._file)

    def _start_timer(self) -> None:
        try:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_SECONDS, self.flush)
        except RuntimeError:
            return  # outside an event loop entries wait for the next flush, read or close
