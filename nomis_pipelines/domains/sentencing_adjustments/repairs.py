"""What operators can ask for: a missed merge, a booking to be sent again (adjustments card, section 8)."""

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from nomis_pipelines.domains.sentencing_adjustments.synchronisation import AdjustmentWork
from nomis_pipelines.synchronisation import SyncContext
from nomis_pipelines.synchronisation.repair import SYSCON_ROLE, UPDATE_ROLE, Repair


class Booking(BaseModel):
    """The booking to repair."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")

    booking_id: int


async def repair_merge(context: SyncContext, booking: Booking) -> None:
    """Make what a merge has put on the booking and DPS does not know."""
    await AdjustmentWork(context).merge(booking.booking_id)
    context.telemetry.event("from-nomis-synch-adjustment-merge-repair", {"bookingId": booking.booking_id})


async def repair_update(context: SyncContext, booking: Booking) -> None:
    """Send every adjustment of the booking again."""
    await AdjustmentWork(context).refresh(booking.booking_id)
    context.telemetry.event("from-nomis-synch-adjustment-update-repair", {"bookingId": booking.booking_id})


REPAIRS = (
    Repair(
        name="merge",
        summary="Create in DPS the adjustments of a booking that have no mapping",
        method="POST",
        path="/prisoners/booking-id/{bookingId}/merge/sentencing-adjustments/repair",
        parameters=Booking,
        work=repair_merge,
        roles=(UPDATE_ROLE, SYSCON_ROLE, "ROLE_MIGRATE_SENTENCING"),
    ),
    Repair(
        name="update",
        summary="Send every adjustment of a booking to DPS again",
        method="POST",
        path="/prisoners/booking-id/{bookingId}/update/sentencing-adjustments/repair",
        parameters=Booking,
        work=repair_update,
    ),
)
