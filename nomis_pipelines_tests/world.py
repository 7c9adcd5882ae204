"""A made-up set of services for tests at the HTTP edge: settings that name them, and clients over httpx for respx."""

from nomis_pipelines.http import HttpClients, HttpxWire
from nomis_pipelines.settings import Settings

AUTH = "http://auth.test/auth"
NOMIS = "http://nomis.test"
MAPPING = "http://mapping.test"
VISITS = "http://visits.test"
SENTENCING = "http://sentencing.test"
ALERTS = "http://alerts.test"
LOCATIONS = "http://locations.test"
ACTIVITIES = "http://activities.test"
ADJUDICATIONS = "http://adjudications.test"
COURT_SENTENCING = "http://court-sentencing.test"
INCIDENTS = "http://incidents.test"
CSIP = "http://csip.test"
CASE_NOTES = "http://case-notes.test"

ENVIRONMENT = {
    "API_BASE_URL_HMPPS_AUTH": AUTH,
    "API_BASE_URL_NOMIS": NOMIS,
    "API_BASE_URL_MAPPING": MAPPING,
    "API_BASE_URL_VISITS": VISITS,
    "API_BASE_URL_SENTENCING": SENTENCING,
    "API_BASE_URL_ALERTS": ALERTS,
    "API_BASE_URL_LOCATIONS": LOCATIONS,
    "API_BASE_URL_ACTIVITIES": ACTIVITIES,
    "API_BASE_URL_ADJUDICATIONS": ADJUDICATIONS,
    "API_BASE_URL_COURT_SENTENCING": COURT_SENTENCING,
    "API_BASE_URL_INCIDENTS": INCIDENTS,
    "API_BASE_URL_CSIP": CSIP,
    "API_BASE_URL_CASENOTES": CASE_NOTES,
    "NOMIS_PRISONER_API_CLIENT_ID": "nomis-client",
    "NOMIS_PRISONER_API_SECRET": "nomis-secret",
    "NOMIS_MAPPING_API_CLIENT_ID": "mapping-client",
    "NOMIS_MAPPING_API_SECRET": "mapping-secret",
    "VISITS_CLIENT_ID": "visits-client",
    "VISITS_CLIENT_SECRET": "visits-secret",
    "SENTENCING_CLIENT_ID": "sentencing-client",
    "SENTENCING_CLIENT_SECRET": "sentencing-secret",
    "ALERTS_CLIENT_ID": "alerts-client",
    "ALERTS_CLIENT_SECRET": "alerts-secret",
    "LOCATIONS_CLIENT_ID": "locations-client",
    "LOCATIONS_CLIENT_SECRET": "locations-secret",
    "ACTIVITIES_CLIENT_ID": "activities-client",
    "ACTIVITIES_CLIENT_SECRET": "activities-secret",
    "ADJUDICATIONS_CLIENT_ID": "adjudications-client",
    "ADJUDICATIONS_CLIENT_SECRET": "adjudications-secret",
    "COURT_SENTENCING_CLIENT_ID": "court-sentencing-client",
    "COURT_SENTENCING_CLIENT_SECRET": "court-sentencing-secret",
    "INCIDENTS_CLIENT_ID": "incidents-client",
    "INCIDENTS_CLIENT_SECRET": "incidents-secret",
    "CSIP_CLIENT_ID": "csip-client",
    "CSIP_CLIENT_SECRET": "csip-secret",
    "CASENOTES_CLIENT_ID": "case-notes-client",
    "CASENOTES_CLIENT_SECRET": "case-notes-secret",
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    "NOMIS_PIPELINES_HTTP_WIRE": "httpx",
}


def settings(**changes: str) -> Settings:
    """Settings that name the services above, with changes by variable name."""
    return Settings.load({**ENVIRONMENT, **changes})


def clients(of: Settings | None = None) -> HttpClients:
    """Clients whose wire is httpx, which respx listens to."""
    return HttpClients(of or settings(), wire=HttpxWire())
