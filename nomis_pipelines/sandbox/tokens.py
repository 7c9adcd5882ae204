"""Tokens of the sandbox's HMPPS Auth: who the clients are, what they may do, RS256 signing and checking."""

import base64
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

KEY_ID = "sandbox-key"

NOMIS_ROLES = frozenset({"ROLE_NOMIS_PRISONER_API__SYNCHRONISATION__RW"})
MAPPING_ROLES = frozenset({"ROLE_NOMIS_MAPPING_API__SYNCHRONISATION__RW"})
ROOM_ROLES = frozenset({"ROLE_NOMIS_DPS_MAPPING__VISITS__RW"})
VISITS_2024_ROLES = frozenset({"ROLE_NOMIS_VISITS"})
SENTENCING_2024_ROLES = frozenset({"ROLE_NOMIS_SENTENCING"})
ALERTS_2024_ROLES = frozenset({"ROLE_NOMIS_ALERTS"})
APPOINTMENTS_2024_ROLES = frozenset({"ROLE_NOMIS_APPOINTMENTS"})
"""Those of the appointments service today, too."""
ADJUDICATIONS_2024_ROLES = frozenset({"ROLE_NOMIS_ADJUDICATIONS"})
ADJUDICATIONS_ROLES = frozenset({"ROLE_MIGRATE_ADJUDICATIONS"})
SCHEDULER_ROLES = frozenset({"ROLE_VISIT_SCHEDULER"})
ADJUSTMENTS_ROLES = frozenset({"ROLE_SENTENCE_ADJUSTMENTS_SYNCHRONISATION"})
ALERTS_ROLES = frozenset({"ROLE_PRISONER_ALERTS__RW"})
COURT_SENTENCING_ROLES = frozenset({"ROLE_REMAND_AND_SENTENCING_API__LEGACY__RW"})
ALERTS_RESYNC_ROLES = frozenset({"ROLE_NOMIS_ALERTS"})
LOCATIONS_2024_ROLES = frozenset({"ROLE_NOMIS_LOCATIONS"})
MIGRATE_LOCATIONS_ROLES = frozenset({"ROLE_MIGRATE_LOCATIONS"})
SYNC_LOCATIONS_ROLES = frozenset({"ROLE_SYNC_LOCATIONS"})
ACTIVITIES_ROLES = frozenset({"ROLE_NOMIS_ACTIVITIES"})
ACTIVITIES_2024_ROLES = frozenset({"ROLE_NOMIS_ACTIVITIES"})
INCIDENTS_2024_ROLES = frozenset({"ROLE_NOMIS_INCIDENTS"})
INCIDENTS_ROLES = frozenset({"ROLE_MIGRATE_INCIDENT_REPORTS"})
INCIDENTS_VIEW_ROLES = frozenset({"ROLE_VIEW_INCIDENT_REPORTS"})
INCIDENTS_DELETE_ROLES = frozenset({"ROLE_DELETE_INCIDENT_REPORTS"})
CSIP_ROLES = frozenset({"ROLE_NOMIS_CSIP"})
"""Those of 2024 and 2025 for NOMIS and the mapping service, and those of the CSIP service."""
LOCATION_READ_ROLES = frozenset({"ROLE_NOMIS_DPS_MAPPING__LOCATIONS__R"})
CASE_NOTES_ROLES = frozenset({"ROLE_PRISONER_CASE_NOTES__SYNC__RW"})
CASE_NOTES_2024_ROLES = frozenset({"ROLE_NOMIS_CASENOTES"})
CONTROL_2024_ROLES = frozenset(
    {
        "ROLE_MIGRATE_VISITS",
        "ROLE_MIGRATE_SENTENCING",
        "ROLE_MIGRATE_ALERTS",
        "ROLE_MIGRATE_LOCATIONS",
        "ROLE_NOMIS_LOCATIONS",
        "ROLE_MIGRATE_ACTIVITIES",
        "ROLE_MIGRATE_APPOINTMENTS",
        "ROLE_MIGRATE_ADJUDICATIONS",
        "ROLE_MIGRATE_INCIDENT_REPORTS",
        "ROLE_MIGRATE_CSIP",
        "ROLE_MIGRATE_CASENOTES",
        "ROLE_MIGRATION_ADMIN",
        "ROLE_QUEUE_ADMIN",
    }
)
CONTROL_ROLES = CONTROL_2024_ROLES | {
    "ROLE_PRISONER_FROM_NOMIS__MIGRATION__RW",
    "ROLE_PRISONER_FROM_NOMIS__UPDATE__RW",
    "ROLE_SYSCON__QUEUE_ADMIN",
    "ROLE_MIGRATE_NOMIS_SYSCON",
}


@dataclass(frozen=True, kw_only=True)
class Client:
    """A registered OAuth2 client. The secret protects nothing but the sandbox."""

    client_id: str
    secret: str
    roles: frozenset[str]


