"""The verbs of serving: node, serve, fleet up, ledger, keys."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Optional

import typer

from gramwise.terminal import Json, Scenario, complain, print_json, show

if TYPE_CHECKING:
    from gramwise.gateway.ledger import Book

# typer reads annotations at run time, where Python 3.11's typing has to understand them
# ruff: noqa: UP045


def register(app: typer.Typer) -> None:
    """Add the verbs of serving to the command line."""
    app.command()(node)
    app.command()(serve)
    for name, help_text, verbs in (
        ("fleet", "A whole fleet on this machine, for trying things out.", (up,)),
        ("ledger", "What was served, and what it cost.", (summary, by, energy, receipt, verify, export)),
        ("keys", "Who may use a gateway.", (add, listed, revoke)),
    ):
        group = typer.Typer(help=help_text, no_args_is_help=True)
        for verb in verbs:
            group.command("list" if verb is listed else None)(verb)
        app.add_typer(group, name=name)


Listen = Annotated[str, typer.Option(help="HOST:PORT for HTTP; port 0 takes a free one.")]
Grpc = Annotated[Optional[str], typer.Option(help="HOST:PORT for gRPC; none by default.", show_default=False)]
File = Optional[Path]
TlsCert = Annotated[
    File, typer.Option(help="PEM file of the certificate, with its chain.", show_default=False)
]
TlsKey = Annotated[File, typer.Option(help="PEM file of its key.", show_default=False)]


def node(
    repository: Annotated[
        Path, typer.Argument(help="Folder of models: MODEL/VERSION/model.onnx.", show_default=False)
    ],
    listen: Listen = "127.0.0.1:8000",
    grpc: Grpc = None,
    name: Annotated[str, typer.Option(help="Its name in metrics.", show_default=False)] = "",
    device: Annotated[
        Optional[str], typer.Option(help="Device of the catalogue that this machine is.", show_default=False)
    ] = None,
    scenario: Annotated[
        File, typer.Option(help="Scenario that has this machine as a node.", show_default=False)
    ] = None,
    as_node: Annotated[
        Optional[str], typer.Option("--as", help="Which node of the scenario.", show_default=False)
    ] = None,
    slots: Annotated[int, typer.Option(help="Inferences at a time, one thread each.")] = 1,
    most_batch: Annotated[int, typer.Option(help="Items of one run at most; 1 batches nothing.")] = 8,
    batch_wait_ms: Annotated[
        float, typer.Option(help="How long a request waits for others to share its run.")
    ] = 0.0,
    virtual_share: Annotated[
        Optional[float],
        typer.Option(help="Pretend to have so many CPU cores, by resting.", show_default=False),
    ] = None,
    token_file: Annotated[
        File, typer.Option(help="File with the token that clients must send.", show_default=False)
    ] = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    most_queued: Annotated[int, typer.Option(help="Requests that wait; further ones get 429.")] = 256,
    most_body_bytes: Annotated[int, typer.Option(help="Of one request.")] = 64 << 20,
    most_json_bytes: Annotated[int, typer.Option(help="Of one request with JSON tensors.")] = 16 << 20,
    most_held_bytes: Annotated[int, typer.Option(help="Of all requests at hand.")] = 256 << 20,
    most_tensors: Annotated[int, typer.Option(help="Inputs and outputs of a request.")] = 256,
    most_models: Annotated[int, typer.Option(help="Folders of the repository.")] = 1024,
    most_connections: Annotated[int, typer.Option(help="Open at a time.")] = 512,
    drain_limit_s: Annotated[float, typer.Option(help="For requests in progress after SIGTERM.")] = 10.0,
    as_json: Json = False,
) -> None:
    """Serve ONNX models over the Open Inference Protocol, telling what each answer cost; until SIGTERM."""
    from gramwise.gateway.loop import run
    from gramwise.gateway.node.server import Listening, run_node
    from gramwise.gateway.node.settings import Settings

    settings = Settings.of(
        repository=repository,
        listen=listen,
        grpc=grpc,
        name=name,
        device=device,
        scenario=scenario,
        as_node=as_node,
        slots=slots,
        most_batch=most_batch,
        batch_wait_ms=batch_wait_ms,
        virtual_share=virtual_share,
        token_file=token_file,
        tls_cert=tls_cert,
        tls_key=tls_key,
        most_queued=most_queued,
        most_body_bytes=most_body_bytes,
        most_json_bytes=most_json_bytes,
        most_held_bytes=most_held_bytes,
        most_tensors=most_tensors,
        most_models=most_models,
        most_connections=most_connections,
        drain_limit_s=drain_limit_s,
    )

    def ready(at: Listening) -> None:
        _tell({"http": _place(at.http), "grpc": _place(at.grpc), "models": list(at.models)}, as_json)

    guarded_log()
    run(run_node(settings, ready))


def guarded_log() -> None:
    """Log to standard error, with what looks like a key or a token taken out of every line."""
    import logging

    from gramwise.gateway.access.redaction import guard_logs

    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    guard_logs()


def _place(address: tuple[str, int] | None) -> str | None:
    return None if address is None else f"{address[0]}:{address[1]}"


def _tell(document: dict[str, Any], as_json: bool) -> None:
    """What was asked for on one line, so that a program may read it; or a line for each thing."""
    if as_json:
        import json

        print(json.dumps(document), flush=True)
        return
    for name, value in document.items():
        if isinstance(value, list):
            value = ", ".join(v if isinstance(v, str) else " ".join(map(str, v.values())) for v in value)
        if value:
            print(f"{name:<8} {value}", flush=True)


Policy = Annotated[
    str | None,
    typer.Option(help="Decides where each request goes.", show_default="fractions; grams with --plan"),
]
Intensity = Annotated[
    str, typer.Option(help="Where intensities come from: annual, trace:DIR, or a provider's name.")
]
LedgerUrl = Annotated[
    Optional[str],
    typer.Option(
        help="sqlite:///FILE or postgresql://...; SQLite in --state by default.", show_default=False
    ),
]
State = Annotated[
    File,
    typer.Option(help="Folder of ledger, spool and intensities.", show_default="the user's state folder"),
]
Control = Annotated[str, typer.Option(help="HOST:PORT of the control API's own listener.")]
Retention = Annotated[
    Optional[float],
    typer.Option(help="Days after which single outcomes go; sums stay.", show_default="kept for ever"),
]
PlanFile = Annotated[
    File, typer.Option(help="Plan over several nodes, from gramwise plan.", show_default=False)
]


def serve(
    scenario: Scenario,
    listen: Listen = "127.0.0.1:8080",
    grpc: Grpc = None,
    control: Control = "127.0.0.1:0",
    policy: Policy = None,
    plan: PlanFile = None,
    intensity: Intensity = "annual",
    keys: Annotated[
        File, typer.Option(help="File of API keys; needed beyond loopback.", show_default=False)
    ] = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    client_ca: Annotated[
        File, typer.Option(help="PEM file: clients must show a certificate of it.", show_default=False)
    ] = None,
    ledger: LedgerUrl = None,
    state: State = None,
    retention_days: Retention = None,
    most_in_flight: Annotated[int, typer.Option(help="Requests at a time; further ones get 429.")] = 512,
    most_body_bytes: Annotated[int, typer.Option(help="Of one request.")] = 128 << 20,
    drain_s: Annotated[float, typer.Option(help="For requests in progress after SIGTERM.")] = 10.0,
    as_json: Json = False,
) -> None:
    """Put gramwise in front of the scenario's nodes: each request where it costs the fewest grams; until SIGTERM."""
    from gramwise.gateway.front.gateway import Gateway, Listening
    from gramwise.gateway.front.settings import Settings
    from gramwise.gateway.loop import run
    from gramwise.gateway.serving import serve as serving

    settings = Settings.of(
        scenario=scenario,
        listen=listen,
        grpc=grpc,
        policy=policy,
        plan=plan,
        intensity=intensity,
        keys=keys,
        tls_cert=tls_cert,
        tls_key=tls_key,
        client_ca=client_ca,
        ledger=ledger,
        state=state,
        retention_days=retention_days,
        most_in_flight=most_in_flight,
        most_body_bytes=most_body_bytes,
        drain_s=drain_s,
    )

    def ready(at: Listening, _: Gateway) -> None:
        _tell({"http": _place(at.http), "grpc": _place(at.grpc), "control": _place(at.control)}, as_json)

    guarded_log()
    run(serving(settings, ready, control=_address(control, "control")))


