"""The commented scenario that ``gramwise init`` writes for a machine: three nodes that share it."""

from __future__ import annotations

from gramwise.core.units import BYTES_PER_MIB

_SITES = (("fast", 0.5, "n100"), ("middle", 0.3, "pi5"), ("small", 0.2, "pi4"))
"""Name, share of this machine's cores, catalogue device that the node stands for."""

_LARGEST_MIB = 1024

_SMALLEST_MIB = 256
"""Python with onnxruntime and a small model does not start in less."""

_HEAD = """\
# A scenario for gramwise, written for {host}: {cores} CPU cores, {memory_mib} MiB of memory.
# Every key is explained in docs/how-to/scenario.md; `gramwise schema scenario` prints the JSON Schema.
schema = 1
name = "{name}"
baseline_node = "fast"                # `monolithic` puts everything here; the others are compared with it

[models.digits]
reference = "fp32"                    # answers when a request sets no accuracy floor

[models.digits.variants.fp32]
file = "package:digits-fp32.onnx"     # shipped with gramwise; write a path to use a model of yours
precision = "fp32"

[models.digits.variants.int8]
file = "package:digits-int8.onnx"
precision = "int8"

[models.digits.variants.small]
file = "package:digits-small.onnx"
precision = "fp32"

# Three nodes share this machine. Each stands for a device of the catalogue: its power comes from there.
# {zone_note}
"""

_NODE = """
[nodes.{name}]
device = "{device}"
zone = "{zone}"{mark}
cpu_share = {share:g}
memory = "{memory_mib} MiB"
"""

_TAIL = """
# A split plan passes tensors from node to node. Left like this, they go through both nodes' own links, and on one
# machine those take no time. Declare the network that the nodes would really have:
#
# [[links]]
# from = "middle"
# to = "fast"
# bytes_per_s = 12_500_000.0
# rtt_s = 0.002

[goals]
deadline_s = 2.0
accuracy_floor_frac = 0.95            # policies that end in +variants may choose any variant above it

[workload]
inputs = "package:digits"             # the shipped held-out images
count = 32                            # images a request
requests = 60
arrivals = "closed"                   # the next request when one is answered

[bench]
policies = ["monolithic", "round-robin", "greenest-zone", "grams", "grams+variants"]

[executor]
kind = "processes"
caps = "auto"
"""


def template(
    *, host: str, cores: int, memory_bytes: int, zone: str | None = None, name: str = "my-fleet"
) -> str:
    """A scenario for this machine, valid as it stands.

    Args:
        host: its name, for the heading.
        cores: CPU cores, at least 1.
        memory_bytes: its memory.
        zone: grid zone it stands in; None writes a placeholder that says it is one.
        name: of the scenario.

    Returns:
        TOML text. The nodes together use no more than the cores there are, and at most three quarters of the
        memory unless the machine is smaller than three of the smallest nodes that can run.
    """
    memory_mib = memory_bytes // BYTES_PER_MIB
    node_mib = max(_SMALLEST_MIB, min(_LARGEST_MIB, memory_mib // 4))
    note = (
        "One machine stands in one zone; write others to see what a different grid would change."
        if zone
        else "Nobody said where this machine stands: FR is a placeholder. Write your zone."
    )
    plain_host = " ".join(host.split()) or "this machine"
    head = _HEAD.format(host=plain_host, cores=cores, memory_mib=memory_mib, name=name, zone_note=note)
    nodes = (
        _NODE.format(
            name=site,
            device=device,
            zone=zone or "FR",
            mark=""
            if zone
            else "                           # PLACEHOLDER: write the zone this machine stands in",
            share=round(min(1.0, share * cores), 2),
            memory_mib=node_mib,
        )
        for site, share, device in _SITES
    )
    return head + "".join(nodes) + _TAIL
