"""The verbs that account for a model's life: footprint, measure, calibrate."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Optional, TypeAlias, cast

import typer
from rich.console import Console

from gramwise.cli_ahead import Archive, Basis, Provider, Signal, Traces, Year
from gramwise.core.errors import ConfigError, RunDirectoryError, did_you_mean
from gramwise.core.footprint import Phase
from gramwise.core.series import Series
from gramwise.terminal import Json, complain, progress, show

if TYPE_CHECKING:
    from gramwise.fleet.scenario import Scenario

Compat: TypeAlias = Literal["legacy", "pypi", "multihop", "historical", "agentic"]
MaybeText: TypeAlias = Optional[str]  # noqa: UP045 - typer reads it at run time
MaybePath: TypeAlias = Optional[Path]  # noqa: UP045
MaybeNumber: TypeAlias = Optional[float]  # noqa: UP045
MaybeCount: TypeAlias = Optional[int]  # noqa: UP045
Figures = Annotated[
    Optional[Path],  # noqa: UP045 - typer reads it at run time
    typer.Option("--figures", help="Folder for the pictures as SVG and PNG files.", show_default=False),
]


def register(app: typer.Typer) -> None:
    """Add these verbs to the command line."""
    app.command()(footprint)
    app.command(context_settings={"allow_interspersed_args": False, "ignore_unknown_options": False})(measure)
    app.command()(calibrate)


def footprint(
    inputs: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Argument(
            metavar="SCENARIO",
            help="Scenario file (TOML); with --compat the inputs (JSON).",
            show_default=False,
        ),
    ] = None,
    compat: Annotated[
        Optional[Compat],  # noqa: UP045
        typer.Option(
            help="Answer as this version of the eCAL authors' tools does, digit for digit.",
            show_default=False,
        ),
    ] = None,
    published: Annotated[
        bool,
        typer.Option("--published-figure", help="The data behind the authors' figure, worked out again."),
    ] = False,
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Where a run directory with page and receipt is made; none without it."),
    ] = None,
    zone: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--zone", help="Another zone to tell the eCAL account in; may be given several times."),
    ] = None,
    hours: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--hours", help="LOCATION=ZONE: an inference at every hour of the mean day of a trace."),
    ] = None,
    traces: Traces = None,
    year: Year = None,
    beside: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            "--beside",
            help="With --compat: what physical mode must be told (JSON: utilisation_frac, intensity_g_per_kwh ...); "
            "the two stand side by side, defect by defect.",
            show_default=False,
        ),
    ] = None,
    figures: Figures = None,
    as_json: Json = False,
) -> None:
    """Every gram of a model's life: one bill whose parts sum to the total and whose every row names its source."""
    ours = {"--out": out, "--zone": zone, "--hours": hours, "--traces": traces, "--year": year}
    if published:
        theirs = {"SCENARIO": inputs, "--compat": compat, "--beside": beside}
        _refuse(
            {**ours, **theirs}, "--published-figure takes no inputs: the authors' own are worked out again."
        )
        _published(figures, as_json)
    elif inputs is None:
        raise ConfigError("a scenario is missing.", fix="Write: gramwise footprint SCENARIO.")
    elif compat is not None:
        _refuse(
            {**ours, "--figures": figures}, "this is of a scenario's bill, and --compat answers with figures."
        )
        _compat(inputs, compat, beside, as_json)
    else:
        _refuse({"--beside": beside}, "what it holds is for inputs of an eCAL tool.", "Add --compat.")
        if not hours:
            told = {"--traces": traces, "--year": year}
            _refuse(told, "traces tell of the hours of a day.", "Add --hours LOCATION=ZONE.")
        _bill(inputs, tuple(zone or ()), _days(hours or (), traces, year), out, figures, as_json)


def _refuse(options: Mapping[str, object], why: str, fix: str = "Leave it out.") -> None:
    """An option that would do nothing here is an error: its user expects something of it."""
    for name, value in options.items():
        if value:
            raise ConfigError(why, key=name, fix=fix)


def _check_place(folder: Path | None, option: str) -> None:
    """Refuse a folder that cannot be, before anything is computed for it.

    Raises:
        RunDirectoryError: a file stands in its way, or nothing may be written there.
    """
    if folder is None:
        return
    nearest = next(each for each in (folder, *folder.absolute().parents) if os.path.lexists(each))
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        why = "may not be written in" if nearest.is_dir() else "is no folder"
        raise RunDirectoryError(
            f"{option}: {folder} cannot be written: {nearest} {why}; give another folder."
        )


def _days(hours: Sequence[str], traces: Path | None, year: int | None) -> dict[str, Series]:
    from gramwise.runtime.ecalaccount import mean_day

    days = {}
    for text in hours:
        location, _, zone = text.partition("=")
        if not location or not zone:
            raise ConfigError(
                f"--hours takes LOCATION=ZONE, not {text!r}.", fix="Write for instance field=DE."
            )
        if traces is None:
            raise ConfigError("hours come from recorded traces.", key="--hours", fix="Add --traces DIR.")
        try:
            days[location] = mean_day(traces, zone, year)
        except ConfigError as fault:
            raise fault.inside(fault.file or "", "--hours") from fault
    return days