def _address(text: str, option: str) -> tuple[str, int]:
    from gramwise.core.errors import ConfigError

    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise ConfigError(f"{text!r} is no address.", key=f"--{option}", fix="Write HOST:PORT.")
    return host, int(port)


def up(
    scenario: Scenario,
    listen: Listen = "127.0.0.1:0",
    grpc: Grpc = "127.0.0.1:0",
    control: Control = "127.0.0.1:0",
    policy: Policy = None,
    plan: PlanFile = None,
    intensity: Intensity = "annual",
    ledger: LedgerUrl = None,
    state: Annotated[
        File, typer.Option(help="Folder of ledger and spool.", show_default="a temporary folder")
    ] = None,
    auth: Annotated[bool, typer.Option(help="Ask for a key; without, on loopback only.")] = True,
    as_json: Json = False,
) -> None:
    """Start every node of a scenario as a process under its caps, and a gateway before them; until SIGTERM."""
    from gramwise.gateway.fleetup import fleet_up
    from gramwise.gateway.front.settings import Settings
    from gramwise.gateway.loop import run

    settings = Settings.of(
        scenario=scenario,
        listen=listen,
        grpc=grpc,
        policy=policy,
        plan=plan,
        intensity=intensity,
        ledger=ledger,
        state=state,
    )
    told = fleet_up(
        settings, lambda said: _tell(dict(said), as_json), auth=auth, control=_address(control, "control")
    )
    guarded_log()
    run(told)


