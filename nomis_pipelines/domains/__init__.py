"""Every domain, one folder each. A new one is a folder and a line here."""

from nomis_pipelines.domains.declaration import Domain
from nomis_pipelines.domains.visits import VISITS

DOMAINS: tuple[Domain, ...] = (VISITS,)


class UnknownDomain(LookupError):
    """No domain has this name. The message lists those there are."""


def domain(name: str) -> Domain:
    """The domain called `name` (hyphens and underscores alike). Raises `UnknownDomain`."""
    for candidate in DOMAINS:
        if candidate.name == name.replace("-", "_"):
            return candidate
    raise UnknownDomain(f"{name!r} is not a domain; there are: {', '.join(d.name for d in DOMAINS)}")
