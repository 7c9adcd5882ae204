"""What a handler may raise to say what happens to its message, besides the errors of `http` and `ledger`.

Any exception makes the message come back after the next of the queue's redelivery seconds, and after the last permitted
receive it lies in the dead-letter queue. Those here say more.
"""

from nomis_pipelines.ledger import RecordKey


class HandlerError(Exception):
    """A handler cannot do its work now. The message is logged, so it holds ids and reasons, never personal data."""


class Redeliver(HandlerError):
    """Come back after `seconds` instead of the queue's own redelivery seconds, or `at_least`, the longer of both."""

    def __init__(self, reason: str, *, seconds: int, at_least: bool = False) -> None:
        super().__init__(reason)
        self.seconds = seconds
        self.at_least = at_least


class InDoubt(HandlerError):
    """A create may or may not have reached DPS, so it must not be repeated before somebody has looked.

    Redelivery cannot answer the question, yet the message fails like any other and ends in the dead-letter queue: there
    it is seen, counted and alerted on, while the ledger lists the record. Once an operator has answered *adopt* or
    *write again* in the ledger, a retry of the dead letters completes it.
    """

    def __init__(self, key: RecordKey) -> None:
        super().__init__(
            f"{key} is in doubt: an earlier create may have reached DPS; answer for it in the ledger, then retry"
        )
        self.key = key