# ---------------------------------------------------------------- ledger

Where = Annotated[
    str, typer.Argument(help="sqlite:///FILE, postgresql://..., or an SQLite file.", show_default=False)
]
From = Annotated[
    Optional[str], typer.Option("--from", help="From this moment, ISO 8601 or Unix s.", show_default=False)
]
To = Annotated[Optional[str], typer.Option("--to", help="Until before this moment.", show_default=False)]
Only = Annotated[
    Optional[list[str]],
    typer.Option(
        "--only", help="NAME=VALUE, for instance model=digits; may be repeated.", show_default=False
    ),
]


@contextmanager
def _book(where: str) -> Iterator[Book]:
    from gramwise.core.errors import ConfigError
    from gramwise.gateway.ledger import Database

    if "://" not in where:
        if not Path(where).is_file():
            raise ConfigError(
                "there is no such ledger.", file=where, fix="Write its file, or the URL of its database."
            )
        where = f"sqlite:///{Path(where).resolve()}"
    with Database(where).reading() as book:
        yield book


def _moment(text: str | None, option: str) -> float | None:
    if text is None:
        return None
    from datetime import UTC, datetime

    from gramwise.core.errors import ConfigError

    try:
        return float(text)
    except ValueError:
        pass
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(
            f"{text!r} is no moment.", key=f"--{option}", fix="Write 2026-11-22T08:00Z, or Unix seconds."
        ) from None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def _asked(begin: str | None, end: str | None, only: list[str] | None) -> dict[str, Any]:
    from gramwise.core.errors import ConfigError

    where: dict[str, str] = {}
    for pair in only or ():
        name, equals, value = pair.partition("=")
        if not equals:
            raise ConfigError(f"{pair!r} is no NAME=VALUE.", key="--only", fix="Write model=digits.")
        where[name] = value
    return {"from_s": _moment(begin, "from"), "to_s": _moment(end, "to"), "where": where}


def summary(
    where: Where, begin: From = None, end: To = None, only: Only = None, as_json: Json = False
) -> None:
    """Counts, joules, grams and latencies of a span."""
    from gramwise.gateway.ledger import summary as totals
    from gramwise.show_ledger import totals_view

    with _book(where) as book:
        show(totals(book, **_asked(begin, end, only)), totals_view, as_json)


def by(
    where: Where,
    what: Annotated[str, typer.Argument(help="hour, model, node, zone, tenant ...", show_default=False)],
    begin: From = None,
    end: To = None,
    only: Only = None,
    as_json: Json = False,
) -> None:
    """The same for each model, node, zone, hour or tenant."""
    from gramwise.gateway.ledger import by as grouped
    from gramwise.show_ledger import groups_view

    with _book(where) as book:
        show(grouped(book, what, **_asked(begin, end, only)), groups_view, as_json)


def energy(
    where: Where, begin: From = None, end: To = None, only: Only = None, as_json: Json = False
) -> None:
    """What each node took: requests, idle and overhead beside what was metered."""
    from gramwise.gateway.ledger import energy as taken
    from gramwise.show_ledger import energy_view

    with _book(where) as book:
        show(taken(book, **_asked(begin, end, only)), energy_view, as_json)


