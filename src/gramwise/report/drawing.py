"""A picture that can be drawn for a page or as a file of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gramwise.report.charts import Chart, embedded, picture

WIDE_IN = 10.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A picture that can be drawn for a page or as a file.

    Attributes:
        key: for ids and file names.
        title, caption, label: as of a `Chart`.
        paint: draws on a matplotlib figure.
        height_in: of the figure, inches; the width is `WIDE_IN`.
    """

    key: str
    title: str
    caption: str
    label: str
    paint: Callable[[Any], None]
    height_in: float

    def chart(self) -> Chart:
        """For a page.

        Raises:
            SourceUnavailable: matplotlib is not installed.
        """
        svg = embedded(self.key, self.paint, width_in=WIDE_IN, height_in=self.height_in)
        return Chart(key=self.key, title=self.title, caption=self.caption, label=self.label, svg=svg)

    def file(self, kind: str) -> bytes:
        """The content of a file, ``"svg"`` or ``"png"``.

        Raises:
            SourceUnavailable: matplotlib is not installed.
        """
        return picture(self.key, self.paint, kind, width_in=WIDE_IN, height_in=self.height_in)
