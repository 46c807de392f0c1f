"""The verbs that look beyond the present hour: intensity, when, simulate, sweep, replay."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Literal, Optional, TypeAlias

import typer

from gramwise.terminal import Json, Scenario, print_json, progress, show

Traces = Annotated[
    Optional[Path],  # noqa: UP045 - typer reads it at run time
    typer.Option("--traces", help="Folder of hourly intensities, ZONE_YEAR.csv.", show_default=False),
]
Year = Annotated[
    Optional[int],  # noqa: UP045
    typer.Option("--year", help="Year of the traces; by default the newest that all zones have."),
]
Policies = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option("--policy", help="Only this policy; give it several times for several."),
]
Settings = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option(
        "--set",
        help="KEY=VALUE of the scenario, for instance simulation.load_frac=0.5; several values with commas between "
        "them make several cases; traffic.*.KEY sets every class.",
    ),
]
Provider = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--provider", help="Who to ask: electricity-maps, watttime, uk-carbon-intensity, entsoe ..."
    ),
]
Archive = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option("--archive", help="Where what was read is kept (SQLite), so that nothing is asked twice."),
]
Signals: TypeAlias = Literal["average", "marginal"]
Bases: TypeAlias = Literal["lifecycle", "direct"]
Signal = Annotated[
    Optional[Signals],  # noqa: UP045
    typer.Option("--signal", help="Kind that is wanted; by default what the source has. Kinds never mix."),
]
Basis = Annotated[
    Optional[Bases],  # noqa: UP045
    typer.Option("--basis", help="Kind that is wanted; by default what the source has."),
]
Moment = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--at", help="A moment, ISO 8601 with its offset, for instance 2026-11-21T18:00Z."),
]


def register(app: typer.Typer) -> None:
    """Add these verbs to the command line."""
    for verb in (intensity, when, simulate, sweep, replay):
        app.command()(verb)


def sweep(
    scenario: Scenario,
    traces: Traces = None,
    year: Year = None,
    policy: Policies = None,
    settings: Settings = None,
    b2: Annotated[
        bool, typer.Option("--b2", help="Also the bound with nodes that may be switched off; takes longer.")
    ] = False,
    workers: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(min=1, help="Processes; by default one for each core."),
    ] = None,
    cluster: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Address of a Ray cluster, or 'local' to start one here."),
    ] = None,
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Where a run directory with a page of pictures is made; none without it."),
    ] = None,
    as_json: Json = False,
) -> None:
    """A year hour by hour in the fluid model: grams of every policy, and how far each is from the least possible."""
    from gramwise.show_ahead import sweep_view
    from gramwise.sim.sweep import sweep as run_sweep
    from gramwise.sim.sweep import variations

    with progress(as_json) as tell:
        document = run_sweep(
            variations(scenario, settings or ()),
            traces=traces,
            year=year,
            policies=policy or (),
            b2=b2,
            workers=workers,
            cluster=cluster,
            out=out,
            command=" ".join(["gramwise", *sys.argv[1:]]),
            tell=tell,
        )
        page = _page(document, tell, scenario.absolute().parent)
    _finish(document, sweep_view, page, as_json)


def simulate(
    scenario: Scenario,
    traces: Traces = None,
    year: Year = None,
    policy: Policies = None,
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Where a run directory with a page of pictures is made; none without it."),
    ] = None,
    record: Annotated[
        bool,
        typer.Option(
            "--record", help="Also write every decision into the run directory, for explain and replay."
        ),
    ] = False,
    timing: Annotated[
        bool,
        typer.Option(
            "--timing/--no-timing", help="How long decisions took: the one part that differs between runs."
        ),
    ] = True,
    as_json: Json = False,
) -> None:
    """Serve a scenario's traffic in virtual time with the very engine and policies that serve real nodes."""
    from gramwise.runtime.assembly import read_simulated
    from gramwise.show_ahead import simulate_view
    from gramwise.sim.simulate import simulate as run_simulation

    with progress(as_json) as tell:
        document = run_simulation(
            read_simulated(scenario),
            traces=traces,
            year=year,
            policies=policy or None,
            out=out,
            record=record,
            timing=timing,
            command=" ".join(["gramwise", *sys.argv[1:]]),
            tell=tell,
        )
        page = _page(document, tell, scenario.absolute().parent)
    _finish(document, simulate_view, page, as_json)


