"""What moto's SQS lacks for us: queues that many clients use at once and that hold tens of thousands of messages.

moto 5.2 builds a queue's list anew for each delete, outside its lock, so that of two deletes at the same moment one is
undone and a send may be lost; and it looks at all messages of a queue, asking for the time at each, for every message
that comes or goes. Here: receive, delete and change of visibility under the queue's lock, by receipt, from the queue's
front, and counts from what is in flight or delayed. Standard queues only.
"""

import time
from copy import deepcopy
from typing import Any

from moto.sqs import models
from moto.sqs.exceptions import ReceiptHandleIsInvalid
from moto.sqs.models import Message, Queue, SQSBackend

_POLL_SECONDS = 0.1
_RECEIPTS = "receipts_of_ours"
_DELAYED = "delayed_of_ours"
_ADD = "add_message_of_moto"


def install() -> None:
    """Put our receive, delete and change of visibility into moto, for this process. Again is harmless."""
    backend: Any = SQSBackend
    backend.receive_message = _receive
    backend.change_message_visibility = _change_visibility
    queue: Any = Queue
    queue.delete_message = _delete
    queue.approximate_number_of_messages = property(_waiting)
    queue.approximate_number_of_messages_not_visible = property(_in_flight)
    queue.approximate_number_of_messages_delayed = property(_delayed)
    if queue.add_message is not _add:
        setattr(queue, _ADD, queue.add_message)
        queue.add_message = _add
    clock: Any = models
    clock.unix_time_millis = lambda: time.time() * 1000


def _receipts(queue: Any) -> dict[str, Message]:
    """The messages that were handed out, by every receipt they ever had."""
    return vars(queue).setdefault(_RECEIPTS, {})


def _add(queue: Any, message: Message) -> None:
    if message.delayed:
        vars(queue).setdefault(_DELAYED, []).append(message)
    getattr(queue, _ADD)(message)


def _in_flight(queue: Any) -> int:
    return sum(not message.visible for message in list(queue.pending_messages))


def _delayed(queue: Any) -> int:
    still = [message for message in vars(queue).get(_DELAYED, ()) if message.delayed]
    vars(queue)[_DELAYED] = still
    return len(still)


def _waiting(queue: Any) -> int:
    return max(0, len(queue._messages) - _in_flight(queue) - _delayed(queue))  # noqa: SLF001


def _receive(
    backend: SQSBackend,
    queue_name: str,
    count: int,
    wait_seconds_timeout: int,
    visibility_timeout: int,
    message_attribute_names: list[str] | None = None,
) -> list[Message]:
    queue: Any = backend.get_queue(queue_name)
    deadline = time.monotonic() + wait_seconds_timeout
    while True:
        with queue._messages_lock:  # noqa: SLF001
            taken = _take(queue, count, visibility_timeout)
            left = deadline - time.monotonic()
            if taken or left <= 0:
                break
            # woken by a send; a message that becomes visible again wakes nobody
            queue._messages_lock.wait(min(left, _POLL_SECONDS))  # noqa: SLF001
    for message in taken:
        _keep_attributes(message, message_attribute_names or [])
    return taken


def _take(queue: Any, count: int, visibility_timeout: int) -> list[Message]:
    limit = queue.redrive_policy["maxReceiveCount"] if queue.dead_letter_queue and queue.redrive_policy else None
    taken: list[Message] = []
    dead: list[Message] = []
    receipts = _receipts(queue)
    for message in queue._messages:  # noqa: SLF001
        if not message.visible or message.delayed:
            continue
        queue.pending_messages.discard(message)
        if limit is not None and message.approximate_receive_count >= int(limit):
            dead.append(message)
            continue
        queue.pending_messages.add(message)
        message.mark_received(visibility_timeout=visibility_timeout)
        receipts[str(message.receipt_handle)] = message
        taken.append(deepcopy(message))
        if len(taken) >= count:
            break
    for message in dead:
        queue._messages.remove(message)  # noqa: SLF001
        _forget(queue, message)
        queue.dead_letter_queue.add_message(message)
    return taken


def _delete(queue: Any, receipt_handle: str) -> None:
    with queue._messages_lock:  # noqa: SLF001
        message = _receipts(queue).get(receipt_handle)
        if message is None:
            if receipt_handle in queue.deleted_messages:
                return
            raise ReceiptHandleIsInvalid
        queue._messages.remove(message)  # noqa: SLF001
        queue.pending_messages.discard(message)
        queue.deleted_messages.update(str(handle) for handle in message.all_receipt_handles)
        _forget(queue, message)


def _change_visibility(backend: SQSBackend, queue_name: str, receipt_handle: str, visibility_timeout: int) -> None:
    queue: Any = backend.get_queue(queue_name)
    with queue._messages_lock:  # noqa: SLF001
        message = _receipts(queue).get(receipt_handle)
        if message is None:
            raise ReceiptHandleIsInvalid
        message.change_visibility(visibility_timeout)
        if message.visible:
            queue.pending_messages.discard(message)
            queue._messages_lock.notify_all()  # noqa: SLF001


def _forget(queue: Any, message: Message) -> None:
    receipts = _receipts(queue)
    for handle in message.all_receipt_handles:
        receipts.pop(str(handle), None)


def _keep_attributes(message: Message, names: list[str]) -> None:
    """Leave the asked for attributes, as moto does: by name, by prefix (`a.*`) or all of them."""
    if any(name in ("All", ".*") for name in names):
        return
    attributes: dict[str, Any] = message.message_attributes
    prefixes = tuple(name.removesuffix("*") for name in names if name.endswith(".*"))
    message.message_attributes = {
        name: value for name, value in attributes.items() if name in names or (prefixes and name.startswith(prefixes))
    }
