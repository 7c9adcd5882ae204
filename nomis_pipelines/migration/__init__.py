"""The engine that all migrations share.

`declaration` is what a domain writes; `engine` and `run` work it, page by page, in plain async Python; `assets`,
`checks`, `grid` and `report` turn it into Dagster objects and alone import dagster. No module here knows a domain.
"""
