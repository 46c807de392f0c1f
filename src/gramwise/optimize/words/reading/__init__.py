"""Reading plain words: a text to figures, runs, groups, wish and remarks, without knowing any family of problems."""

from __future__ import annotations

from .read import read

__all__ = ["read"]
