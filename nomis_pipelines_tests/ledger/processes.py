"""Small programs that the tests run as processes of their own: `python -m nomis_pipelines_tests.ledger.processes …`."""

import asyncio
import sys

from nomis_pipelines.ledger import ClaimOutcome, Ledger
from nomis_pipelines_tests.ledger.conftest import key


def say(text: str) -> None:
    """A line to whoever started us."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def race(url: str, count: int) -> None:
    """Claim records 0 … count-1 as fast as possible once told to; say which were granted."""
    async with await Ledger.open(url, commit_milliseconds=1) as ledger:
        say("ready")
        await asyncio.to_thread(sys.stdin.readline)
        claims = await asyncio.gather(*(ledger.claim(key(number)) for number in range(count)))
        granted = [number for number, claim in enumerate(claims) if claim.outcome is ClaimOutcome.GRANTED]
        refused = {str(claim.outcome) for claim in claims} - {"granted"}
        say(" ".join(map(str, granted)))
        say(" ".join(sorted(refused)))
        await asyncio.to_thread(sys.stdin.readline)


async def hold(url: str, count: int) -> None:
    """Claim records 0 … count-1, write the even ones, then wait to be killed."""
    async with await Ledger.open(url) as ledger:
        await asyncio.gather(*(ledger.claim(key(number)) for number in range(count)))
        for number in range(0, count, 2):
            await ledger.written(key(number), dps_id=f"d{number}", mapping={"dpsId": f"d{number}"})
        say("holding")
        await asyncio.sleep(600)


if __name__ == "__main__":
    program, url, count = sys.argv[1:]
    asyncio.run({"race": race, "hold": hold}[program](url, int(count)))