def replay(
    run: Annotated[Path, typer.Argument(help="Run directory of bench or simulate.", show_default=False)],
    policy: Annotated[str, typer.Option("--policy", help="Policy to compare with.", show_default=False)],
    recorded: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--recorded", help="Which policy of the run; by default the first that is not the baseline."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """What a recorded run would have cost with another policy, and with perfect knowledge."""
    from gramwise.show_ahead import replay_view
    from gramwise.sim.replay import replay as run_again

    with progress(as_json) as tell:
        document = run_again(run, policy=policy, recorded=recorded, tell=tell)
    show(document, replay_view, as_json)


def when(
    zone: Annotated[str, typer.Option("--zone", help="Grid zone, for instance DE.", show_default=False)],
    hours: Annotated[float, typer.Option("--hours", help="How long the work takes.", show_default=False)],
    within: Annotated[
        float, typer.Option("--within", help="Hours from now by which it must be done.")
    ] = 24.0,
    traces: Traces = None,
    at: Moment = None,
    provider: Provider = None,
    other: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--other",
            help="Provider of the other kind of signal (marginal or average), for the sign under it.",
        ),
    ] = None,
    archive: Archive = None,
    energy_kwh: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option("--energy-kwh", help="What the work needs, to have the saving in grams."),
    ] = None,
    signal: Signal = None,
    basis: Basis = None,
    as_json: Json = False,
) -> None:
    """Now or later: the saving of waiting for cleaner power, how sure it is, and whether it is worth it."""
    from gramwise.runtime.advice import advise
    from gramwise.show_ahead import when_view

    document = advise(
        zone,
        hours=hours,
        within=within,
        traces=traces,
        at=at,
        provider=provider,
        other=other,
        archive=archive,
        energy_kwh=energy_kwh,
        signal=signal or "average",
        basis=basis or "lifecycle",
    )
    show(document, when_view, as_json)


def intensity(
    zone: Annotated[str, typer.Argument(help="Grid zone, for instance FR or US-CA.", show_default=False)],
    at: Moment = None,
    start: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--from", help="Start of a span."),
    ] = None,
    end: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--to", help="End of a span, itself not in it."),
    ] = None,
    forecast: Annotated[bool, typer.Option("--forecast", help="The hours to come.")] = False,
    provider: Provider = None,
    traces: Traces = None,
    archive: Archive = None,
    signal: Signal = None,
    basis: Basis = None,
    as_json: Json = False,
) -> None:
    """How dirty the electricity of a zone is, was, or is expected to be, and how that is known."""
    from gramwise.runtime.intensity import intensity_document, parse_time
    from gramwise.show_ahead import intensity_view

    document = intensity_document(
        zone,
        at_s=parse_time(at, "--at") if at else None,
        from_s=parse_time(start, "--from") if start else None,
        to_s=parse_time(end, "--to") if end else None,
        forecast=forecast,
        provider=provider,
        traces=traces,
        archive_path=archive,
        signal=signal,
        basis=basis,
    )
    show(document, intensity_view, as_json)
    if document["step"] == "unknown":
        raise typer.Exit(3)


def report(run: Path, figures: Path | None, as_json: bool) -> None:
    """The page, and perhaps the pictures, of a simulation or sweep."""
    from gramwise.report.ahead import write_figures, write_page
    from gramwise.report.load import read_summary
    from gramwise.show_ahead import simulate_view, sweep_view

    with progress(as_json) as tell:
        tell("drawing the page", 0.0)
        page = write_page(run)
        drawn = write_figures(run, figures) if figures is not None else []
    document = read_summary(run) or {}
    show(document, simulate_view if document.get("schema") == "gramwise.simulate/1" else sweep_view, as_json)
    if not as_json:
        typer.echo("\n" + "\n".join([f"Page: {page}", *(f"Picture: {file}" for file in drawn)]))


def _page(document: dict[str, Any], tell: Any, home: Path) -> Path | None:
    """The page and the receipt of a run directory, where one was written; model files are relative to ``home``."""
    if not document.get("run_dir"):
        return None
    from gramwise.report.ahead import write_page
    from gramwise.report.receipt import write_receipt

    tell("drawing the page", 1.0)
    write_receipt(document["run_dir"], home=home)
    return write_page(Path(document["run_dir"]))


def _finish(document: dict[str, Any], view: Any, page: Path | None, as_json: bool) -> None:
    if as_json:
        print_json(document)
        return
    show(document, view, as_json)
    if page is not None:
        typer.echo(f"\nRun directory: {document['run_dir']}\nPage:          {page}")
