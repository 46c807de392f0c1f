"""The HTML page of a real run in a real browser, with no network: what a person sees who opens the file."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)
PNG_START = b"\x89PNG"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a short run of the shipped example."""
    out = tmp_path_factory.mktemp("runs")
    example = Path(__file__).resolve().parents[2] / "examples" / "three-sites.toml"
    subset = ["--policy", "monolithic", "--policy", "grams", "--requests", "4", "--repeats", "1"]
    command = [sys.executable, "-m", "gramwise", "bench", str(example), "--out", str(out), *subset]
    subprocess.run(command, check=True, capture_output=True)
    return next(out.glob("*/report.html"))


def chromium(profile: Path, *arguments: str) -> str:
    """What a fresh browser says."""
    command = [CHROMIUM or "chromium", *FLAGS, f"--user-data-dir={profile}", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
def test_the_page_renders_with_its_charts(page: Path, tmp_path: Path) -> None:
    dom = chromium(tmp_path / "profile", "--dump-dom", page.as_uri())
    assert "grams per inference" in dom
    assert dom.count("<svg") >= 4
    assert "monolithic" in dom
    shot = tmp_path / "page.png"
    chromium(tmp_path / "profile", f"--screenshot={shot}", "--window-size=1200,2400", page.as_uri())
    assert shot.read_bytes().startswith(PNG_START)
    assert shot.stat().st_size > 50_000  # a blank page of this size is under 20 kB


def test_the_page_asks_for_nothing_from_outside(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert 'src="http' not in text
    assert "@import" not in text
    assert "<script" not in text
