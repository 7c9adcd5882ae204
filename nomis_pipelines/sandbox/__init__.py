"""A small world to run against: NOMIS, mapping service, DPS services, auth, SQS and PostgreSQL, all made up.

Nothing outside the command `nomis-pipelines sandbox`, the tests and the benchmarks imports this package.
"""

from nomis_pipelines.sandbox.control import Sandbox, SandboxAdmin
from nomis_pipelines.sandbox.state import SandboxError, SandboxOptions

__all__ = ["Sandbox", "SandboxAdmin", "SandboxError", "SandboxOptions"]