def _check_ecal(scenario: Scenario, zones: Sequence[str], hours: Mapping[str, Series]) -> None:
    """What is asked of the eCAL account needs one.

    Raises:
        ConfigError: there is none, or it has no such location; an unknown zone.
    """
    from gramwise.footprint.scaling.intensity import of_zone

    ecal = scenario.footprint.ecal
    for option, asked in (("--zone", zones), ("--hours", hours)):
        if asked and ecal is None:
            raise ConfigError(
                f"{option} is asked of the eCAL account, and there is none.",
                file=scenario.path,
                key="footprint.ecal",
                fix=f"Write that table, or leave {option} out.",
            )
    locations = (ecal or {}).get("locations")
    for location in hours:
        if isinstance(locations, Mapping) and location not in locations:
            raise ConfigError(
                f"there is no location {location!r}.", key="--hours", fix=did_you_mean(location, locations)
            )
    for zone in zones:
        try:
            of_zone(zone)
        except ConfigError as fault:
            raise fault.inside("", "--zone") from fault


def _bill(
    scenario: Path,
    zones: tuple[str, ...],
    days: Mapping[str, Series],
    out: Path | None,
    figures: Path | None,
    as_json: bool,
) -> None:
    from gramwise.report.footprint_page import write_figures, write_page
    from gramwise.report.receipt.record import save
    from gramwise.runtime.assembly import read_scenario
    from gramwise.runtime.lifecycle import footprint as account
    from gramwise.runtime.liferun import keep, receipt_of
    from gramwise.show_footprint import footprint_view

    read = read_scenario(scenario)
    _check_ecal(read, zones, days)
    _check_place(out, "--out")
    _check_place(figures, "--figures")
    with progress(as_json) as tell:
        with _told_from(scenario):
            document = account(read, tell, zones=zones, hours=days)
        page = None
        if out is not None:
            document = keep(read, document, out, command=" ".join(["gramwise", *sys.argv[1:]]))
            save(receipt_of(document), Path(document["run_dir"]) / "receipt.json")
            page = write_page(document, Path(document["run_dir"]) / "report.html")
        files = write_figures(document, figures) if figures else []
    show(document, footprint_view, as_json)
    if not as_json:
        _places(document, page, files)


def report(run: Path, figures: Path | None, as_json: bool) -> None:
    """A bill that was kept, shown again; its page written anew, and perhaps its pictures."""
    from gramwise.report.footprint_page import write_figures, write_page
    from gramwise.report.load import read_summary
    from gramwise.show_footprint import footprint_view

    document = read_summary(run) or {}
    _check_place(figures, "--figures")
    with progress(as_json) as tell:
        tell("drawing the page", 0.0)
        page = write_page(document, run / "report.html")
        files = write_figures(document, figures) if figures else []
    show(document, footprint_view, as_json)
    if not as_json:
        _places({"run_dir": run}, page, files)


def _places(document: dict[str, Any], page: Path | None, files: list[Path]) -> None:
    if page is not None:
        typer.echo(f"\nRun directory: {document['run_dir']}\nPage:          {page}")
    for file in files:
        typer.echo(f"Picture:       {file}")


def _compat(file: Path, tool: Compat, beside: Path | None, as_json: bool) -> None:
    from gramwise.footprint.ecal.compat import notes, run
    from gramwise.show_footprint import figures_view

    inputs = _read_json(file)
    if beside is not None:
        _beside(file, inputs, tool, beside, as_json)
        return
    with _told_from(file):
        document = run(tool, inputs)
    for note in notes.notes(tool, inputs):
        complain(note)
    show(dict(document), figures_view, as_json)


def _beside(file: Path, inputs: Mapping[str, Any], tool: Compat, beside: Path, as_json: bool) -> None:
    from gramwise.footprint.ecal import compare
    from gramwise.footprint.ecal.translate import LIVES, Choices
    from gramwise.show_footprint import beside_view

    if tool not in LIVES:
        raise ConfigError(
            f"physical mode has no counterpart of the tool {tool!r}.",
            key="--beside",
            fix=f"Name one of: {', '.join(LIVES)}.",
        )
    choices = Choices.from_mapping(_read_json(beside), beside)
    with _told_from(file):
        document = compare.document(tool, inputs, choices)
    show(document, beside_view, as_json)


@contextmanager
def _told_from(file: Path) -> Iterator[None]:
    """A fault that names no file names this one: it is where what is wrong was asked for."""
    try:
        yield
    except ConfigError as fault:
        raise fault.inside(fault.file or file, "") from fault


def _published(figures: Path | None, as_json: bool) -> None:
    from gramwise.footprint.ecal.compat.published import figure_data
    from gramwise.report.ecal_charts import figure_drawing
    from gramwise.report.footprint_page import write_drawings
    from gramwise.show_footprint import published_view

    document = figure_data().document()
    _check_place(figures, "--figures")
    files = write_drawings([figure_drawing(document)], figures) if figures else []
    show(document, published_view, as_json)
    if not as_json:
        _places(document, None, files)


