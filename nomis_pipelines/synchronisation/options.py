"""How a consumer works, as values."""

from dataclasses import dataclass

from nomis_pipelines.settings import Settings
from nomis_pipelines.synchronisation.sqs import MAX_WAIT_SECONDS


@dataclass(frozen=True, kw_only=True)
class ConsumerOptions:
    """Times in seconds.

    A consumer ends by itself after `idle_seconds` without a message, or at the age of `max_age_seconds`; None means
    never. `wait_seconds` is how long one poll waits (1 to 20); a stop may take as long when nothing arrives.
    `grace_seconds`: what handlers get to finish at a stop. `receivers`: how many polls at once when messages pile up.
    """

    concurrency: int = 40
    visibility_seconds: int = 30
    idle_seconds: float | None = 120.0
    max_age_seconds: float | None = 3600.0
    wait_seconds: int = 5
    grace_seconds: float = 20.0
    report_seconds: float = 30.0
    receivers: int = 4

    def __post_init__(self) -> None:
        if not 1 <= self.wait_seconds <= MAX_WAIT_SECONDS:
            raise ValueError(f"wait_seconds must be from 1 to {MAX_WAIT_SECONDS}, not {self.wait_seconds}")

    @classmethod
    def from_settings(cls, settings: Settings) -> "ConsumerOptions":
        """What the settings say."""
        return cls(
            concurrency=settings.consumer_concurrency,
            visibility_seconds=settings.visibility_seconds,
            idle_seconds=settings.consumer_idle_seconds,
            max_age_seconds=settings.consumer_max_age_seconds,
        )
