"""The command `nomis-pipelines`: one module a group, imported only when called."""
