"""Being asked to stop by the operating system: SIGINT and SIGTERM as a call of ours, not an exception anywhere."""

import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def on_signals(call: Callable[[signal.Signals], None]) -> Generator[None]:
    """While inside, SIGINT and SIGTERM do `call`; before and after they do what they did.

    `call` runs between two bytecodes of the main thread, also while its event loop sleeps: it may set a flag or use
    `loop.call_soon_threadsafe`. Outside the main thread, where Python allows no handlers, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handler(number: int, frame: FrameType | None) -> None:
        call(signal.Signals(number))

    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