def receipt(
    where: Where,
    begin: Annotated[str, typer.Option("--from", help="From this moment.", show_default=False)],
    end: Annotated[str, typer.Option("--to", help="Until before this moment.", show_default=False)],
    only: Only = None,
    rows: Annotated[bool, typer.Option(help="Carry the rows, so that it can be checked alone.")] = True,
) -> None:
    """Print a sealed receipt of a span as JSON."""
    from gramwise.gateway.ledger import receipt as sealed

    asked = _asked(begin, end, only)
    with _book(where) as book:
        print_json(sealed(book, asked["from_s"], asked["to_s"], where=asked["where"], with_rows=rows))


def verify(
    file: Annotated[Path, typer.Argument(help="Receipt (JSON).", show_default=False)],
    ledger: LedgerUrl = None,
    as_json: Json = False,
) -> None:
    """Check a receipt: its seal, its chain of rows, its grams; with --ledger also against the ledger."""
    from gramwise.core.errors import ConfigError
    from gramwise.gateway.ledger import parse
    from gramwise.gateway.ledger import verify as check
    from gramwise.show_ledger import checks_view

    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        raise ConfigError(f"cannot be read: {fault}.", file=file) from None
    document = parse(text)
    if ledger is None:
        found = check(document)
    else:
        with _book(ledger) as book:
            found = check(document, book)
    show(found, checks_view, as_json)
    if found["valid"] is False:
        raise typer.Exit(3)


def export(where: Where, begin: From = None, end: To = None, only: Only = None) -> None:
    """Print the outcomes of a span as CSV."""
    from gramwise.gateway.ledger import export_csv

    with _book(where) as book:
        written = export_csv(book, sys.stdout, **_asked(begin, end, only))
    complain(f"{written} outcomes.")


# ---------------------------------------------------------------- keys

KeysFile = Annotated[Path, typer.Argument(help="File of keys; made where there is none.", show_default=False)]
Right = Literal["infer", "read", "change"]


def add(
    file: KeysFile,
    tenant: Annotated[str, typer.Argument(help="Whose key it is.", show_default=False)],
    rights: Annotated[
        Optional[list[str]], typer.Option("--right", help="infer, read, change; may be repeated.")
    ] = None,
    note: Annotated[str, typer.Option(help="What it is for.", show_default=False)] = "",
    days: Annotated[Optional[float], typer.Option(help="How long it lasts.", show_default="for ever")] = None,
    requests_per_s: Annotated[
        Optional[float], typer.Option(help="Of the tenant.", show_default="no limit")
    ] = None,
    concurrent: Annotated[Optional[int], typer.Option(help="Of the tenant.", show_default="no limit")] = None,
    carbon_g_per_day: Annotated[
        Optional[float], typer.Option(help="Carbon budget of the tenant.", show_default="no limit")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a key. It is shown once and kept nowhere; the file holds a salted hash."""
    from gramwise.core.units import S_PER_DAY
    from gramwise.gateway.access.keys import KeyFile, Limits

    named = {
        "requests_per_s": requests_per_s,
        "concurrent": concurrent,
        "carbon_g_per_day": carbon_g_per_day,
    }
    limits = Limits(**{k: v for k, v in named.items() if v is not None})  # type: ignore[arg-type]
    key, text = KeyFile(file).add(
        tenant,
        rights or ["infer"],
        now_s=time.time(),
        note=note,
        lasts_s=None if days is None else days * S_PER_DAY,
        limits=limits if limits != Limits() else None,
    )
    if as_json:
        print_json({"id": key.id, "tenant": key.tenant, "rights": list(key.rights), "key": text})
        return
    print(text)
    complain(f"this key of {key.tenant} may {', '.join(key.rights)}. Keep it now: it is shown once.")


def listed(file: KeysFile, as_json: Json = False) -> None:
    """Keys and limits, without secrets."""
    from gramwise.gateway.access.keys import KeyFile
    from gramwise.show_ledger import keys_view

    show(KeyFile(file).listed(now_s=time.time()), keys_view, as_json)


def revoke(
    file: KeysFile, key: Annotated[str, typer.Argument(help="Its id, or the key.", show_default=False)]
) -> None:
    """Take a key out of force; running gateways follow within about a second."""
    from gramwise.gateway.access.keys import KeyFile

    gone = KeyFile(file).revoke(key, now_s=time.time())
    complain(f"the key {gone.id} of {gone.tenant} is out of force.")
