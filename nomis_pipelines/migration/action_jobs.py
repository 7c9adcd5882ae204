"""A domain's actions as Dagster jobs: `<domain>_<action>`, each with its parameters as its configuration."""

import dagster as dg

from nomis_pipelines.migration.actions import Action, ActionError, run_action
from nomis_pipelines.platform import Platform


def build_action(domain: str, action: Action) -> dg.JobDefinition:
    """The job that does one action on the migration that its configuration names."""
    name = f"{domain}_{action.name.replace('-', '_')}"
    fields = [field.alias or field_name for field_name, field in action.parameters.model_fields.items()]

    class ActionConfig(dg.Config):
        """`migration_id` is that of the history; `parameters` are those of the action by name."""

        migration_id: str
        parameters: dict[str, str] = {}  # noqa: RUF012  # a field of a pydantic model, copied for each

    @dg.op(name=f"{name}_work")
    async def work(context: dg.OpExecutionContext, config: ActionConfig, platform: dg.ResourceParam[Platform]) -> None:
        """Do the action to its end. What was refused, or failed half-way, is left to be asked for again."""
        try:
            lines = await run_action(action, platform, config.migration_id, config.parameters)
        except ActionError as error:
            raise dg.Failure(str(error), allow_retries=False) from error
        for line in lines:
            context.log.info(line)
        context.add_output_metadata({"lines": dg.MetadataValue.json(lines)})

    parameters = f" ({', '.join(fields)})" if fields else ""

    @dg.job(name=name, description=f"{action.summary}{parameters}.", tags={"dagster/max_retries": "0"})
    def job() -> None:
        work.alias("act")()

    return job
