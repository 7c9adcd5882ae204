"""The names of the sandbox's services: a module of its own, which costs the command line nothing."""

from typing import Literal

ServiceName = Literal[
    "auth",
    "nomis",
    "mapping",
    "visits",
    "sentencing",
    "alerts",
    "locations",
    "activities",
    "adjudications",
    "court-sentencing",
    "incidents",
    "csip",
    "case-notes",
    "*",
]
"""A service that a fault can hit, or all of them."""
