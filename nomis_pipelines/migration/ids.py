"""How the ids of a migration are found and cut into pages (platform card, section 2.4)."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from nomis_pipelines.http import ServiceClient

Id = TypeVar("Id")


@dataclass(frozen=True)
class PageSpec:
    """One page of ids to be read: which migration, which page. Holds no personal data, so Dagster may show it."""

    migration_id: str
    number: int
    size: int
    last: bool

    @property
    def label(self) -> str:
        """The page's name in Dagster's step keys."""
        return f"page_{self.number:05d}"


class PageSizeRefused(Exception):
    """The service gives smaller pages than asked for: ids would be missed. The message names the setting to change."""


class FilterRefused(Exception):
    """NOMIS refuses the filter of a run with 400. The message is NOMIS's own, made for people."""


@dataclass(frozen=True, kw_only=True)
class IdPage(Generic[Id]):
    """One answer of an ids endpoint: the ids and how many there are in all."""

    ids: list[Id]
    total: int
    size: int | None = None


@dataclass(frozen=True)
class ByPageNumber(Generic[Id]):
    """Ids from an endpoint with `page` (from 0) and `size`, ordered so that new ids come last.

    `fetch(client, filter query, page, size)` makes the call and parses it.
    """

    fetch: Callable[[ServiceClient, Mapping[str, object], int, int], Awaitable[IdPage[Id]]]

    async def count(self, nomis: ServiceClient, query: Mapping[str, object]) -> int:
        """How many ids the filter has now: one call with a page of one."""
        return (await self.fetch(nomis, query, 0, 1)).total

    def plan(self, migration_id: str, count: int, size: int) -> list[PageSpec]:
        """The pages that hold `count` ids."""
        pages = -(-count // size)
        return [PageSpec(migration_id, number, size, last=number == pages - 1) for number in range(pages)]

    async def read(self, nomis: ServiceClient, query: Mapping[str, object], page: PageSpec) -> list[Id]:
        """The ids of one page; the last page goes on until NOMIS has no more, for ids made since the count.

        Raises `PageSizeRefused` when the service answers with smaller pages than asked for.
        """
        answer = await self.fetch(nomis, query, page.number, page.size)
        if answer.size is not None and answer.size < page.size:
            raise PageSizeRefused(
                f"NOMIS gives at most {answer.size} ids a page where {page.size} were asked for: "
                f"set NOMIS_PIPELINES_PAGE_SIZE to {answer.size} or less"
            )
        ids = list(answer.ids)
        number = page.number
        while page.last and len(answer.ids) >= page.size:
            number += 1
            answer = await self.fetch(nomis, query, number, page.size)
            ids += answer.ids
        return ids


IdSource = ByPageNumber[Any]
