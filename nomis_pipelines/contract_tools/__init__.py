"""Tools around the consumer contracts in `openapi-specs/`: models are made from them, producers are held against them.

Here belongs what reads OpenAPI documents. The models themselves live in `nomis_pipelines.contracts`, which holds
generated code only. Nothing in this package knows a domain or makes a call to a service.
"""
