"""From method and path to handler: exact and templated paths, one dictionary look-up a segment."""

from collections.abc import Callable
from urllib.parse import unquote_to_bytes

from nomis_pipelines.sandbox.answers import Answer


class Request:
    """One request as it came over the wire. `parameters` are the path's variables, decoded, in their order."""

    __slots__ = (
        "authorization",
        "body",
        "caseload",
        "content_type",
        "keep_alive",
        "method",
        "parameters",
        "path",
        "query",
        "source",
        "token_seconds",
        "username",
    )

    def __init__(
        self,
        method: str,
        path: bytes,
        query: bytes = b"",
        body: bytes = b"",
        *,
        authorization: bytes = b"",
        content_type: bytes = b"",
        source: bytes = b"",
        username: bytes = b"",
        caseload: bytes = b"",
        keep_alive: bool = True,
    ) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.body = body
        self.authorization = authorization
        self.content_type = content_type
        self.source = source
        self.username = username
        self.caseload = caseload
        self.keep_alive = keep_alive
        self.parameters: tuple[str, ...] = ()
        self.token_seconds: float | None = None


Handler = Callable[[Request], Answer]


class Route:
    """One operation of a service: who may call it, what it does, and how often it was answered how."""

    __slots__ = ("always_typed", "content_type", "counts", "handler", "method", "roles", "template")

    def __init__(
        self,
        method: str,
        template: str,
        handler: Handler,
        *,
        roles: frozenset[str] | None = None,
        content_type: bytes = b"",
        always_typed: bool = False,
    ) -> None:
        self.method = method
        self.template = template
        self.handler = handler
        self.roles = roles
        self.content_type = content_type
        self.always_typed = always_typed
        self.counts: dict[str, int] = {}

    def count(self, outcome: str) -> None:
        """Note one answer: a status as text, or what was done to the connection instead."""
        self.counts[outcome] = self.counts.get(outcome, 0) + 1


class _Node:
    __slots__ = ("literals", "routes", "variable")

    def __init__(self) -> None:
        self.literals: dict[bytes, _Node] = {}
        self.variable: _Node | None = None
        self.routes: dict[str, Route] = {}


class Router:
    """The routing table of one service. Literal segments win over variables."""

    def __init__(self, base_path: str = "") -> None:
        self.base_path = base_path
        self.routes: list[Route] = []
        self._root = _Node()

    def add(
        self,
        method: str,
        template: str,
        handler: Handler,
        *,
        roles: frozenset[str] | None = None,
        content_type: str = "application/json",
        always_typed: bool = False,
    ) -> None:
        """Serve `method template`; without `roles` no token is asked for.

        Bodies must have the content type; with `always_typed` requests without a body too.
        """
        kind = content_type.encode()
        route = Route(method, template, handler, roles=roles, content_type=kind, always_typed=always_typed)
        self.routes.append(route)
        node = self._root
        for segment in (self.base_path + template).encode().split(b"/")[1:]:
            if segment.startswith(b"{"):
                node.variable = node.variable or _Node()
                node = node.variable
            else:
                node = node.literals.setdefault(segment, _Node())
        node.routes[method] = route

    def find(self, request: Request) -> tuple[Route | None, bool]:
        """The route of `request`, whose `parameters` are filled in; else None and whether the path alone is known."""
        node = self._root
        values: list[str] = []
        for segment in request.path.split(b"/")[1:]:
            following = node.literals.get(segment)
            if following is None:
                following = node.variable
                if following is None:
                    return None, False
                # the path is cut into segments before it is decoded: an id may hold an encoded slash
                values.append((unquote_to_bytes(segment) if b"%" in segment else segment).decode("utf-8", "replace"))
            node = following
        request.parameters = tuple(values)
        return node.routes.get(request.method), bool(node.routes)
