"""The files that Hookkeeper writes for people are files that it accepts."""

import re
from itertools import count
from pathlib import Path
from typing import Any

from ingest.config.check import check
from ingest.config.demo import demo
from ingest.config.model import Config
from ingest.config.sample import commented_sample
from ingest.config.schema import (
    AlertsTable,
    DestinationTable,
    FileTable,
    RetryTable,
    RouteTable,
    ScheduleTable,
    SecretEntry,
    SourceTable,
    Table,
    keys_of,
)
from ingest.handlers import load_handlers
from tests.unit.config.conftest import Folder


def test_the_sample_is_valid_as_it_is_written_and_configures_nothing(folder: Folder) -> None:
    assert folder.load(commented_sample()) == folder.load("")


def test_the_sample_is_valid_with_everything_switched_on(folder: Folder) -> None:
    """What a reader gets who removes every # that stands before a key."""
    names = ("GITHUB_WEBHOOK_SECRET", "ACME_SECRET", "BILLING_SECRET", "BILLING_TOKEN")
    folder.environ |= dict.fromkeys((*names, "SMTP_PASSWORD"), "secret")
    folder.environ["SLACK_WEBHOOK_URL"] = "https://hooks.slack.com/services/T/B/x"
    folder.secret("github-old", "old")
    config = folder.load(re.sub(r"^#(?=[^ \n])", "", commented_sample(), flags=re.MULTILINE))
    assert sorted(config.sources) == ["acme", "github", "intranet", "strava"]
    assert config.routes[0].to == ("billing",)


def test_the_sample_shows_every_key_that_there_is() -> None:
    tables: list[type[Table]] = [
        FileTable,
        SourceTable,
        SecretEntry,
        DestinationTable,
        RetryTable,
        RouteTable,
        AlertsTable,
        ScheduleTable,
    ]
    text = commented_sample()
    keys = {key for table in tables for key in keys_of(table)}
    shown = {key for key in keys if re.search(rf"^#.*\b{key}(\b.*\]| = )", text, re.MULTILINE)}
    assert shown == keys


def test_the_sample_tells_the_real_defaults(folder: Folder) -> None:
    text = commented_sample()
    config = folder.load('[destinations.a]\nurl = "https://example.com"')
    assert f'retention = "{config.retention_days}d"' in text
    assert f'timeout = "{config.destinations["a"].timeout_seconds:g}s"' in text
    assert 'base = "5s", cap = "6h", span = "3d"' in text


def written(folder: Folder, secrets_dir: Path, **options: Any) -> Config:
    text, secrets = demo(secrets_dir, **options)
    for path, value in secrets.items():
        (folder.path / path).parent.mkdir(parents=True, exist_ok=True)
        folder.secret(str(path), value)
    return folder.load(text)


def test_the_demo_works_with_the_secrets_that_come_with_it(folder: Folder) -> None:
    config = written(folder, Path("data/secrets"))
    assert sorted(config.sources) == ["acme", "github", "shopify", "stripe"]
    assert all(source.provider.family == "hmac" for source in config.sources.values())
    assert config.secret_files[0] == folder.path / "data/secrets/github"


def test_the_demo_needs_nothing_more_to_handle_its_events(folder: Folder) -> None:
    config = written(folder, Path("data/secrets"))
    assert check(config, load_handlers(config.handler_modules), now=0) == []


def test_the_demo_exports_what_is_new_beside_its_secrets(folder: Folder) -> None:
    call = written(folder, Path("data/secrets")).schedules.active["export-events"].call
    wanted = {"to": str(folder.path / "data/exports/jsonl"), "format": "jsonl", "since": "last"}
    assert (call.kind, call.kwargs) == ("export", wanted)


def test_each_demo_has_secrets_of_its_own(folder: Folder) -> None:
    numbers = count()
    config = written(folder, Path("s"), token=lambda: f"token-{next(numbers)}")
    values = [source.secrets[0].value for source in config.sources.values()]
    assert values == [b"token-0", b"whsec_token-1", b"token-2", b"token-3"]
    first, second = demo(Path("s")).secrets, demo(Path("s")).secrets
    assert not set(first.values()) & set(second.values())
    assert all(len(value) >= 64 for value in first.values())


def test_the_demos_text_holds_no_secret() -> None:
    text, secrets = demo(Path("data/secrets"))
    assert not any(value in text for value in secrets.values())


def test_a_folder_with_an_odd_name_is_written_so_that_it_is_read_back(folder: Folder) -> None:
    odd = folder.path / 'a "quoted" \\ ümläut folder'
    config = written(folder, odd)
    assert config.secret_files[0] == odd / "github"


def test_the_demo_shows_how_to_add_a_destination(folder: Folder) -> None:
    text, secrets = demo(Path("s"))
    (folder.path / "s").mkdir()
    for path, value in secrets.items():
        folder.secret(str(path), value)
    config = folder.load(re.sub(r"^#(?=[^ \n])", "", text, flags=re.MULTILINE))
    assert config.routes[0].to == ("mirror",)
