"""Names that look like members of a kind and are none: the box that holds the models, the act that is told of them.

"An edge server has 8 GB. The translator takes 3 GB, the detector 4 GB" gives numbers of one unit to three names, and
only two of them are models. The odd one is found by what is told of it: fewer kinds of numbers than of the others, and
a place or a machine where the others are none, or one name too many for the count that the text states. "Keeping a
model loaded costs 0.9 kWh for A and 1.2 kWh for B" names an act, beside the things that it is told of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .assemble_clusters import Cluster
from .assemble_quantity import unit_of
from .reading.members import KINDS
from .statement import Reading

_HOLDERS = KINDS["device"] | KINDS["site"] | frozenset(("server", "terminal", "unit", "shelf"))


_AMOUNTS = frozenset(
    (
        "available",
        "memory",
        "VRAM",
        "RAM",
        "budget",
        "room",
        "space",
        "storage",
        "capacity",
        "limit",
        "deadline",
    )
)
"""Words of labels that name an amount and no thing."""


def without_hosts(clusters: Sequence[Cluster], reading: Reading) -> list[Cluster]:
    """The kinds of names without acts and without the one thing that holds the others.

    Args:
        clusters: of `find_clusters`.
        reading: the text.
    """
    several = any(len(c.labels) > 1 for c in clusters)
    kept = [c for c in clusters if not (several and len(c.labels) == 1 and _act(c.labels[0]))]
    return [_without_host(c, reading) for c in kept]


def _act(label: str) -> bool:
    """ "Keeping a model loaded", "serving a user": something done."""
    first, *rest = label.lower().split()
    return first.endswith("ing") and bool(rest)


def _without_host(cluster: Cluster, reading: Reading) -> Cluster:
    if len(cluster.labels) < 3:
        return cluster
    things = tuple(x for x in cluster.labels if not _AMOUNTS & set(x.split()))
    if 1 < len(things) < len(cluster.labels):
        cluster = replace(cluster, labels=things)
    told = {label: _kinds(label, reading) for label in cluster.labels}
    hosts = [x for x in cluster.labels if x.lower().split()[-1] in _HOLDERS]
    if len(hosts) != 1:
        return cluster
    host = hosts[0]
    fewest = min(len(told[x]) for x in cluster.labels if x != host)
    counts = {t.count for t in reading.groups if t.count and not t.labels}
    rest = len(cluster.labels) - 1
    if len(told[host]) < fewest or (rest in counts and rest + 1 not in counts and len(told[host]) <= fewest):
        return replace(cluster, labels=tuple(x for x in cluster.labels if x != host))
    return cluster


def _kinds(label: str, reading: Reading) -> set[str]:
    """What is measured by the numbers told of a name."""
    units = [unit_of(f) for f in reading.figures if label in f.subjects and f.unit]
    return {str(unit.dims[:-1]) for unit in units if unit is not None}
