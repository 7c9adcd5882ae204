"""`python -m nomis_pipelines`: the same as the command `nomis-pipelines`."""

from nomis_pipelines.cli.main import main

main()
