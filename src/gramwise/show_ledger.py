"""The documents of the ledger and of the file of keys for the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from rich.console import RenderableType
from rich.table import Column
from rich.text import Text

from gramwise.report.wording import printable
from gramwise.show import new_table, right

UNKNOWN = "unknown"


def totals_view(document: dict[str, Any]) -> Iterator[RenderableType]:
    """A ``gramwise.ledger/1`` summary: counts, joules and grams with what is not known of them, latencies."""
    yield Text(_span(document))
    table = new_table(Column("", overflow="fold"), *right("value"), Column("", overflow="fold"))
    for name in ("requests", "completed", "failed", "lost", "refused", "retried", "late", "inferences"):
        table.add_row(name, str(document[name]), "")
    energy, carbon, market = document["energy_j"], document["carbon_g"], document["carbon_market_g"]
    table.add_row("energy, J", _value(energy), _known(energy, energy["method"]))
    table.add_row("carbon, g CO2e", _value(carbon), _known(carbon, _kind(carbon)))
    table.add_row("  market-based", _value(market), _known(market))
    latency = document["latency_s"]
    for name in ("mean", "p50", "p99"):
        table.add_row(f"latency, ms, {name}", _number(latency[name], 1e3), "")
    yield table


def groups_view(document: dict[str, Any]) -> Iterator[RenderableType]:
    """A ``gramwise.ledger/1`` document with groups: a line for each, and their sum."""
    by = document["by"]
    yield Text(_span(document))
    contracts = document["carbon_market_g"]["value"] is not None  # as a rule nobody has any
    titles = ("done", "failed", "J", "g CO2e", "low", "high", *(("market g",) if contracts else ()))
    table = new_table(Column(by, no_wrap=True), *right(*titles))
    for group in document["groups"]:
        name = _moment(group[by]) if by == "hour" else printable(str(group[by])) or "-"
        table.add_row(name, *_cells(group, contracts))
    table.add_section()
    table.add_row("all", *_cells(document, contracts), style="bold")
    yield table


def energy_view(document: dict[str, Any]) -> Iterator[RenderableType]:
    """What each node took: requests + idle + overhead beside the meter."""
    yield Text(_span(document))
    titles = ("requests J", "idle J", "overhead J", "metered J", "parts / meter")
    table = new_table(Column("node", overflow="fold"), *right(*titles), Column("known"))
    for node in document["nodes"]:
        parts = (node[f"{name}_j"] for name in ("requests", "idle", "overhead", "metered"))
        table.add_row(
            printable(node["node"]),
            *map(_number, parts),
            _number(node["closure_frac"]),
            node["method"] or "-",
        )
    yield table


def checks_view(document: dict[str, Any]) -> Iterator[RenderableType]:
    """What checking a receipt found."""
    said = {True: "holds", False: "WRONG", None: "not seen"}
    table = new_table(Column("check"), Column(""), Column("", overflow="fold"))
    for check in document["checks"]:
        table.add_row(check["name"], said[check["ok"]], printable(check["said"]))
    yield table
    verdicts = {
        True: "The receipt holds.",
        False: "The receipt does NOT hold.",
        None: "Nothing is wrong with what could be seen; its rows could not.",
    }
    yield Text(verdicts[document["valid"]])


def keys_view(document: dict[str, Any]) -> Iterator[RenderableType]:
    """Keys and limits of tenants, without secrets."""
    table = new_table(
        *(Column(t, overflow="fold") for t in ("id", "tenant", "rights", "in force", "until", "note"))
    )
    for key in document["keys"]:
        until = key["revoked_unix_s"] or key["expires_unix_s"]
        table.add_row(
            key["id"],
            key["tenant"],
            ", ".join(key["rights"]),
            "yes" if key["in_force"] else "no",
            _moment(until) if until else "for ever",
            printable(key["note"]),
        )
    yield table
    for tenant, limits in document["tenants"].items():
        set_ = ", ".join(f"{name} {value:g}" for name, value in limits.items() if value is not None)
        yield Text(f"{tenant}: {set_ or 'no limit'}")


def _cells(totals: dict[str, Any], contracts: bool) -> Iterator[str]:
    yield from (str(totals[name]) for name in ("completed", "failed"))
    yield _short(totals["energy_j"]["value"])
    yield from (_short(totals["carbon_g"][name]) for name in ("value", "low", "high"))
    if contracts:
        yield _short(totals["carbon_market_g"]["value"])


def _value(amount: dict[str, Any]) -> str:
    text = _number(amount["value"])
    if amount.get("low") is not None and amount["value"] is not None:
        text += f" [{amount['low']:.4g}, {amount['high']:.4g}]"
    return text


def _known(amount: dict[str, Any], more: str | None = None) -> str:
    said = [more] if more else []
    if amount["unknown"]:
        said.append(f"not known of {amount['unknown']} requests")
    return "; ".join(said)


def _kind(carbon: dict[str, Any]) -> str:
    if carbon.get("mixed"):
        return f"kinds of intensity are not added: {', '.join(carbon['mixed'])}"
    return " ".join(filter(None, (carbon["signal"], carbon["basis"], "location-based")))


def _number(value: float | None, times: float = 1.0) -> str:
    return UNKNOWN if value is None else f"{value * times:.4g}"


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _span(document: dict[str, Any]) -> str:
    begin, end = document["span"]["from_s"], document["span"]["to_s"]
    told = f"from {_moment(begin)} " if begin is not None else ""
    return told + (f"until {_moment(end)}" if end is not None else "" if told else "all that is kept")


def _moment(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
