"""Providers of grid intensity, one file each; a file ends in ``PLUGIN`` and is found by its name."""

from __future__ import annotations
