"""Court sentencing: court cases with appearances, charges, sentences and terms (court sentencing card)."""

from nomis_pipelines.domains.court_sentencing.appearances import CourtAppearanceSynchronisation
from nomis_pipelines.domains.court_sentencing.bookings import CourtBookingSynchronisation
from nomis_pipelines.domains.court_sentencing.cases import CourtCaseSynchronisation
from nomis_pipelines.domains.court_sentencing.charges import CourtChargeSynchronisation
from nomis_pipelines.domains.court_sentencing.merges import CourtMergeSynchronisation
from nomis_pipelines.domains.court_sentencing.migration import CourtSentencingMigration
from nomis_pipelines.domains.court_sentencing.prisoners import PAYLOAD
from nomis_pipelines.domains.court_sentencing.repairs import REPAIRS
from nomis_pipelines.domains.court_sentencing.retries import CourtMappingRetries
from nomis_pipelines.domains.court_sentencing.sentence_charges import SentenceRefreshSynchronisation
from nomis_pipelines.domains.court_sentencing.sentences import SentenceSynchronisation
from nomis_pipelines.domains.court_sentencing.terms import SentenceTermSynchronisation
from nomis_pipelines.domains.declaration import Domain, Endpoints

COURT_SENTENCING = Domain(
    name="court_sentencing",
    title="Court sentencing",
    migration=CourtSentencingMigration,
    synchronisation=(
        CourtCaseSynchronisation,
        CourtAppearanceSynchronisation,
        CourtChargeSynchronisation,
        SentenceSynchronisation,
        SentenceRefreshSynchronisation,
        SentenceTermSynchronisation,
        CourtMergeSynchronisation,
        CourtBookingSynchronisation,
        CourtMappingRetries,
    ),
    repairs=tuple(REPAIRS),
    previews=(PAYLOAD,),
    # no `delete_surplus`: an id alone does not tell what it is of. The repairs prune_appearances, appearance_charges
    # and cases remove surplus records (section 9)
    endpoints=Endpoints(today="court-sentencing"),
)
