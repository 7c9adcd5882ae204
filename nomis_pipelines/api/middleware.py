"""What stands around every request: a limit for bodies, one log line, and an answer also when something breaks."""

import logging
import time
import traceback

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nomis_pipelines.api.errors import ApiError, answer, as_api_error, is_foreseen

BODY_LIMIT_BYTES = 1_000_000

log = logging.getLogger(__name__)


class BodyLimit:
    """Refuses bodies of more than a megabyte with 413, whether they announce their length or not."""

    def __init__(self, app: ASGIApp, limit_bytes: int = BODY_LIMIT_BYTES) -> None:
        self._app = app
        self._limit = limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        too_large = ApiError(413, f"a body may have at most {self._limit} bytes")
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        if announced.isdigit() and int(announced) > self._limit:
            await answer(too_large, {"Connection": "close"})(scope, receive, send)
            return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._limit:
                raise too_large
            return message

        await self._app(scope, counted, send)


class Guard:
    """The outermost: logs method, path template, status and time; answers 500 to what nobody has foreseen.

    Neither query nor body nor an error's text goes into the log: they may hold personal data.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status = time.monotonic(), 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:
            if not is_foreseen(error):
                log.error("%s %s: %s at %s", scope["method"], _route(scope), type(error).__name__, _place(error))
            if status:
                raise  # the answer is on its way already; the server closes the connection
            await answer(as_api_error(error))(scope, receive, watched)
        level = logging.DEBUG if scope["path"].startswith("/health") else logging.INFO
        milliseconds = (time.monotonic() - begun) * 1000
        log.log(level, "%s %s: %d in %.0f ms", scope["method"], _route(scope), status, milliseconds)


def _route(scope: Scope) -> str:
    route = scope.get("route")
    return str(getattr(route, "path", "(no such path)"))


def _place(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "nomis_pipelines" in frame.filename] or frames
    return ", ".join(f"{frame.name}:{frame.lineno}" for frame in ours[-3:])
