"""What machines and links exist: the device catalogue and the scenario file."""

from __future__ import annotations
