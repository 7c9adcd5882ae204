"""What the ledger still holds against records that have just been replaced as a set, in DPS and in the mapping service.

Where a card replaces everything of an owner (a prisoner's alerts, say), an older doubt, failure, duplicate or pending
mapping of that set is past: DPS holds just what was sent, and all of it is mapped.
"""

import logging
from collections.abc import Mapping

from nomis_pipelines.ledger import LedgerError, LedgerUnavailable, State
from nomis_pipelines.synchronisation.context import SyncContext

log = logging.getLogger(__name__)


async def settle_replaced(context: SyncContext, entity: str, dps_ids: Mapping[str, str]) -> None:
    """Settle those of the records (NOMIS key -> DPS id, `""` for none) that the ledger holds something against.

    Raises `LedgerUnavailable`. A record that another process changes meanwhile is left to it.
    """
    for nomis_key, record in (await context.ledger.lookup(entity, list(dps_ids))).items():
        key = record.key
        try:
            match record.state:
                case State.WRITTEN:
                    await context.ledger.mapped(key)
                case State.DUPLICATE:
                    await context.ledger.resolve_duplicate(key)
                case State.FAILED | State.REJECTED | State.IN_DOUBT:
                    await context.ledger.settle(key, dps_ids[nomis_key])
                case State.MAPPED | State.WRITING:
                    pass
        except LedgerUnavailable:
            raise
        except LedgerError as error:
            log.info("the ledger was not changed: %s", error)
