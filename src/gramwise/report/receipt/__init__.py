"""Receipts of runs and of bills: written beside a run, verified by working everything out again, and compared by cause.

The document itself, its spelling and its hash are `gramwise.core.receipt`.
"""

from __future__ import annotations

from gramwise.report.receipt.diff import diff
from gramwise.report.receipt.record import (
    read_receipt,
    read_sealed,
    receipt_of_run,
    well_built,
    write_receipt,
)
from gramwise.report.receipt.verify import Finding, verify

__all__ = [
    "Finding",
    "diff",
    "read_receipt",
    "read_sealed",
    "receipt_of_run",
    "verify",
    "well_built",
    "write_receipt",
]
