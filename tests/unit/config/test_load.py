from dataclasses import replace
from ipaddress import ip_network

import jmespath
import pytest

from ingest.backoff import RetryPolicy
from ingest.config.model import Config, Schedules
from ingest.events import DestinationKind
from ingest.patterns import Pattern
from ingest.verify.catalogue import load_catalogue
from tests.unit.config.conftest import Folder

WHOLE = """
handlers = ["handlers", "billing.hooks"]
retention = "30d"

[sources.github]
provider = "github"
secrets = ["env:SECRET", { value = "file:old", expires = "2026-12-01T00:00:00Z" }]
max_body = "25MiB"
dedupe = "provider"
dedupe_window = "14d"
retention = "1w"

[sources.acme]
secrets = ["env:SECRET"]
options = { team = "payments" }
[sources.acme.scheme]
family = "hmac"
header = "X-Signature"
algorithm = "sha512"

[sources.intranet]
provider = "none"

[destinations.billing]
url = "https://billing.example.com/hooks?team=1"
secret = "env:SECRET"
timeout = "2.5s"
concurrency = 10
allow = ["10.0.0.0/8", "fd00::/8"]
headers = { X-Team = "billing", Authorization = "env:TOKEN" }
retry = { base = "1s", cap = "1h", span = "1d", attempts = 20 }

[destinations.chat]
url = "env:CHAT_URL"

[[routes]]
source = "github"
types = ["push", "issues.*"]
where = "repository.private == `false`"
to = ["billing", "chat"]

[[routes]]
source = "*"
to = ["chat"]
"""


@pytest.fixture
def whole(folder: Folder) -> Config:
    folder.secret("old", "old secret\n")
    folder.environ |= {"TOKEN": "Bearer abc", "CHAT_URL": "https://chat.example.com/T0/B0/x"}
    return folder.load(WHOLE)


def test_a_source_is_read_with_its_provider_and_secrets(whole: Config) -> None:
    github = whole.sources["github"]
    assert github.name == "github"
    assert github.provider is load_catalogue()["github"]
    assert [(each.name, each.value, each.expires_at) for each in github.secrets] == [
        ("env:SECRET", b"correct horse", None),
        ("file:old", b"old secret", 1_796_083_200_000),
    ]
    assert github.max_body == 26_214_400
    assert github.dedupe_window_ms == 14 * 86_400_000
    assert github.retention_days == 7


def test_a_signature_can_be_described_in_the_file_alone(whole: Config) -> None:
    acme = whole.sources["acme"].provider
    assert (acme.slug, acme.family, acme.header) == ("acme", "hmac", ("X-Signature",))
    assert acme.algorithm == "sha512"
    assert whole.sources["acme"].options == {"team": "payments"}


def test_a_source_that_proves_nothing_can_be_asked_for_and_needs_no_secret(whole: Config) -> None:
    assert whole.sources["intranet"].provider.family == "none"
    assert whole.sources["intranet"].secrets == ()


def test_a_destination_is_read_whole(whole: Config) -> None:
    billing = whole.destinations["billing"]
    assert (billing.name, billing.kind, billing.queue) == (
        "billing",
        DestinationKind.HTTP,
        "deliver",
    )
    assert billing.url == "https://billing.example.com/hooks?team=1"
    assert billing.secret is not None
    assert billing.secret.value == b"correct horse"
    assert billing.timeout_seconds == 2.5
    assert billing.concurrency == 10
    assert billing.allow == (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))
    assert billing.headers == {"X-Team": "billing", "Authorization": "Bearer abc"}
    assert billing.retry == RetryPolicy(1_000, 3_600_000, 86_400_000, 20)


def test_a_url_that_is_a_secret_can_come_from_the_environment(whole: Config) -> None:
    assert whole.destinations["chat"].url == "https://chat.example.com/T0/B0/x"


def test_routes_keep_their_order_and_their_predicates_are_compiled(whole: Config) -> None:
    first, second = whole.routes
    assert first.to == ("billing", "chat")
    assert (first.pattern.source, first.pattern.types) == ("github", ("push", "issues.*"))
    assert isinstance(first.pattern.where, type(jmespath.compile("a")))
    assert second.pattern == Pattern("*", (), None)


def test_the_file_says_how_long_events_are_kept_and_which_modules_handle_them(
    whole: Config,
) -> None:
    assert whole.retention_days == 30
    assert whole.handler_modules == ("handlers", "billing.hooks")


def test_no_secret_shows_when_a_configuration_is_printed(whole: Config) -> None:
    shown = repr(whole)
    for secret in ("correct horse", "old secret", "Bearer abc", "T0/B0"):
        assert secret not in shown


def test_without_a_file_the_configuration_is_empty_and_valid(folder: Folder) -> None:
    """Workers and receivers start before anything is configured, and say what is missing."""
    assert replace(folder.load(""), schedules=Schedules()) == Config()
    assert (Config().retention_days, Config().routes) == (90, ())


def test_what_is_left_out_has_the_documented_default(folder: Folder) -> None:
    config = folder.load(
        """
        [sources.stripe]
        provider = "stripe"
        secrets = ["env:SECRET"]
        [destinations.billing]
        url = "http://localhost:9000"
        """
    )
    source, destination = config.sources["stripe"], config.destinations["billing"]
    assert (source.max_body, source.dedupe) == (10_000_000, "provider")
    assert (source.dedupe_window_ms, source.retention_days) == (7 * 86_400_000, None)
    assert (destination.timeout_seconds, destination.concurrency) == (15.0, None)
    assert (destination.secret, destination.allow, destination.headers) == (None, (), {})
    assert destination.retry == RetryPolicy()


def test_a_duplicate_is_known_for_as_long_as_the_provider_may_send_it(folder: Folder) -> None:
    config = folder.load(
        """
        [sources.slow]
        secrets = ["env:SECRET"]
        [sources.slow.scheme]
        family = "hmac"
        header = "X-Signature"
        retry_window_seconds = 2592000
        """
    )
    assert config.sources["slow"].dedupe_window_ms == 30 * 86_400_000


def test_an_expiry_can_be_a_toml_date_and_time(folder: Folder) -> None:
    config = folder.load(
        """
        [sources.github]
        provider = "github"
        secrets = [{ value = "env:SECRET", expires = 2026-12-01T01:00:00+01:00 }]
        """
    )
    assert config.sources["github"].secrets[0].expires_at == 1_796_083_200_000


def test_what_was_loaded_cannot_be_changed(whole: Config) -> None:
    for mapping in (whole.sources, whole.destinations, whole.destinations["billing"].headers):
        assert not hasattr(mapping, "__setitem__")
    with pytest.raises(AttributeError):
        whole.retention_days = 1  # type: ignore[misc]  # that it is refused is the point
