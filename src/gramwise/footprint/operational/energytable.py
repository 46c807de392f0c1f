"""The last rung: picojoules an operation and a byte at 45 nm, scaled to a process node. For an order of magnitude only.

    E = f_system (s(node) (MAC (e_multiply + e_add) + instructions e_instruction) + bytes e_sram)     on the chip
    E = f_system (s(node) (MAC (e_multiply + e_add) + instructions e_instruction)) + bytes e_dram     beside it

A unit that fetches instructions (``cpu``) pays 70 pJ for each, which buries the arithmetic; a spatial one (npu, gpu) is
charged none. ``f_system`` is what published whole devices take over that: flash, regulators, leakage, idle lanes.
Memory is not scaled: wires and DRAM gained far less than logic did. Halving the bits cuts arithmetic energy by more
than half and traffic by half only, so gains between precisions lie in between.
Source of the figures: Horowitz, ISSCC 2014; rows of ``data/energy_per_operation.csv``.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from gramwise.core.errors import ConfigError
from gramwise.core.units import FLOP_PER_MAC
from gramwise.footprint.factors import factor, table

from .kernels import BITS_PER_BYTE, Kernel

TABLE = "energy_per_operation"
J_PER_PJ = 1e-12

SRAM_SIZES = {"sram.8KB": 8 * 1024, "sram.32KB": 32 * 1024, "sram.1MB": 1024 * 1024}
"""Bytes of the memories whose read energy the table gives."""


def mac_j(precision: str) -> float:
    """Joules of the bare arithmetic of one multiply-accumulate at 45 nm; integers accumulate at 32 bits elsewhere.

    ``bf16`` is charged as ``fp16``.

    Raises:
        ConfigError: a precision that the table does not have.
    """
    row = "fp16" if precision == "bf16" else precision
    return (factor(TABLE, f"multiply.{row}").value + factor(TABLE, f"add.{row}").value) * J_PER_PJ


def node_factor(node_nm: float) -> float:
    """Energy of logic at a node over that at 45 nm; between two rows of the table, linear in logarithms.

    Raises:
        ConfigError: a node outside the table. Older ones are not guessed: supply voltages differ too much there.
    """
    rows = {
        float(key.removeprefix("node.")): f.value
        for key, f in table(TABLE).items()
        if key.startswith("node.")
    }
    nodes = sorted(rows)
    if not nodes[0] <= node_nm <= nodes[-1]:
        raise ConfigError(
            f"no energies are known for a process node of {node_nm:g} nm.",
            key="node_nm",
            fix=f"Write a node from {nodes[0]:g} to {nodes[-1]:g} nm.",
        )
    return float(np.exp(np.interp(np.log(node_nm), np.log(nodes), np.log([rows[n] for n in nodes]))))


def byte_j(memory_bytes: float | None) -> float:
    """Joules of moving one byte: on-chip memory of that size, or DRAM for None.

    Between the sizes of the table linear in logarithms, beyond them the nearest row.
    """
    if memory_bytes is None:
        return factor(TABLE, "dram").value * J_PER_PJ / (32 / BITS_PER_BYTE)
    if not memory_bytes > 0.0:
        raise ConfigError(f"must be positive, not {memory_bytes}.", key="memory_bytes")
    sizes = np.log(list(SRAM_SIZES.values()))
    reads = np.log([factor(TABLE, key).value for key in SRAM_SIZES])
    per_read = float(np.exp(np.interp(np.log(memory_bytes), sizes, reads)))
    return per_read * J_PER_PJ / (64 / BITS_PER_BYTE)


def table_energy_j(
    kernels: Iterable[Kernel], node_nm: float, memory_bytes: float | None = None, cpu: bool = True
) -> float:
    """Joules that a whole device spends on kernels, from the table alone.

    Args:
        kernels: of one inference.
        node_nm: of the process that made the chip.
        memory_bytes: on-chip memory that holds weights and activations; None where they come from DRAM.
        cpu: whether instructions are fetched for the arithmetic.
    """
    scale, per_byte = node_factor(node_nm), byte_j(memory_bytes)
    system = factor(TABLE, "system.cpu" if cpu else "system.spatial").value
    per_byte *= system if memory_bytes is not None else 1.0  # what it was found on had all memory on the chip
    total = 0.0
    for k in kernels:
        per_mac = mac_j(k.precision)
        if cpu:
            fetched = factor(TABLE, f"cpu.instructions_per_mac.{k.precision}").value
            per_mac += fetched * factor(TABLE, "instruction").value * J_PER_PJ
        total += system * scale * per_mac * k.ops_flop / FLOP_PER_MAC + per_byte * k.moved_bytes
    return total
