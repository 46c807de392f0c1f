"""Every relative link in the documentation leads to a file, and every page can be reached from the index."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md")])
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")


def targets(page: Path) -> list[Path]:
    """What a page links to inside the tree."""
    return [(page.parent / link).resolve() for link in LINK.findall(page.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    missing = [str(target) for target in targets(page) if not target.exists()]
    assert not missing


def test_every_page_is_linked_from_another() -> None:
    linked = {target for page in PAGES for target in targets(page)}
    folders = {target for target in linked if target.is_dir()}
    lonely = [p for p in PAGES if p not in linked and p.parent not in folders and p.name != "README.md"]
    assert not lonely
