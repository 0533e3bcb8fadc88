"""Secrets are replaced and the file is rewritten under load: no valid request is rejected."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.load import Load
from tests.pipeline import SECRET, Pipeline, github_headers
from tests.waiting import wait_until

pytestmark = pytest.mark.live

ROUNDS = 5


def write(path: Path, content: str) -> None:
    """As an editor or a secret store does it: whole or not at all."""
    draft = path.with_name(f"{path.name}.draft")
    draft.write_text(content)
    draft.chmod(0o600)
    draft.replace(path)


@pytest.fixture
def rotating(pipeline: Pipeline) -> Iterator[Pipeline]:
    """The pipeline, with room for a second secret; at the end it is as it was."""
    config = pipeline.folder / "hookkeeper.toml"
    before = config.read_text()
    write(pipeline.folder / "next", SECRET)
    write(config, before.replace('["file:secret"]', '["file:secret", "file:next"]'))
    yield pipeline
    write(config, before)
    write(pipeline.folder / "secret", SECRET)
    until_proves(pipeline, SECRET)


def proves(pipeline: Pipeline, secret: str) -> bool:
    """Whether a request signed so is let in by now: asked from outside, as the sender learns it."""
    body = b'{"zen": "is it there yet"}'
    return pipeline.post("github", body, github_headers(body, secret=secret)).status == 202


def until_proves(pipeline: Pipeline, secret: str) -> None:
    wait_until(lambda: proves(pipeline, secret), timeout=30, describe="a secret taken over")


def test_secrets_are_replaced_under_load_and_no_valid_request_is_rejected(
    rotating: Pipeline,
) -> None:
    config = rotating.folder / "hookkeeper.toml"
    with Load(rotating) as load:
        for number in range(ROUNDS):
            fresh = f"secret number {number}"
            write(rotating.folder / "next", fresh)
            until_proves(rotating, fresh)
            load.secret = fresh
            write(config, f"# round {number}\n{config.read_text()}")
            load.goes_on()
            write(rotating.folder / "secret", fresh)
    assert load.refused == []
    assert not proves(rotating, SECRET)
