"""The page and the pictures of a simulation: self-contained, said to be simulated, honest about what is unknown."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from ahead_runs import document, write_ahead, write_hours
from test_report_html import checked

from gramwise.core.errors import ConfigError, RunDirectoryError
from gramwise.report.ahead import page, write_figures, write_page
from gramwise.report.ahead_bounds import bound_drawing, gap_percent, share
from gramwise.report.ahead_charts import heat_drawing, load_drawing
from gramwise.report.ahead_run import load_ahead, parse_ahead

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: bytes) -> list[str]:
    return ["".join(element.itertext()) for element in ET.fromstring(svg).iter(f"{SVG}text")]


def faults(text: str) -> list[str]:
    """What is wrong with a page; an image inside the page is no load."""
    return [fault for fault in checked(text).faults if not fault.startswith("image loads data:image/png")]


@pytest.mark.parametrize("schema", ["gramwise.simulate/1", "gramwise.sweep/1"])
def test_the_page_is_whole_and_says_that_it_is_simulated(tmp_path: Path, schema: str) -> None:
    pytest.importorskip("matplotlib")
    file = write_page(write_ahead(tmp_path / "r", schema=schema))
    assert file == tmp_path / "r" / "report.html"
    text = file.read_text(encoding="utf-8")
    assert faults(text) == []
    assert text.count("<svg ") == 3
    assert text.count("simulated ·") == 3
    assert "smart spends the fewest grams, 2.10 g, -73.8 % against plain" in text
    assert "not comparable" in text
    assert "three &lt;places&gt;" in text
    assert "https://" not in text


def test_the_same_run_gives_the_same_page(tmp_path: Path) -> None:
    run = load_ahead(write_ahead(tmp_path / "r"))
    assert page(run) == page(run)


def test_hostile_names_are_only_text(tmp_path: Path) -> None:
    made = document("gramwise.simulate/1", scenario="<script>alert(1)</script>")
    made["policies"][1]["name"] = '"><img src=x>'
    folder = write_ahead(tmp_path / "r", scenario=made["scenario"], policies=made["policies"])
    text = write_page(folder).read_text(encoding="utf-8")
    assert faults(text) == []
    assert not {"script", "img"} & set(checked(text).tags)


def test_a_run_without_hours_still_has_its_bounds(tmp_path: Path) -> None:
    folder = write_ahead(tmp_path / "r")
    (folder / "hours.csv").unlink()
    text = write_page(folder).read_text(encoding="utf-8")
    assert "The run has no hours.csv" in text
    assert text.count("Policies against the bounds") >= 1
    assert faults(text) == []


def test_other_settings_of_a_sweep_stand_in_a_table(tmp_path: Path) -> None:
    case = {k: v for k, v in document("gramwise.sweep/1").items() if k != "schema"}
    cases = [{"parameters": {"simulation.load_frac": load}, **case} for load in (0.3, 0.7)]
    text = write_page(write_ahead(tmp_path / "r", schema="gramwise.sweep/1", cases=cases)).read_text("utf-8")
    assert "simulation.load_frac = 0.3" in text
    assert "simulation.load_frac = 0.7" in text


def test_unknown_is_said_and_never_zero(tmp_path: Path) -> None:
    made = document("gramwise.simulate/1", bounds={"b0_g": None, "b1_g": None, "note": "no bound: <why>"})
    for policy in made["policies"]:
        policy |= {"gap_b1_frac": None, "captured_frac": None, "accuracy_frac": None}
    folder = write_ahead(tmp_path / "r", bounds=made["bounds"], policies=made["policies"])
    text = write_page(folder).read_text(encoding="utf-8")
    assert faults(text) == []
    assert "B1 is unknown" in text
    assert "no bound: &lt;why&gt;" in text


def test_pictures_are_files_of_both_kinds(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    written = write_figures(write_ahead(tmp_path / "r"), tmp_path / "out" / "deep")
    assert {file.name for file in written} == {
        f"{k}.{e}" for k in ("bound", "load", "heat") for e in ("svg", "png")
    }
    for file in written:
        content = file.read_bytes()
        if file.suffix == ".png":
            assert content.startswith(b"\x89PNG")
        else:
            assert any("simulated" in text for text in texts(content))
    assert [f.read_bytes() for f in write_figures(tmp_path / "r", tmp_path / "again")] == [
        f.read_bytes() for f in written
    ]


def test_another_format_or_place_is_refused(tmp_path: Path) -> None:
    folder = write_ahead(tmp_path / "r")
    with pytest.raises(ConfigError, match="gif"):
        write_figures(folder, tmp_path / "out", ["gif"])
    (tmp_path / "file").write_text("in the way")
    pytest.importorskip("matplotlib")
    with pytest.raises(RunDirectoryError, match="cannot be written"):
        write_figures(folder, tmp_path / "file", ["png"])


def test_bars_that_dropped_work_say_so(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    found = texts(bound_drawing(parse_ahead(document("gramwise.sweep/1"))).file("svg"))
    assert "0.50  dropped 25.0 %" in found
    assert found.count("not comparable") == 1
    assert "plain (baseline)" in found
    assert "+5.00 %" in found
    assert "B2" not in found


def test_idle_power_and_b2_have_a_panel_of_their_own() -> None:
    pytest.importorskip("matplotlib")
    bounds = {"b0_g": 1.5, "b1_g": 2.0, "b1_at_once_g": 3.5, "b2_g": 40.0}
    found = texts(bound_drawing(parse_ahead(document("gramwise.sweep/1", bounds=bounds))).file("svg"))
    assert "B2" in found
    assert "B1 at once" in found
    assert any("with idle power" in each for each in found)
    assert "108.0" in found  # plain: 8 g of its own and 100 g idle


def test_no_more_nodes_are_drawn_than_can_be_read(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    folder = write_ahead(tmp_path / "r", hours=24)
    places = tuple((f"n{k:02d}", "ZZ", 100.0 + k) for k in range(45))
    write_hours(folder, hours=24, places=places)
    nodes = load_ahead(folder).hours["smart"]
    drawn = load_drawing(nodes, "smart")
    assert "39 more are not drawn" in drawn.caption
    assert sum(each.endswith("· ZZ") for each in texts(drawn.file("svg"))) == 6
    heat = heat_drawing(nodes, "smart")
    assert "5 more are not drawn" in heat.caption
    rows = [each for each in texts(heat.file("svg")) if each.endswith("· ZZ")]
    assert rows == [
        f"n{k:02d} · ZZ" for k in range(40)
    ]  # cleanest first; the most loaded are the cleanest here


def test_small_figures_keep_their_digits() -> None:
    assert [gap_percent(x) for x in (0.0042, -0.00001, 0.25, None)] == ["+0.42", "0.00", "+25.0", None]
    assert [share(x) for x in (0.0, 0.0003, 0.25, None)] == ["0.0", "<0.1", "25.0", None]


def test_without_matplotlib_the_page_says_what_to_install(tmp_path: Path) -> None:
    folder = write_ahead(tmp_path / "r")
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from gramwise.report.ahead import write_figures, write_page\n"
        "from gramwise.core.errors import SourceUnavailable\n"
        f"write_page({str(folder)!r})\n"
        "try:\n"
        f"    write_figures({str(folder)!r}, {str(tmp_path / 'out')!r})\n"
        "except SourceUnavailable as fault:\n"
        "    print(fault)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "pip install 'gramwise[plot]'" in done.stdout
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert "pip install &#x27;gramwise[plot]&#x27;" in text
    assert "<svg" not in text
    assert "fewest grams" in text
    assert faults(text) == []
