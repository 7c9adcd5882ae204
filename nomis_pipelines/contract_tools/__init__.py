"""Tools around the consumer contracts in `openapi-specs/`: models are made from them, producers are held against them.

Here belongs what reads OpenAPI documents. The models themselves live in `nomis_pipelines.contracts`, which holds
generated code only. Nothing in this package knows a domain or makes a call to a service.
"""

from nomis_pipelines.contract_tools.comparison import compare
from nomis_pipelines.contract_tools.documents import (
    Document,
    DocumentError,
    choose_contract,
    contracts_folder,
    load_contracts,
    load_document,
)
from nomis_pipelines.contract_tools.findings import Finding, Kind

__all__ = [
    "Document",
    "DocumentError",
    "Finding",
    "Kind",
    "choose_contract",
    "compare",
    "contracts_folder",
    "load_contracts",
    "load_document",
]
