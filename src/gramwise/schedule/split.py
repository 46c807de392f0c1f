"""Rows of the plan table that are split over several nodes: what holds for one node must hold for all of theirs.

A table without split rows, the usual one, passes through here untouched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gramwise.core.decision import Snapshot, nodes_of
from gramwise.core.units import carbon_g

if TYPE_CHECKING:
    from gramwise.core.decision import Bools, Floats, Ints


def everywhere(snapshot: Snapshot, by_node: Bools) -> Bools:
    """Whether something holds for every node of a row.

    Args:
        snapshot: N nodes, P rows.
        by_node: whether it holds for a node, (N,).

    Returns:
        (P,) booleans.
    """
    by_row: Bools = by_node[snapshot.plans.node]
    for row in snapshot.plans.stages:
        by_row[row] = all(by_node[node] for node in nodes_of(snapshot, row))
    return by_row


def whole(snapshot: Snapshot) -> Bools:
    """Which rows are not split, (P,)."""
    keep = np.ones(len(snapshot.plans), dtype=np.bool_)
    keep[list(snapshot.plans.stages)] = False
    return keep


def fits(snapshot: Snapshot) -> Bools:
    """Which rows fit the memory of every node that they use, (P,)."""
    table = snapshot.plans
    keep: Bools = table.memory_bytes <= snapshot.memory_bytes[table.node]
    for row, stages in table.stages.items():
        nodes = nodes_of(snapshot, row)
        keep[row] = all(
            s.memory_bytes <= snapshot.memory_bytes[n] for s, n in zip(stages, nodes, strict=True)
        )
    return keep


def wait_s(snapshot: Snapshot) -> Floats:
    """Predicted seconds until a request would start on each row: the largest backlog among its nodes, (P,)."""
    table = snapshot.plans
    wait: Floats = snapshot.backlog_s[table.node]
    for row in table.stages:
        wait[row] = wait_of(snapshot, row)
    return wait


def wait_of(snapshot: Snapshot, row: int) -> float:
    """`wait_s` of one row."""
    return max(snapshot.backlog_s.item(node) for node in nodes_of(snapshot, row))


def grams(snapshot: Snapshot, rows: Ints) -> Floats:
    """Marginal grams of one inference of each row: the sum over its stages, each on its own grid.

    Args:
        snapshot: P rows.
        rows: which ones, (R,).

    Returns:
        (R,) grams; NaN where something is not known.
    """
    table = snapshot.plans
    node = table.node[rows]
    total: Floats = carbon_g(table.energy_j[rows], snapshot.intensity_g_per_kwh[node], snapshot.pue[node])
    for row, stages in table.stages.items():
        parts = zip(stages, nodes_of(snapshot, row), strict=True)
        total[rows == row] = sum(
            carbon_g(stage.energy_j, snapshot.intensity_g_per_kwh.item(n), snapshot.pue.item(n))
            for stage, n in parts
        )
    return total
