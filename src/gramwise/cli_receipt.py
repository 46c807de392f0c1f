"""The verbs of receipts: verify, diff, export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Optional

import typer

from gramwise.terminal import Json, print_json, show


def register(app: typer.Typer) -> None:
    """Add ``receipt`` with its verbs to the command line."""
    receipts = typer.Typer(
        help="Check, compare and pass on what a run wrote of itself.", no_args_is_help=True
    )
    for verb in (verify, diff, export):
        receipts.command()(verb)
    app.add_typer(receipts, name="receipt")


Receipt = Annotated[
    Path, typer.Argument(help="Receipt, or the run directory that holds it.", show_default=False)
]
Account = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(help="Which account of it: a policy, or the name of a bill.", show_default=False),
]


def verify(receipt: Receipt, as_json: Json = False) -> None:
    """Work a receipt out again: its hash, its sums, every gram from its factors, and the files beside it."""
    from gramwise.report.receipt import verify as check
    from gramwise.runtime.lifecycle import again
    from gramwise.show_footprint import findings_view

    findings = check(receipt, again)
    wrong = any(finding.kind == "wrong" for finding in findings)
    document = {
        "schema": "gramwise.receipt-check/1",
        "receipt": str(receipt),
        "holds": not wrong,
        "findings": [{"kind": f.kind, "place": f.place, "text": f.text} for f in findings],
    }
    show(document, findings_view, as_json)
    if wrong:
        raise typer.Exit(3)


def diff(
    before: Receipt,
    after: Receipt,
    account: Account = None,
    other: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Account of the second; by default the one of the same name.", show_default=False),
    ] = None,
    per: Annotated[
        Literal["total", "unit"], typer.Option(help="Compare totals, or grams of a unit.")
    ] = "total",
    as_json: Json = False,
) -> None:
    """Why two receipts differ: energy, place, grid, PUE, hardware, method; the causes sum to the change."""
    from gramwise.report.receipt import diff as compare
    from gramwise.report.receipt import read_sealed, well_built
    from gramwise.runtime.lifecycle import again
    from gramwise.show_footprint import difference_view

    first, second = read_sealed(before), read_sealed(after)
    with well_built(f"one of {before} and {after}"):
        recompute = again if {first["kind"], second["kind"]} == {"footprint"} else None
        document = compare(first, second, account=account, other=other, per=per, recompute=recompute)
    show(document, difference_view, as_json)


def export(
    receipt: Receipt,
    to: Annotated[str, typer.Option(help="boamps, codecarbon, impact-framework, model-card or sci.")],
    account: Account = None,
    as_json: Json = False,
) -> None:
    """A receipt in another tool's format, on standard output."""
    from gramwise.report.exports import export as convert
    from gramwise.report.receipt import read_sealed, well_built

    document = read_sealed(receipt)
    with well_built(receipt):
        content = convert(document, to, account=account)
    if as_json:
        print_json({"schema": "gramwise.export/1", "format": to, "content": content})
    else:
        typer.echo(content, nl=not content.endswith("\n"))
