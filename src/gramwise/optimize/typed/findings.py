"""What a validator says: a stable code, where, in words, and what to write instead."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One remark about a problem.

    Attributes:
        code: letter and three digits, stable over releases: E blocks, W warns; the first digit is the pass.
        where: the declaration it is about, as ``constraint deadline`` or ``objective``.
        message: one sentence in plain words.
        fix: what to write instead; empty where nothing is known.
        fragment: the offending piece of text, short.
    """

    code: str
    where: str
    message: str
    fix: str = ""
    fragment: str = ""

    @property
    def blocks(self) -> bool:
        """Whether the problem must not be compiled."""
        return self.code.startswith("E")

    def __str__(self) -> str:
        return f"{self.code} {self.where}: {self.message}" + (f" {self.fix}" if self.fix else "")


class Refused(Exception):
    """Raised inside a pass to stop at the first fault; the pass turns it into its finding."""

    def __init__(self, code: str, message: str, *, fix: str = "", fragment: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.fix, self.fragment = code, message, fix, fragment

    def at(self, where: str) -> Finding:
        """The same as a finding about ``where``."""
        return Finding(
            code=self.code, where=where, message=self.message, fix=self.fix, fragment=self.fragment[:80]
        )
