"""Visits: one booked meeting of a prisoner with visitors; migrated into the visit scheduler (visits card)."""

from nomis_pipelines.domains.declaration import Domain
from nomis_pipelines.domains.visits.migration import VisitsMigration
from nomis_pipelines.domains.visits.synchronisation import VisitsSynchronisation

VISITS = Domain(name="visits", title="Visits", migration=VisitsMigration, synchronisation=(VisitsSynchronisation,))
