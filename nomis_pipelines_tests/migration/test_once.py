"""Promise: what many records share is asked for once, and what failed is asked for again."""

import asyncio

import pytest

from nomis_pipelines.migration.once import Once


async def test_the_same_is_asked_once_however_many_ask_at_the_same_time() -> None:
    asked: list[int] = []

    async def ask(key: int) -> str:
        asked.append(key)
        await asyncio.sleep(0)
        return str(key)

    once = Once(ask)
    assert await asyncio.gather(*(once(key) for key in (1, 2, 1, 1))) == ["1", "2", "1", "1"]
    assert await once(2) == "2"
    assert sorted(asked) == [1, 2]


async def test_a_failure_is_not_kept() -> None:
    answers = iter([ValueError("no"), None])

    async def ask(key: int) -> int:
        if error := next(answers):
            raise error
        return key

    once = Once(ask)
    with pytest.raises(ValueError, match="no"):
        await once(1)
    assert await once(1) == 1


async def test_who_stops_waiting_takes_nothing_from_the_others() -> None:
    go = asyncio.Event()

    async def ask(key: int) -> int:
        await go.wait()
        return key

    once = Once(ask)
    first, second = asyncio.create_task(once(1)), asyncio.create_task(once(1))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    go.set()
    assert await second == 1
    assert first.cancelled()
