"""The command line: verbs, library calls, tables. No logic; exit codes live here and nowhere else.

0 done, 1 our fault, 2 input, 3 data, 4 infeasible.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import Annotated, Optional

import typer

from gramwise import cli_ahead, cli_life, cli_receipt, cli_serve
from gramwise.core.errors import (
    ConfigError,
    DataError,
    ExecutionError,
    GramwiseError,
    Infeasible,
    MeterError,
    ModelError,
    SourceUnavailable,
)
from gramwise.terminal import Json, Scenario, complain, console, print_json, progress, show

EXIT_OURS, EXIT_INPUT, EXIT_DATA, EXIT_INFEASIBLE = 1, 2, 3, 4
EXIT_INTERRUPTED = 130
"""As shells have it: 128 and the number of SIGINT."""

_EXITS: tuple[tuple[type[GramwiseError], int], ...] = (
    (ConfigError, EXIT_INPUT),
    (ModelError, EXIT_INPUT),
    (Infeasible, EXIT_INFEASIBLE),
    (DataError, EXIT_DATA),
    (SourceUnavailable, EXIT_DATA),
    (MeterError, EXIT_DATA),
    (ExecutionError, EXIT_OURS),
)

app = typer.Typer(
    name="gramwise",
    help="Serve deep-learning models over unlike machines with the fewest grams of CO2e, and account for every gram.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def main() -> None:
    """Entry point: every fault becomes one sentence on standard error and an exit code."""
    # Whoever stops us from outside gets the same orderly end as Ctrl-C: no node and no control group stays behind.
    signal.signal(signal.SIGTERM, _stop)
    try:
        code = app(standalone_mode=False)  # typer returns the code of an Exit, and turns Ctrl-C into one
        if code == EXIT_INTERRUPTED:
            raise KeyboardInterrupt
        sys.exit(code if isinstance(code, int) else 0)
    except (KeyboardInterrupt, typer.Abort):
        complain("interrupted; what a bench had measured is kept in its run directory.")
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except GramwiseError as fault:
        complain(str(fault))
        sys.exit(next((code for kind, code in _EXITS if isinstance(fault, kind)), EXIT_OURS))
    except Exception as fault:
        said = getattr(fault, "format_message", None)  # a usage error of the command line itself
        if said is None:
            raise
        complain(f"{said()} Try 'gramwise --help'.")
        sys.exit(EXIT_INPUT)


def _stop(*_: object) -> None:
    if (
        signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    ):  # a background job of a script: Ctrl-C is not for it
        raise KeyboardInterrupt
    signal.raise_signal(signal.SIGINT)


@app.callback(invoke_without_command=True)
def _root(
    ctx: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        from importlib.metadata import version as installed

        typer.echo(f"gramwise {installed('gramwise')}")
        raise typer.Exit
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help(), err=True)
        raise typer.Exit(EXIT_INPUT)


@app.command()
def bench(
    scenario: Scenario,
    policy: Annotated[
        Optional[list[str]],  # noqa: UP045 - typer reads it at run time
        typer.Option("--policy", help="Only this policy; give it several times for several."),
    ] = None,
    requests: Annotated[Optional[int], typer.Option(help="Requests a repeat.")] = None,  # noqa: UP045
    repeats: Annotated[Optional[int], typer.Option(help="Repeats of the stream.")] = None,  # noqa: UP045
    plan_file: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--plan", help="What `gramwise plan` wrote: served beside the policies."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Where the run directory is made.")] = Path("runs"),
    as_json: Json = False,
) -> None:
    """Let every policy serve the same stream, and say how many grams each spent and how far from the limit it is."""
    from gramwise.report.html import write_html
    from gramwise.report.load import load_run
    from gramwise.report.receipt import write_receipt
    from gramwise.report.table import bench_table
    from gramwise.runtime.assembly import read_scenario
    from gramwise.runtime.bench import bench as run_bench
    from gramwise.runtime.planfile import read_plan

    overrides = {"bench.policies": policy or None, "workload.requests": requests, "workload.repeats": repeats}
    given = {key: value for key, value in overrides.items() if value is not None}
    read = read_scenario(scenario, given)
    plan = read_plan(plan_file) if plan_file else None
    command = " ".join(["gramwise", *sys.argv[1:]])
    with progress(as_json) as tell:
        summary = asyncio.run(run_bench(read, out=out, plan=plan, command=command, progress=tell))
        tell("drawing the page", 1.0)
        run = load_run(summary["run_dir"])
        page = write_html(run, Path(summary["run_dir"]) / "report.html")
        write_receipt(summary["run_dir"], home=scenario.absolute().parent)
    if as_json:
        print_json(summary)
        return
    if run.summary is not None:
        bench_table(run.summary, console())
    typer.echo(f"\nRun directory: {summary['run_dir']}\nPage:          {page}")


@app.command()
def profile(
    model: Annotated[
        str,
        typer.Argument(
            help="ONNX file, package:NAME, zoo:NAME or a model of the scenario.", show_default=False
        ),
    ],
    scenario: Annotated[
        Path, typer.Option("--scenario", "-s", help="Scenario whose nodes are timed.", show_default=False)
    ],
    variant: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Variant of a model of the scenario; its reference by default."),
    ] = None,
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Profile to write; by default beside the scenario, where plan looks for it."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Time a network piece by piece on each node of a scenario, for plan."""
    from gramwise.runtime.assembly import read_scenario
    from gramwise.runtime.layerprofile import profile_model
    from gramwise.show_plan import profiling

    read = read_scenario(scenario)
    with progress(as_json) as tell:
        document = asyncio.run(profile_model(read, model, variant, out=out, tell=tell))
    show(document, profiling, as_json)


