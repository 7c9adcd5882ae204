"""`nomis-pipelines contracts`: make the models from our consumer contracts, hold a producer's document against them."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from nomis_pipelines.contract_tools import Document, Finding


class InputError(click.ClickException):
    """A document or a tool that we were called with cannot be used."""

    exit_code = 2


@click.group()
def contracts() -> None:
    """Our consumer contracts (openapi-specs/)."""


@contracts.command()
@click.option("--check", is_flag=True, help="Change nothing; exit 1 when a generated file is stale.")
@click.pass_context
def generate(ctx: click.Context, check: bool) -> None:
    """Write the models in nomis_pipelines/contracts/ from openapi-specs/."""
    from nomis_pipelines.contract_tools import DocumentError, generation

    try:
        files = generation.generate()
    except (DocumentError, generation.GeneratorMissingError) as error:
        raise InputError(str(error)) from error
    if not check:
        changed = generation.write_files(files)
        click.echo(f"{len(changed)} of {len(files)} files changed" + "".join(f"\n  {name}" for name in changed))
        return
    if stale := generation.stale_files(files):
        click.echo("stale, run `nomis-pipelines contracts generate`: " + ", ".join(stale), err=True)
        ctx.exit(1)
    click.echo(f"{len(files)} files are fresh")


@contracts.command()
@click.option("--against", required=True, metavar="FILE|URL", help="The producer's published OpenAPI document.")
@click.option("--contract", "name", metavar="NAME", help="Which contract; left out: the one that shares most paths.")
@click.option("--specs", type=click.Path(path_type=Path), metavar="FOLDER", help="Where the contracts are.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
@click.pass_context
def check(ctx: click.Context, against: str, name: str | None, specs: Path | None, as_json: bool) -> None:
    """List every way in which a producer's document breaks our contract.

    The exit status is 0 without a break, 1 with breaks, 2 when a document cannot be had or read. Differences that the
    contract itself accepts are listed with their reason and are no breaks.
    """
    from nomis_pipelines.contract_tools import DocumentError, choose_contract, compare, load_contracts, load_document

    try:
        ours = load_contracts(specs)
        producer = load_document(against)
        contract = choose_contract(ours, producer) if name is None else _named(ours, name)
        findings = compare(contract, producer)
    except DocumentError as error:
        raise InputError(str(error)) from error
    breaks = [finding for finding in findings if finding.accepted is None]
    if as_json:
        _print_json(contract, producer, findings)
    else:
        _print_table(contract, producer, findings)
    ctx.exit(1 if breaks else 0)


def _named(ours: "list[Document]", name: str) -> "Document":
    found = next((each for each in ours if name in {each.name, each.name.replace("-", "_"), each.file_name}), None)
    if found is None:
        raise click.BadParameter(f"there is {', '.join(each.name for each in ours)}", param_hint="--contract")
    return found


def _print_json(contract: "Document", producer: "Document", findings: "list[Finding]") -> None:
    click.echo(
        json.dumps(
            {
                "contract": contract.name,
                "against": producer.source,
                "version": str(producer.content.get("info", {}).get("version", "")),
                "breaks": [finding.as_dict() for finding in findings if finding.accepted is None],
                "accepted": [finding.as_dict() for finding in findings if finding.accepted is not None],
            },
            indent=2,
            ensure_ascii=False,
        )
    )


def _print_table(contract: "Document", producer: "Document", findings: "list[Finding]") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("", "operation", "place", "difference", show_edge=False, pad_edge=False)
    breaks = sum(finding.accepted is None for finding in findings)
    # breaks first: they are what the reader came for
    for finding in sorted(findings, key=lambda each: each.accepted is not None):
        broken = finding.accepted is None
        detail = f"{finding.kind}: {finding.detail}" + ("" if broken else f" ({finding.accepted})")
        mark = Text("BREAK", "bold red") if broken else Text("accepted", "dim")
        cells = (finding.operation, finding.place, detail)
        table.add_row(mark, *(Text(cell, "" if broken else "dim", overflow="fold") for cell in cells))
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=200)
    if findings:
        console.print(table)
    version = producer.content.get("info", {}).get("version", "no version")
    summary = f"{contract.name} against {producer.source} ({version}): "
    summary += f"{breaks or 'no'} break{'' if breaks == 1 else 's'}, {len(findings) - breaks} accepted"
    console.print(Text(summary, "bold red" if breaks else "bold green"))
