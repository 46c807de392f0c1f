"""How dirty the electricity is, where and when."""

from __future__ import annotations
