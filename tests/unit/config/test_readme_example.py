"""The sources that the README shows are a configuration that works."""

import re
from pathlib import Path

from tests.unit.config.conftest import Folder

README = Path(__file__).parents[3] / "README.md"


def test_the_sources_of_the_readme_are_read_as_they_stand(folder: Folder) -> None:
    section = README.read_text(encoding="utf-8").partition("\n## Sources\n")[2]
    (example, *_) = re.findall(r"```toml\n(.*?)```", section.partition("\n## ")[0], re.DOTALL)
    folder.environ = {"GITHUB_WEBHOOK_SECRET": "one", "ACME_WEBHOOK_SECRET": "two"}
    folder.secret("old-secret", "zero")

    sources = folder.load(example).sources

    assert sources.keys() == {"github", "acme"}
    assert [one.name for one in sources["github"].secrets] == [
        "env:GITHUB_WEBHOOK_SECRET",
        "file:old-secret",
    ]
    own = sources["acme"].provider
    assert (own.evidence, own.family, own.deadline_seconds) == ("custom", "hmac", 5)
    assert own.event_id is not None
    assert own.event_id.atoms <= own.signed_atoms, "duplicates are told by the signed id"