@app.command()
def plan(
    scenario: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Argument(help="Scenario file (TOML); left out with --words.", show_default=False),
    ] = None,
    words: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            help="Instead of a scenario: a description in plain words, a file or - for standard input."
        ),
    ] = None,
    ask: Annotated[bool, typer.Option("--ask", help="With --words: ask for what is missing.")] = False,
    formulator: Annotated[
        str, typer.Option(help="With --words: offline, or llm where an endpoint is configured.")
    ] = "offline",
    solver: Annotated[
        str, typer.Option(help="With --words: auto takes an exact solver where there is one.")
    ] = "auto",
    time_limit: Annotated[
        float, typer.Option(help="With --words: seconds for solving.", min=0.01, max=3600)
    ] = 30.0,
    seed: Annotated[int, typer.Option(help="With --words: of solvers that draw at random.", min=0)] = 0,
    zone: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="With --words: where this computer stands, for the grams of planning itself."),
    ] = None,
    objective: Annotated[
        str,
        typer.Option(
            help="What to minimise: carbon, energy, latency or throughput (the seconds between two)."
        ),
    ] = "carbon",
    latency_limit: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(help="Seconds of one request; goals.deadline_s by default."),
    ] = None,
    rate: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(help="Requests a second to sustain; split.rate_per_s by default."),
    ] = None,
    method: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="How to partition; by default a method that is exact here."),
    ] = None,
    variant: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Variant of the model; its reference by default."),
    ] = None,
    profile_file: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--profile", help="What `gramwise profile` wrote; without one, costs are modelled."),
    ] = None,
    out: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Plan to write, plan.json, for bench --plan; with --words a scenario, words.toml."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Where to run which layers for the fewest grams, why, what each goal costs, and what else could be had; or, with
    --words, what a description in plain words comes to.
    """
    if words is not None:
        from gramwise.cli_words import plan_words

        if scenario is not None:
            raise ConfigError("--words takes the place of a scenario.", fix="Give one of the two.")
        plan_words(
            words,
            formulator=formulator,
            solver=solver,
            ask=ask,
            time_limit_s=time_limit,
            seed=seed,
            zone=zone,
            out=out or Path("words.toml"),
            as_json=as_json,
        )
        return
    if scenario is None:
        raise ConfigError("a plan is made from a scenario, or from --words.", fix="gramwise plan SCENARIO")
    out = out or Path("plan.json")
    from gramwise.runtime.assembly import read_scenario
    from gramwise.runtime.plan import check_place, make_plan, write_plan
    from gramwise.show_plan import planning

    read = read_scenario(scenario)
    check_place(out)
    with progress(as_json) as tell:
        document = make_plan(
            read,
            objective=objective,
            latency_limit_s=latency_limit,
            rate_per_s=rate,
            method=method,
            variant=variant,
            profile=profile_file,
            tell=tell,
        )
        write_plan(document, out)
    show(document, planning, as_json)
    if not as_json:
        typer.echo(f"\nPlan: {out}   Run it: gramwise bench {scenario} --plan {out}")


@app.command()
def cut(
    model: Annotated[str, typer.Argument(help="ONNX file, package:NAME or zoo:NAME.", show_default=False)],
    at: Annotated[
        list[str],
        typer.Option(
            "--at",
            help="Tensor to cut at, or several with commas between them; may be given more than once.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option(help="Directory for the pieces.", show_default=False)],
    batch: Annotated[int, typer.Option(min=1, help="Batch size, for the bytes and the proof.")] = 1,
    dim: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--dim", help="Size of a free dimension, NAME=SIZE."),
    ] = None,
    inputs: Annotated[
        Optional[list[Path]],  # noqa: UP045
        typer.Option(
            "--inputs", help="Real inputs for the proof: NumPy archive (.npz), arrays by input name."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Cut a network into pieces, write them as ONNX files, and prove that they answer as the whole does."""
    from gramwise.runtime.cut import cut as cut_model
    from gramwise.runtime.proof import read_inputs
    from gramwise.show_plan import cutting

    real = [read_inputs(file) for file in inputs or ()]
    sizes = dict(_dimension(text) for text in dim or ())
    with progress(as_json) as tell:
        document = cut_model(
            model, at, out, batch=batch, dims=sizes, inputs=real, tell=lambda text: tell(text, 0.5)
        )
    show(document, cutting, as_json)


