"""Links between the pages lead somewhere, and the log's index is complete."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
LOG = ROOT / "docs" / "log"
ENTRIES = sorted(path for path in LOG.glob("*.md") if path.name != "README.md")


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text())
    inside = [link for link in links if not link.startswith("http")]
    assert not [link for link in inside if not (page.parent / link).exists()]


def test_the_log_has_an_index_in_order():
    rows = re.findall(
        r"^\| (\d{4}-\d\d-\d\d) \| \[(.*)\]\((\S+)\) \| \S.* \|$", (LOG / "README.md").read_text(), re.MULTILINE
    )
    titles = {path.name: path.read_text().splitlines()[0].removeprefix("# ") for path in ENTRIES}
    assert {file: title for _, title, file in rows} == titles
    assert all(file.startswith(date) for date, _, file in rows)
    dates = [date for date, _, _ in rows]
    assert dates == sorted(dates, reverse=True) and len(rows) == len(ENTRIES)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda path: path.stem)
def test_an_entry_is_short_and_says_its_date(entry):
    lines = entry.read_text().splitlines()
    assert len(lines) <= 60
    assert lines[0].startswith("# ") and lines[1] == "" and lines[2].startswith(entry.name[:10])
