"""The page: well-formed, self-contained, escaped, honest about what is unknown."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from report_runs import Make

from gramwise.core.errors import RunDirectoryError
from gramwise.report.html import page, write_html
from gramwise.report.load import Run, load_run

HOSTILE = ("<script>alert(1)</script>", '"><img src=x onerror=y>', "a&b<!--", "</style></svg>")
VOID = {"meta", "br", "link", "img", "hr", "input"}
LOADING = {"src", "href", "xlink:href", "data", "action", "poster", "srcset"}


class Checker(HTMLParser):
    """Collects what an open page would load, duplicate ids, headings without scope, and tags left open."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.faults: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        self._look(tag, dict(attrs))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._look(tag, dict(attrs))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> closes nothing")

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def _look(self, tag: str, attrs: dict[str, str | None]) -> None:
        self.ids += [value for key, value in attrs.items() if key == "id" and value]
        for key in LOADING & set(attrs):
            if not (attrs[key] or "").startswith("#"):
                self.faults.append(f"{tag} loads {attrs[key]}")
        if tag == "th" and "scope" not in attrs:
            self.faults.append("th without scope")
        if tag == "svg" and not (attrs.get("role") == "img" and attrs.get("aria-label")):
            self.faults.append("svg without words")
        if any(key.startswith("on") for key in attrs):
            self.faults.append(f"{tag} has a handler")


def checked(text: str) -> Checker:
    checker = Checker()
    checker.feed(text)
    checker.close()
    checker.faults += [f"<{tag}> is left open" for tag in checker.open]
    checker.faults += [f"id {name} twice" for name in set(checker.ids) if checker.ids.count(name) > 1]
    return checker


@pytest.fixture(scope="module")
def usual(whole: Run) -> str:
    return page(whole)


def test_the_page_is_whole_and_loads_nothing(usual: str) -> None:
    result = checked(usual)
    assert result.faults == []
    assert "script" not in result.tags
    assert "@import" not in usual
    assert "url(http" not in usual
    assert result.tags.count("svg") == 4
    assert '<html lang="en">' in usual


def test_the_page_says_result_balance_boundaries_and_simulation(usual: str) -> None:
    words = " ".join(checked(usual).words)
    for said in (
        "greenest-zone emitted 45.1 % less CO2e per inference than monolithic on essen",
        "(95 % interval 43.1 to 47.1 % less), at equal work",
        "attributed 12.3 J + idle 40.1 J + overhead 0.9 J = 53.3 J against metered 53.2 J (closes to 100.2 %",
        "The sites are simulated: all nodes ran on one machine (Linux x86_64, 4 CPUs, an example CPU)",
        "Included in carbon per inference",
        "Not included: making and scrapping the hardware",
        "annual mean of the zone, a data table, 2024",
        "assumed, board [1]",
        "gramwise bench three-sites.toml",
    ):
        assert said in words


def test_unknown_numbers_are_said_unknown(make_run: Make, document: dict[str, Any]) -> None:
    document["policies"] = [{"name": "alone", "requests": 3}]
    document["nodes"] = [{"name": "n"}]
    document["balance"], document["bounds"], document["provenance"] = {}, {}, []
    text = page(load_run(make_run(summary=document)))
    row = text[text.index('<th scope="row">alone') :]
    cells = row[: row.index("</tr>")].split("<td")[1:]
    assert len(cells) == 11
    assert all("unknown" in cell for cell in cells)
    assert "The run does not say how its numbers are known." in text
    assert checked(text).faults == []


def test_names_from_users_stay_text(make_run: Make, document: dict[str, Any]) -> None:
    script, image, comment, closing = HOSTILE
    text = json.dumps(document)
    for name, hostile in (("lyon", script), ("grams", image), ("FR", comment), ("monolithic", closing)):
        text = text.replace(json.dumps(name), json.dumps(hostile))
    folder = make_run(
        summary={**json.loads(text), "scenario": closing, "baseline_node": image, "provenance": [script]},
        scenario_toml=f"# {script} {closing}\n",
    )
    result = checked(page(load_run(folder)))
    assert result.faults == []
    assert not {"script", "img"} & set(result.tags)
    assert all(name in "".join(result.words) for name in HOSTILE)


def test_an_unfinished_run_says_so(make_run: Make) -> None:
    text = page(load_run(make_run(summary=None, finished=False)))
    assert "Unfinished: this run stopped early" in text
    assert "counted again from its outcomes" in text
    assert checked(text).faults == []


def test_the_same_run_gives_the_same_file(whole: Run, usual: str, tmp_path: Path) -> None:
    file = write_html(whole, tmp_path / "page.html")
    assert file.read_text(encoding="utf-8") == usual
    assert [each.name for each in tmp_path.iterdir()] == ["page.html"]


@pytest.mark.parametrize("place", ["nowhere/page.html", "taken"])
def test_a_page_that_cannot_be_written_leaves_nothing_behind(whole: Run, tmp_path: Path, place: str) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(RunDirectoryError, match=rf"{place} cannot be written: .*; give another file"):
        write_html(whole, tmp_path / place)
    assert [each.name for each in tmp_path.iterdir()] == ["taken"]