def _client(client_id: str, roles: frozenset[str]) -> Client:
    return Client(client_id=client_id, secret=f"{client_id}-secret", roles=roles)


CLIENTS: dict[str, Client] = {
    client.client_id: client
    for client in (
        _client("nomis-prisoner-api", NOMIS_ROLES),
        _client("nomis-mapping-api", MAPPING_ROLES),
        _client("visits-api", SCHEDULER_ROLES),
        _client("sentencing-api", ADJUSTMENTS_ROLES),
        _client("court-sentencing-api", COURT_SENTENCING_ROLES),
        _client("alerts-api", ALERTS_ROLES | ALERTS_RESYNC_ROLES),
        _client("locations-api", MIGRATE_LOCATIONS_ROLES | SYNC_LOCATIONS_ROLES),
        _client("activities-api", ACTIVITIES_ROLES | APPOINTMENTS_2024_ROLES),
        _client("adjudications-api", ADJUDICATIONS_ROLES),
        _client("incidents-api", INCIDENTS_ROLES | INCIDENTS_VIEW_ROLES | INCIDENTS_DELETE_ROLES),
        _client("csip-api", CSIP_ROLES),
        _client("casenotes-api", CASE_NOTES_ROLES),
        # the registrations of 2024, whose roles were one a domain
        _client(
            "nomis-2024",
            VISITS_2024_ROLES
            | SENTENCING_2024_ROLES
            | ALERTS_2024_ROLES
            | LOCATIONS_2024_ROLES
            | ACTIVITIES_2024_ROLES
            | APPOINTMENTS_2024_ROLES
            | ADJUDICATIONS_2024_ROLES
            | INCIDENTS_2024_ROLES
            | CSIP_ROLES
            | CASE_NOTES_2024_ROLES,
        ),
        # what an operator's session may do; also maintains the room mappings
        _client("operator", CONTROL_ROLES | ROOM_ROLES),
        _client("operator-2024", CONTROL_2024_ROLES),
        _client("nobody", frozenset()),
    )
}  # fmt: skip


class TokenIssuer:
    """Signs tokens. With a key file the key, and so every token, outlives the process."""

    def __init__(self, key_file: Path | None = None) -> None:
        self._key = _load_key(key_file)
        self.public_key = self._key.public_key()
        self.seconds = 1200.0

    def issue(self, client: Client, *, issuer: str, seconds: float, username: str | None = None) -> str:
        """A token for `client` that ends in `seconds` (platform card, 1.2: `authorities`, `user_name`, `client_id`)."""
        now = time.time()
        claims: dict[str, Any] = {
            "sub": username or client.client_id,
            "client_id": client.client_id,
            "authorities": sorted(client.roles),
            "scope": ["read", "write"],
            "auth_source": "nomis" if username else "none",
            "iss": issuer,
            "iat": int(now),
            "exp": now + seconds,
            "jti": str(uuid.uuid4()),
        }
        if username:
            claims["user_name"] = username
        return jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": KEY_ID})

    def key_set(self) -> dict[str, object]:
        """The JSON Web Key Set with the public key."""
        numbers = self.public_key.public_numbers()
        key = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": KEY_ID}
        return {"keys": [{**key, "n": _base64(numbers.n), "e": _base64(numbers.e)}]}


class TokenVerifier:
    """Checks bearer tokens; those found good are remembered by their text until they end."""

    def __init__(self, public_key: rsa.RSAPublicKey) -> None:
        self._public_key = public_key
        self._known: dict[bytes, tuple[float, frozenset[str]]] = {}

    def roles(self, authorization: bytes, now: float) -> frozenset[str] | None:
        """The roles of the token in an Authorization header; None when there is no token or not a good one."""
        known = self._known.get(authorization)
        if known is None:
            known = self._verify(authorization)
            if known is None:
                return None
            if len(self._known) > 10_000:
                self._known.clear()
            self._known[authorization] = known
        ends, roles = known
        return roles if now < ends else None

    def _verify(self, authorization: bytes) -> tuple[float, frozenset[str]] | None:
        scheme, _, token = authorization.partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        try:
            # the end is compared in `roles`, for remembered tokens too
            claims: dict[str, Any] = jwt.decode(
                token, self._public_key, algorithms=["RS256"], options={"verify_exp": False}
            )
        except jwt.InvalidTokenError:
            return None
        return float(claims.get("exp", 0)), frozenset(claims.get("authorities", ()))


def _load_key(key_file: Path | None) -> rsa.RSAPrivateKey:
    if key_file is not None and key_file.exists():
        key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
        if isinstance(key, rsa.RSAPrivateKey):
            return key
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    if key_file is not None:
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        key_file.touch(mode=0o600)
        key_file.write_bytes(pem)
    return key


def _base64(number: int) -> str:
    data = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
