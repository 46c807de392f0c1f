"""Every outcome, durable: a spool that survives the process, a database that answers, receipts that can be checked."""

from __future__ import annotations

from .answers import BY, by, energy, export_csv, outcome, summary
from .book import Book
from .ledger import Ledger
from .receipts import parse, receipt, verify
from .rows import NodeTime, Row, Status
from .spool import LedgerFull
from .tables import Database
from .tally import DIMENSIONS

__all__ = [
    "BY",
    "DIMENSIONS",
    "Book",
    "Database",
    "Ledger",
    "LedgerFull",
    "NodeTime",
    "Row",
    "Status",
    "by",
    "energy",
    "export_csv",
    "outcome",
    "parse",
    "receipt",
    "summary",
    "verify",
]
