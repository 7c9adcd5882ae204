"""OpenAPI documents: ours from `openapi-specs/`, producers' from a file or an address. Reading, `$ref`s and paths."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SUFFIX = "-api-docs.json"
FETCH_TIMEOUT_SECONDS = 30.0

Json = dict[str, Any]


class DocumentError(Exception):
    """A document cannot be had or is not an OpenAPI document; the message says which and why."""


@dataclass(frozen=True)
class Document:
    """An OpenAPI document and the file or address it came from."""

    source: str
    content: Json

    @property
    def file_name(self) -> str:
        """The last part of the source."""
        return self.source.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]

    @property
    def name(self) -> str:
        """The file name without its ending: how a contract is named on the command line."""
        return self.file_name.removesuffix(SUFFIX)

    @property
    def paths(self) -> dict[str, Json]:
        """Path items by path as written."""
        return self.content["paths"]

    def resolve(self, node: Json) -> Json:
        """Follow the `$ref` of `node`, if it has one, to the end. Raises `DocumentError` when it leads nowhere."""
        seen: set[str] = set()
        while isinstance(reference := node.get("$ref"), str):
            if reference in seen:
                raise DocumentError(f"{self.source}: {reference} refers to itself")
            seen.add(reference)
            node = self._target(reference)
        return node

    def _target(self, reference: str) -> Json:
        if not reference.startswith("#/"):
            raise DocumentError(f"{self.source}: {reference} points outside the document")
        found: Any = self.content
        for part in reference[2:].split("/"):
            key = part.replace("~1", "/").replace("~0", "~")
            found = found.get(key) if isinstance(found, dict) else None
        if not isinstance(found, dict):
            raise DocumentError(f"{self.source}: {reference} is not there")
        return found


def contracts_folder() -> Path:
    """Where the contracts are: `openapi-specs/` of the source tree this package runs from."""
    return Path(__file__).parents[2] / "openapi-specs"


def load_contracts(folder: Path | None = None) -> list[Document]:
    """Every consumer contract, by name. Raises `DocumentError` when the folder holds none."""
    folder = folder or contracts_folder()
    documents = [load_document(str(path)) for path in sorted(folder.glob(f"*{SUFFIX}"))]
    if not documents:
        raise DocumentError(f"no consumer contract (*{SUFFIX}) in {folder}")
    return documents


def load_document(source: str) -> Document:
    """The OpenAPI 3 document at a path or an http(s) address. Raises `DocumentError`."""
    text = _fetch(source) if re.match(r"https?://", source) else _read(source)
    try:
        content = json.loads(text)
    except ValueError as error:
        raise DocumentError(f"{source} is not JSON: {error}") from error
    if not isinstance(content, dict) or not str(content.get("openapi", "")).startswith("3."):
        raise DocumentError(f"{source} is not an OpenAPI 3 document: its `openapi` field does not begin with 3.")
    if not isinstance(content.get("paths"), dict):
        raise DocumentError(f"{source} is not an OpenAPI 3 document: it has no `paths`")
    return Document(source, content)


def _read(source: str) -> bytes:
    try:
        return Path(source).read_bytes()
    except OSError as error:
        raise DocumentError(f"{source} cannot be read: {error.strerror}") from error


def _fetch(source: str) -> bytes:
    import httpx

    try:
        answer = httpx.get(source, timeout=FETCH_TIMEOUT_SECONDS, follow_redirects=True)
        answer.raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise DocumentError(f"{source} cannot be fetched: {error or type(error).__name__}") from error
    return answer.content


def path_shape(path: str) -> str:
    """A path without the names of its parameters: `/visits/{id}` and `/visits/{visitId}` are one."""
    return re.sub(r"\{[^}]*\}", "{}", path)


def choose_contract(contracts: list[Document], producer: Document) -> Document:
    """The contract that shares most paths with a producer's document. Raises `DocumentError` when none stands out."""
    there = {path_shape(path) for path in producer.paths}
    shared = [(sum(path_shape(path) in there for path in contract.paths), contract) for contract in contracts]
    most = max(count for count, _ in shared)
    best = [contract for count, contract in shared if count == most]
    names = ", ".join(contract.name for contract in contracts)
    if most == 0:
        raise DocumentError(f"no contract shares a path with {producer.source}: name one with --contract ({names})")
    if len(best) > 1:
        tied = ", ".join(contract.name for contract in best)
        raise DocumentError(f"{tied} share as many paths with {producer.source}: choose one with --contract")
    return best[0]
