"""Maintenance of queues and their dead letters (queue maintenance card)."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request

from nomis_pipelines.api.context import Context, principal_with
from nomis_pipelines.api.models import DeadLetterList, MessagesFound
from nomis_pipelines.api.roles import queue_roles
from nomis_pipelines.settings import Settings

RETRY_ALL = "/queue-admin/retry-all-dlqs"

DlqName = Annotated[str, Path(alias="dlqName", description="SQS name of a dead-letter queue")]
QueueName = Annotated[str, Path(alias="queueName", description="SQS name of a queue or dead-letter queue")]
AtMost = Annotated[int, Query(alias="maxMessages", ge=0, le=10_000)]


def queue_routes(settings: Settings) -> APIRouter:
    """The four endpoints. Names are SQS's, not queue ids; the audit queue is not known here."""
    roles = queue_roles(settings)

    def protect(request: Request) -> None:
        if not (settings.retry_all_dlqs_unprotected and request.url.path == RETRY_ALL):
            principal_with(request, roles)

    router = APIRouter(prefix="/queue-admin", tags=["queues"], dependencies=[Depends(protect)])

    @router.put("/retry-dlq/{dlqName}", summary="Move all messages of a dead-letter queue back to its queue")
    async def retry(dlq_name: DlqName, context: Context) -> MessagesFound:
        letters = context.letters
        return MessagesFound(messages_found_count=await letters.retry(letters.id_of_dlq(dlq_name)))

    @router.put("/retry-all-dlqs", summary="The same for every queue")
    async def retry_all(context: Context) -> list[MessagesFound]:
        found = await context.letters.retry_all()
        return [MessagesFound(messages_found_count=count) for count in found.values()]

    @router.put("/purge-queue/{queueName}", summary="Delete all messages of a queue")
    async def purge(queue_name: QueueName, context: Context) -> MessagesFound:
        return MessagesFound(messages_found_count=await context.letters.purge(queue_name))

    @router.get(
        "/get-dlq-messages/{dlqName}",
        summary="Read dead letters, without deleting them",
        response_model=DeadLetterList,
        response_model_exclude_unset=True,
    )
    async def messages(dlq_name: DlqName, context: Context, at_most: AtMost = 100) -> Any:
        letters = context.letters
        page = await letters.peek(letters.id_of_dlq(dlq_name), at_most)
        return page.as_json()

    return router
