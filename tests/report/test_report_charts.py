"""Charts: text that can be read, names that cannot break them, the same bytes each time."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from report_runs import PATTERNS, Make

import gramwise
from gramwise.report.charts import Chart, bench_charts, captured_chart, carbon_chart, share_chart
from gramwise.report.document import parse_summary
from gramwise.report.load import Run

pytest.importorskip("matplotlib")
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: str) -> list[str]:
    return ["".join(element.itertext()) for element in ET.fromstring(svg).iter(f"{SVG}text")]


@pytest.fixture(scope="module")
def charts(whole: Run) -> tuple[Chart, ...]:
    return bench_charts(whole.summary, whole.outcomes)


def test_four_charts_name_every_policy_in_text(charts: tuple[Chart, ...]) -> None:
    assert [chart.key for chart in charts] == ["carbon", "latency", "share", "captured"]
    for chart in charts:
        assert set(PATTERNS) <= set(texts(chart.svg))
        assert all(name in chart.label for name in PATTERNS)
    assert "Whiskers: 95 % interval" in charts[0].caption
    assert "B0, B1" in texts(charts[0].svg)
    assert {"lyon", "essen", "krakow"} <= set(texts(charts[2].svg))


def test_no_text_leaves_the_drawing(charts: tuple[Chart, ...]) -> None:
    for chart in charts:
        root = ET.fromstring(chart.svg)
        _, _, width, height = (float(n) for n in root.attrib["viewBox"].split())
        level = [
            text for text in root.iter(f"{SVG}text") if "rotate(-90" not in text.attrib.get("transform", "")
        ]
        assert len(level) > len(PATTERNS)
        for text in level:
            left, right = span(text)
            assert left >= 0, (chart.key, text.text)
            assert right <= width, (chart.key, text.text)
            assert 0 <= float(text.attrib["y"]) <= height


def span(text: ET.Element) -> tuple[float, float]:
    """Left and right end of a level text, measured with the font that it was drawn with."""
    style = text.attrib["style"]
    size = float(style.split("px")[0].split()[-1])
    words = "".join(text.itertext())
    wide = TextPath((0, 0), words, size=size, prop=FontProperties("DejaVu Sans")).get_extents().width
    anchor = style.split("text-anchor:")[1].split(";")[0].strip() if "text-anchor" in style else "start"
    x = float(text.attrib["x"])
    left = x - {"start": 0.0, "middle": wide / 2, "end": wide}[anchor]
    return left, left + wide


def test_the_names_beside_the_points_do_not_overlap(charts: tuple[Chart, ...]) -> None:
    heights = sorted(
        float(text.attrib["y"])
        for text in ET.fromstring(charts[1].svg).iter(f"{SVG}text")
        if "".join(text.itertext()) in PATTERNS
    )
    assert len(heights) == len(PATTERNS)
    assert min(b - a for a, b in pairwise(heights)) >= 9  # the font's size


def test_without_outcomes_no_interval_is_drawn(document: dict[str, Any]) -> None:
    assert "Whiskers" not in carbon_chart(parse_summary(document)).caption


def test_unknown_numbers_are_said_in_every_chart(document: dict[str, Any]) -> None:
    row = document["policies"][1]
    row.update(carbon_g_per_inference=None, node_share=None, captured_b1_frac=None)
    carbon, latency, share, captured = bench_charts(parse_summary(document))
    assert all("unknown" in texts(chart.svg) for chart in (carbon, share, captured))
    assert "Not drawn, because unknown: round-robin." in latency.caption


def test_nothing_known_at_all_still_draws(document: dict[str, Any]) -> None:
    document["policies"] = [{"name": "only"}]
    document["bounds"] = {}
    assert all(
        "only" in chart.label or chart.key == "latency" for chart in bench_charts(parse_summary(document))
    )


def test_names_are_drawn_not_interpreted(document: dict[str, Any]) -> None:
    document["policies"][1]["name"] = "<script>$x_$"
    document["policies"][2]["name"] = "節約"  # the drawing font has no such letters; the reader's may
    for chart in bench_charts(parse_summary(document)):
        assert "<script" not in chart.svg
        assert {"<script>$x_$", "節約"} <= set(texts(chart.svg))


def test_many_nodes_are_gathered_into_one_share(document: dict[str, Any]) -> None:
    document["policies"][0]["node_share"] = {f"n{k:02}": 1 / 12 for k in range(12)}
    labels = texts(share_chart(parse_summary(document)).svg)
    assert "other nodes" in labels
    assert "lyon" in labels
    # Fourteen or fifteen nodes, seven kept: the rest of the first bar is one piece.
    assert any(label.isdigit() and int(label) > 50 for label in labels)


def test_a_bar_far_below_the_baseline_is_cut_and_says_so(document: dict[str, Any]) -> None:
    captured = captured_chart(parse_summary(document))
    assert "◂ -2735" in texts(captured.svg)
    assert "cut at -100 %" in captured.caption


def test_without_matplotlib_the_install_command_is_given(tmp_path: Path, make_run: Make) -> None:
    (tmp_path / "matplotlib").mkdir()
    (tmp_path / "matplotlib" / "__init__.py").write_text("raise ImportError('not here')\n", encoding="utf-8")
    page = tmp_path / "page.html"
    script = (
        "import sys\n"
        "from gramwise.report.load import load_run\n"
        "from gramwise.report.html import write_html\n"
        "from gramwise.report.charts import bench_charts\n"
        "from gramwise.core.errors import SourceUnavailable\n"
        "run = load_run(sys.argv[1])\n"
        "write_html(run, sys.argv[2])\n"
        "try:\n    bench_charts(run.summary)\n"
        "except SourceUnavailable as error:\n    print(error)\n"
    )
    source = Path(gramwise.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", script, str(make_run()), str(page)],
        env={"PYTHONPATH": f"{tmp_path}:{source}", "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.strip() == "charts need matplotlib: pip install 'gramwise[plot]'"
    text = page.read_text(encoding="utf-8")
    assert "<svg" not in text
    assert "pip install &#x27;gramwise[plot]&#x27;" in text
