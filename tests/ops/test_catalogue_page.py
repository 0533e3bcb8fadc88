"""The catalogue's page is what the catalogue says."""

import re

from ingest.verify import load_catalogue
from ops.catalogue.page import PAGE, rendered

CATALOGUE = load_catalogue()


def rows(text: str) -> dict[str, list[str]]:
    """Slug -> the cells of its line."""
    found = re.findall(r"^\| `(\w+)` \| (.+) \|$", text, re.MULTILINE)
    assert len({slug for slug, _ in found}) == len(found)
    return {slug: re.split(r" (?<!\\)\| ", cells) for slug, cells in found}


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == rendered(), "run: python -m ops.catalogue"


def test_every_provider_has_its_line() -> None:
    found = rows(rendered())
    assert found.keys() == set(CATALOGUE)
    for slug, (name, evidence, _, setup) in found.items():
        entry = CATALOGUE[slug]
        assert entry.name.replace("|", "\\|") in name
        assert entry.docs in name or slug == "none"
        assert evidence == entry.evidence
        assert setup == entry.setup


def test_the_counts_on_top_are_those_of_the_lines() -> None:
    text = rendered()
    (total,) = re.findall(r"^\| \*\*all\*\* \| ([\d |]+) \|$", text, re.MULTILINE)
    *parts, whole = map(int, total.split(" | "))
    assert sum(parts) == whole == len(CATALOGUE)
    evidence = [cells[1] for cells in rows(text).values()]
    assert parts == [evidence.count(one) for one in ("proven", "documented", "community")]


def test_the_contents_lead_to_sections_that_exist() -> None:
    text = rendered()
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    sections = {one.lower().replace(" ", "-") for one in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) == sections


def test_text_that_would_break_a_table_is_escaped() -> None:
    odd = CATALOGUE["github"].model_copy(update={"setup": "a|b <c>"})
    assert "| a\\|b &lt;c> |" in rendered({"github": odd})
