"""The control API: what dashboards and scripts speak (platform card, section 3). Dagster does the work underneath.

`build_app` makes it from the declarations: a new domain gets its endpoints by being declared.
"""