def _read_json(file: Path) -> dict[str, Any]:
    try:
        document = json.loads(file.read_text("utf-8"))
    except OSError as fault:
        raise ConfigError(
            f"it cannot be read: {fault.strerror or fault}.", file=file, fix="Name a JSON file."
        ) from fault
    except (ValueError, RecursionError) as fault:
        raise ConfigError(f"this is not JSON: {fault}.", file=file, fix="Correct that place.") from fault
    if not isinstance(document, dict):
        raise ConfigError(
            "this is not an object.", file=file, fix='Write the inputs as {"NAME": value, ...}.'
        )
    return document


# --- measuring ---


def measure(
    command: Annotated[
        list[str], typer.Argument(metavar="-- COMMAND", help="What to run and measure.", show_default=False)
    ],
    phase: Annotated[str, typer.Option(help="data, experimentation, training, tuning, inference ...")],
    name: Annotated[MaybeText, typer.Option(help="For people; the command's name by default.")] = None,
    zone: Annotated[
        MaybeText, typer.Option(help="Grid zone, for instance FR; without it grams stay unknown.")
    ] = None,
    ledger: Annotated[
        MaybePath, typer.Option(help="Ledger to add to; .gramwise/ledger.jsonl by default.")
    ] = None,
    device: Annotated[MaybeText, typer.Option(help="Row of the catalogue that this machine is.")] = None,
    idle_w: Annotated[MaybeNumber, typer.Option(help="Watts of this machine at rest.")] = None,
    busy_w: Annotated[MaybeNumber, typer.Option(help="Watts of this machine at full load.")] = None,
    cpus: Annotated[MaybeCount, typer.Option(min=1, help="CPUs that those watts are of.")] = None,
    reserved: Annotated[float, typer.Option(help="Share of the machine that is reserved for the run.")] = 1.0,
    pue: Annotated[float, typer.Option(help="Power usage effectiveness of the site.")] = 1.0,
    tracking: Annotated[
        Literal["machine", "process"], typer.Option(help="Charge all that meters read, or the run's share.")
    ] = "machine",
    watch_idle: Annotated[
        float, typer.Option(help="Seconds for which meters are watched at rest before.")
    ] = 0.0,
    provider: Provider = None,
    traces: Traces = None,
    archive: Archive = None,
    signal: Signal = None,
    basis: Basis = None,
    as_json: Json = False,
) -> None:
    """Run a command, and write what it spent into a ledger, whatever becomes of it."""
    from gramwise.runtime.measure import measure_command
    from gramwise.show_footprint import measured_view

    document = measure_command(
        command,
        phase=cast(Phase, phase),  # checked there against the phases that there are
        name=name,
        zone=zone,
        ledger=ledger,
        device=device,
        idle_w=idle_w,
        busy_w=busy_w,
        cpus=cpus,
        reserved_frac=reserved,
        pue=pue,
        tracking=tracking,
        watch_idle_s=watch_idle,
        provider=provider,
        traces=traces,
        archive=archive,
        signal=signal,
        basis=basis,
    )
    # Standard output is the command's own, so what is said of it goes to the other stream.
    errors = Console(stderr=True, soft_wrap=True)
    if as_json:
        errors.file.write(json.dumps(document, allow_nan=False) + "\n")
    else:
        for part in measured_view(document):
            errors.print(part, highlight=False, markup=False)
    raise typer.Exit(document["exit_code"])


def calibrate(
    kernels: Annotated[
        bool, typer.Option("--kernels", help="Time the kernels of networks on this machine.")
    ] = False,
    out: Annotated[Path, typer.Option(help="File to write.")] = Path("kernels.json"),
    seconds: Annotated[float, typer.Option(help="How long to measure.")] = 300.0,
    seed: Annotated[int, typer.Option(help="Of the kernels that are drawn.")] = 0,
    predict: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(
            "--predict", help="Predict this network's CPU time without running it; several times for several."
        ),
    ] = None,
    known: Annotated[
        MaybePath,
        typer.Option("--from", help="Predict from this file, and measure nothing.", show_default=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """Time this machine's kernels once, and know what networks take here that were never run."""
    from gramwise.runtime.calibrate import calibrate_kernels, predict_models
    from gramwise.runtime.models import resolve
    from gramwise.show_footprint import calibration_view

    if not kernels and known is None:
        raise ConfigError(
            "nothing says what to calibrate.", key="--kernels", fix="Write: gramwise calibrate --kernels."
        )
    if kernels and known is not None:
        raise ConfigError("it is measured or it is read.", key="--from", fix="Leave out --kernels or --from.")
    if known is not None and not predict:
        raise ConfigError("a file is there to predict from.", key="--predict", fix="Add --predict MODEL.")
    files = [resolve(name, Path(), source="gramwise calibrate", key="--predict") for name in predict or ()]
    with progress(as_json) as tell:
        document = {} if known is not None else calibrate_kernels(out, seconds=seconds, seed=seed, tell=tell)
        found = predict_models(files, known or out) if files else []
    document |= {
        "predictions": [{**row, "model": name} for name, row in zip(predict or (), found, strict=True)]
    }
    show(document, calibration_view, as_json)
