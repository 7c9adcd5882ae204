"""`nomis-pipelines api`: the control API that dashboards and scripts speak."""

import click


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 for all.")
@click.option("--port", type=click.IntRange(0, 65_535), help="Default: SERVER_PORT, else 8080. 0 takes a free one.")
def api(host: str, port: int | None) -> None:
    """Serve the control API until Ctrl-C. Migrations started through it run in Dagster."""
    import uvicorn

    from nomis_pipelines.api.app import build_app
    from nomis_pipelines.observability import configure_logging
    from nomis_pipelines.settings import load_settings

    settings = load_settings()
    configure_logging(settings)
    settings.auth_url  # noqa: B018  # missing settings are told before anything is opened
    settings.database_url  # noqa: B018
    uvicorn.run(
        build_app(settings),
        host=host,
        port=settings.server_port if port is None else port,
        log_config=None,
        # our own line for each request holds no query
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=30,
    )