@app.command()
def explain(
    run: Annotated[Path, typer.Argument(help="Run directory.", show_default=False)],
    request: Annotated[str, typer.Argument(help="Request id, as in outcomes.csv.", show_default=False)],
    as_json: Json = False,
) -> None:
    """Why a request went where it went: every candidate, what rejected it or how it scored."""
    from gramwise.runtime.explain import explain as look_up
    from gramwise.show import explanation

    document = look_up(run, request)
    if as_json:
        print_json(document)
        return
    for part in explanation(document):
        console().print(part, highlight=False)


@app.command()
def report(
    runs: Annotated[list[Path], typer.Argument(help="Run directories.", show_default=False)],
    figures: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Folder for the pictures of a simulation, sweep or bill, as SVG and PNG."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show a run again, write its page, or set several runs side by side."""
    from gramwise.report.load import is_bill, is_simulation

    if len(runs) == 1 and is_simulation(runs[0]):
        cli_ahead.report(runs[0], figures, as_json)
        return
    if len(runs) == 1 and is_bill(runs[0]):
        cli_life.report(runs[0], figures, as_json)
        return
    if figures is not None:
        raise ConfigError(
            "pictures are drawn of one simulation, sweep or bill.",
            key="--figures",
            fix="Name its run directory.",
        )
    from gramwise.report.compare import compare
    from gramwise.report.html import write_html
    from gramwise.report.load import load_run
    from gramwise.report.table import bench_table

    with progress(as_json) as tell:
        tell("reading the runs", 0.0)
        loaded = [load_run(path) for path in runs]
        if len(loaded) == 1:
            tell("drawing the page", 0.5)
            page = write_html(loaded[0], runs[0] / "report.html")
    if len(loaded) == 1:
        if as_json:
            print_json(compare(loaded).document)
            return
        if loaded[0].summary is not None:
            bench_table(loaded[0].summary, console(), finished=loaded[0].finished)
        typer.echo(f"\nPage: {page}")
        return
    comparison = compare(loaded)
    if as_json:
        print_json(comparison.document)
    else:
        console().print(comparison)


@app.command()
def inspect(
    model: Annotated[str, typer.Argument(help="ONNX file, package:NAME or zoo:NAME.", show_default=False)],
    batch: Annotated[int, typer.Option(min=1, help="Batch size.")] = 1,
    dim: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--dim", help="Size of a free dimension, NAME=SIZE."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Layers of a network, its FLOP and bytes, and where it may be cut."""
    from gramwise.graph.inspect import inspect_model
    from gramwise.runtime.models import resolve
    from gramwise.show import inspection

    sizes = dict(_dimension(text) for text in dim or ())
    with progress(as_json) as tell:
        tell("reading the model", 0.0)
        path = resolve(model, Path(), source="gramwise inspect", key="MODEL")
        document = inspect_model(path, batch=batch, dims=sizes)
    if as_json:
        print_json(document)
        return
    for part in inspection(document):
        console().print(part, highlight=False)


def _dimension(text: str) -> tuple[str, int]:
    name, _, size = text.partition("=")
    if not name or not size.isdigit() or int(size) < 1:
        raise ConfigError(
            f"--dim takes NAME=SIZE, not {text!r}.", fix="Write for instance --dim sequence=128."
        )
    return name, int(size)


@app.command()
def doctor(
    require_measured: Annotated[
        bool, typer.Option("--require-measured", help="Exit with 3 when no energy is measured here.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Every source of energy figures that was looked for, what is missing, why, and the command that repairs it."""
    from gramwise.power.doctor import examine
    from gramwise.runtime.caps import examine as examine_caps
    from gramwise.show import diagnosis

    found = examine()
    document = {**found.to_document(), "caps": examine_caps()}
    if as_json:
        print_json(document)
    else:
        for part in diagnosis(document):
            console().print(part, highlight=False)
    if require_measured and not found.measured:
        complain("no source of measured energy is readable here, and --require-measured was given.")
        raise typer.Exit(EXIT_DATA)


@app.command()
def schema(
    of: Annotated[str, typer.Argument(help="What to describe: scenario.")] = "scenario",
    as_json: Json = False,
) -> None:
    """The JSON Schema of the scenario file, for editors."""
    from gramwise.fleet.scenario import scenario_schema

    if of != "scenario":
        raise ConfigError(f"there is no schema called {of!r}.", fix="Write: gramwise schema scenario.")
    print_json(scenario_schema())


@app.command()
def init(
    path: Annotated[Path, typer.Argument(help="File to write.")] = Path("scenario.toml"),
    zone: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Grid zone of this machine, for instance FR or US-CA."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    as_json: Json = False,
) -> None:
    """Write a commented scenario for this machine."""
    from gramwise.runtime.starter import write_starter

    facts = write_starter(path, zone=zone, force=force)
    if as_json:
        print_json(facts)
    else:
        typer.echo(f"Wrote {path}. Read it, change what is not so, then run: gramwise bench {path}")


cli_ahead.register(app)
cli_life.register(app)
cli_receipt.register(app)
cli_serve.register(app)

if __name__ == "__main__":
    main()
