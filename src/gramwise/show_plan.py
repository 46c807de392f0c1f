"""The documents of plan, profile and cut for the terminal: tables, and the front as a small picture of characters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import RenderableType
from rich.table import Column
from rich.text import Text

from gramwise.show import bytes_text, new_table, right

FRONT_ROWS = 12
"""Points of the front that are listed; --json has all of them."""

_AIMS = {
    "carbon": "least carbon",
    "energy": "least energy",
    "latency": "least latency",
    "throughput": "most throughput",
}

PICTURE_COLUMNS, PICTURE_LINES = 60, 12


def planning(document: dict[str, Any]) -> Iterator[RenderableType]:
    """The plan, what each node alone would cost, the reason, the price of each goal, the front."""
    d = document
    yield Text(
        f"{d['scenario']} · {d['model']}/{d['variant']} · {d['count']} inference{'s' * (d['count'] > 1)} a request ·"
        f" {_AIMS[d['objective']]}{_limits(d['limits'])} · costs {d['costs']['method']}"
    )
    yield _stages(d)
    yield Text(_interval(d["cost"]))
    yield Text(d["reason"])
    yield Text(_proof(d))
    if not d["transfer_energy_known"] and len(d["stages"]) > 1:
        yield Text(
            "Some links declare no energy: what they spend on moving the tensors is in no joules and grams here."
        )
    yield _single(d)
    if d["prices"]:
        yield _prices(d["prices"])
    yield _front(d["pareto"], d["pareto_space"])
    yield Text(picture(d["pareto"], d["cost"]))


def profiling(document: dict[str, Any]) -> Iterator[RenderableType]:
    """What each piece took on each node, what borders and hops cost."""
    d = document
    nodes = d["nodes"]
    yield Text(
        f"{d['model']}/{d['variant']} · {d['count']} inference{'s' * (d['count'] > 1)} a request · {d['machine']},"
        f" onnxruntime {d['onnxruntime']}"
    )
    rows = new_table("#", "up to layer", *right("receives", "sends", *(f"{name} CPU ms" for name in nodes)))
    for i, part in enumerate(d["pieces"]):
        times = (_cpu_ms(node["pieces"][i]) for node in nodes.values())
        sizes = bytes_text(part["receive_bytes"]), bytes_text(part["send_bytes"])
        rows.add_row(str(i), part["layers"][-1], *sizes, *times)
    yield rows
    whole = new_table("node", *right("CPU ms as one", "pieces added", "wall per CPU s"), "measured on")
    for name, node in nodes.items():
        whole.add_row(
            name,
            " + ".join(_cpu_ms(timed) for timed in node["longest"]),
            f"{sum(t['cpu_s']['median'] for t in node['pieces'] if t) * 1e3:.4g}",
            f"{node['stretch']:.3g}",
            node["stretch_of"],
        )
    yield whole
    border = d["border"]
    yield Text(
        f"A border between two pieces costs {border['fixed_s'] * 1e6:.3g} µs of CPU and"
        f" {border['s_per_byte'] * 2**20 * 1e6:.3g} µs a MiB."
        + (
            f" Passing a tensor from node to node takes {d['hop']['fixed_s'] * 1e6:.3g} µs and"
            f" {d['hop']['s_per_byte'] * 2**20 * 1e6:.3g} µs a MiB."
            if d["hop"]
            else ""
        )
    )
    yield Text(f"\nProfile: {d['file']}")


def _cpu_ms(timed: dict[str, Any] | None) -> str:
    return "does not fit" if timed is None else f"{timed['cpu_s']['median'] * 1e3:.4g}"


def cutting(document: dict[str, Any]) -> Iterator[RenderableType]:
    """The pieces, what travels between them, and the proof."""
    d = document
    pieces = new_table("piece", *right("inputs", "outputs", "file size", "weights"))
    for piece in d["pieces"]:
        names = (", ".join(piece[key]) for key in ("inputs", "outputs"))
        pieces.add_row(piece["file"], *names, bytes_text(piece["bytes"]), bytes_text(piece["weight_bytes"]))
    yield pieces
    for each in d["cuts"]:
        crosses = ", inside what onnxruntime fuses" if each["crosses_fusion"] else ""
        formula = each.get("formula", "")
        size = bytes_text(each["bytes"]) + (f" = {formula}" if formula else "")
        size += ", and no formula is known for it" if formula is None else ""
        yield Text(f"Cut at {', '.join(each['tensors'])}: {size}{crosses}.")
    for proof in d["proof"]:
        found = (
            "bit for bit"
            if proof["bit_equal"]
            else f"within {proof['max_rel_diff']:.2g} of the largest value"
        )
        little = "; the answer is constant, so that says little" if proof["blind"] else ""
        yield Text(f"The pieces answer as the whole does, {found} (level {proof['level']}){little}.")
    yield Text(f"\nPieces: {d['directory']}")


def _limits(limits: dict[str, float | None]) -> str:
    parts = []
    if limits["latency_s"] is not None:
        parts.append(f"within {limits['latency_s'] * 1e3:.4g} ms")
    if limits["rate_per_s"] is not None:
        parts.append(f"at {limits['rate_per_s']:.4g} requests/s")
    return f" {' '.join(parts)}" if parts else ""


def _interval(cost: dict[str, Any]) -> str:
    grams, joules = cost["carbon_g_interval"], cost["energy_j_interval"]
    if grams is None:
        return "No interval is known for the power or the grid of a node that takes part."
    low, high = (f"{end * 1e6:.4g}" for end in grams)
    least, most = (f"{end * 1e3:.4g}" for end in joules)
    return (
        f"By the intervals of devices and grids: {least} to {most} mJ, {low} to {high} µg; marginal, transfers apart"
        " where their energy is not declared."
    )


def _proof(d: dict[str, Any]) -> str:
    took = f"{d['solve_s'] * 1e3:.1f} ms"
    if not d["feasible"]:
        return f"By {d['method']} in {took}; not an answer, since it breaks a limit."
    if d["exact"]:
        return f"Proven best among all placements, by {d['method']} in {took}."
    if d["gap_frac"] is None:
        return f"By {d['method']} in {took}; how far from the best is not proven."
    return f"By {d['method']} in {took}, proven within {d['gap_frac']:.2%} of the best."


def _stages(d: dict[str, Any]) -> RenderableType:
    named = Column("node", no_wrap=True)
    rows = new_table(named, *right("layers", "gets", "sends", "ms", "mJ", "µg"), "up to layer", title="Plan")
    for stage in d["stages"]:
        first, last = stage["first_layer"], stage["last_layer"]
        rows.add_row(
            stage["node"],
            f"{first}-{last}",
            bytes_text(stage["receive_bytes"]),
            bytes_text(stage["send_bytes"]),
            *_costs(stage),
            d["layers"][last],
        )
    if len(d["stages"]) > 1:
        rows.add_section()
        rows.add_row("together", "", "", "", *_costs(d["cost"]), "")
    return rows


def _single(d: dict[str, Any]) -> RenderableType:
    rows = new_table("node alone", *right("ms", "mJ", "µg", "memory"), "keeps every limit")
    for single in d["single"]:
        rows.add_row(
            single["node"],
            *_costs(single),
            f"{bytes_text(single['memory_bytes'] + d['runtime_bytes'])} of {bytes_text(single['cap_bytes'])}",
            ("yes, the best" if single["best"] else "yes") if single["feasible"] else "no",
        )
    return rows


def _prices(prices: Sequence[dict[str, Any]]) -> RenderableType:
    rows = new_table("goal", *right("costs µg", "mJ", "ms"), "without it", title="Price of each goal")
    for price in prices:
        if price["carbon_g"] is None:
            rows.add_row(price["goal"], "unknown", "", "", "not solved")
            continue
        without = "split as well" if price["splits_without"] else "one node"
        rows.add_row(
            price["goal"],
            f"{price['carbon_g'] * 1e6:.4g}",
            f"{price['energy_j'] * 1e3:.4g}",
            f"{price['latency_s'] * 1e3:.4g}",
            without if price["exact"] else f"{without} (not proven)",
        )
    return rows


def _front(points: Sequence[dict[str, Any]], space: str) -> RenderableType:
    shown = points if len(points) <= FRONT_ROWS else _spread(points)
    title = f"Pareto front of carbon, energy and latency: {len(points)} point{'s' * (len(points) != 1)} over {space}"
    rows = new_table(*right("µg", "mJ", "ms"), "stages (layers)", title=title)
    for point in shown:
        carbon, energy, latency = point["carbon_g"] * 1e6, point["energy_j"] * 1e3, point["latency_s"] * 1e3
        stages = " > ".join(f"{node} ({layers})" for node, layers in point["stages"])
        rows.add_row(f"{carbon:.4g}", f"{energy:.4g}", f"{latency:.4g}", stages)
    if len(points) > len(shown):
        rows.caption = f"{len(shown)} of them, evenly spread; --json lists all."
    return rows


def _spread(points: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    step = (len(points) - 1) / (FRONT_ROWS - 1)
    return [points[round(i * step)] for i in range(FRONT_ROWS)]


def picture(points: Sequence[dict[str, Any]], chosen: dict[str, Any]) -> str:
    """Carbon against latency in characters: ``o`` one node, ``+`` split, ``X`` the plan.

    Args:
        points: of the front, with ``carbon_g``, ``latency_s`` and ``stages``.
        chosen: cost of the plan.

    Returns:
        Lines with axes and their ends.
    """
    dots = [
        (p["latency_s"] * 1e3, p["carbon_g"] * 1e6, "o" if len(p["stages"]) == 1 else "+") for p in points
    ]
    dots.append((chosen["latency_s"] * 1e3, chosen["carbon_g"] * 1e6, "X"))
    (left, right_end), (low, high) = (
        _ends([dot[0] for dot in dots]),
        _ends([dot[1] for dot in dots]),
    )
    grid = [[" "] * PICTURE_COLUMNS for _ in range(PICTURE_LINES)]
    for x, y, mark in dots:
        column = round((x - left) / (right_end - left) * (PICTURE_COLUMNS - 1))
        line = round((high - y) / (high - low) * (PICTURE_LINES - 1))
        grid[line][column] = mark
    labels = {0: f"{high:.4g}", PICTURE_LINES - 1: f"{low:.4g}"}
    width = max(len(label) for label in (*labels.values(), "µg"))
    lines = [f"{'µg':>{width}}   o one node   + split   X the plan"]
    lines += [f"{labels.get(i, ''):>{width}} |{''.join(row)}" for i, row in enumerate(grid)]
    lines.append(f"{'':>{width}} +{'-' * PICTURE_COLUMNS}")
    ends = f"{left:.4g}", f"{right_end:.4g} ms"
    lines.append(f"{'':>{width}}  {ends[0]}{ends[1]:>{PICTURE_COLUMNS - len(ends[0])}}")
    return "\n".join(lines)


def _ends(values: Sequence[float]) -> tuple[float, float]:
    """Least and greatest, kept apart where all are equal."""
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - (abs(low) or 1.0) / 10, high + (abs(high) or 1.0) / 10)


def _costs(cost: dict[str, Any]) -> tuple[str, str, str]:
    return tuple(  # type: ignore[return-value]
        "-" if cost[key] is None else f"{cost[key] * factor:.4g}"
        for key, factor in (("latency_s", 1e3), ("energy_j", 1e3), ("carbon_g", 1e6))
    )
