import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from pathlib import Path

import pytest

from ingest.config.settings import (
    RESERVED,
    SETTINGS,
    Settings,
    load_settings,
    masked,
    running_pipeline,
)
from ingest.errors import ConfigError

RUN = {
    "database_url": "sqlite:////elsewhere/hookkeeper.db",
    "broker_url": "unix:///elsewhere/redis.sock",
    "host": "127.0.0.2",
    "port": 8081,
    "metrics_port": 9999,
    "console_port": 9998,
    "pid": 4711,
}


@contextmanager
def up_in(data: Path, run: object = RUN) -> Iterator[None]:
    """What ``hookkeeper up`` holds and writes, held by this process."""
    data.mkdir(exist_ok=True)
    (data / "run.json").write_text(json.dumps(run))
    with (data / "up.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def refused(environ: dict[str, str], cwd: Path) -> str:
    with pytest.raises(ConfigError) as refusal:
        load_settings(environ, cwd)
    return str(refusal.value)


def test_without_any_variable_everything_stays_in_the_folder_and_on_loopback(
    tmp_path: Path,
) -> None:
    assert load_settings({}, tmp_path) == Settings(
        database_url=f"sqlite:///{tmp_path}/data/hookkeeper.db",
        broker_url="redis://127.0.0.1:6379/0",
        config_path=tmp_path / "hookkeeper.toml",
        data=tmp_path / "data",
        host="127.0.0.1",
        port=8080,
        public_url=None,
        metrics_host="127.0.0.1",
        metrics_port=9464,
        console_port=8091,
        console_token=f"file:{tmp_path}/data/console.token",
        log_level="info",
        log_format="json",
        workers=2,
        threads=8,
        disk_low_water=256_000_000,
        key_file=tmp_path / "data" / "hookkeeper.key",
        commit_timeout_seconds=0.9,
        max_in_flight=256_000_000,
        head_timeout_seconds=10.0,
        body_timeout_seconds=30.0,
        body_rate=65_536,
        connections_per_address=256,
        trusted_proxies=(),
    )


def test_every_setting_can_be_given(tmp_path: Path) -> None:
    given = {
        "HOOKKEEPER_DATABASE_URL": "postgresql://db/hooks",
        "HOOKKEEPER_BROKER_URL": "rediss://broker:6380/1",
        "HOOKKEEPER_CONFIG": "/etc/hookkeeper.toml",
        "HOOKKEEPER_DATA": "state",
        "HOOKKEEPER_HOST": "0.0.0.0",
        "HOOKKEEPER_PORT": "80",
        "HOOKKEEPER_PUBLIC_URL": "https://hooks.example.com/",
        "HOOKKEEPER_METRICS_HOST": "::1",
        "HOOKKEEPER_METRICS_PORT": "0",
        "HOOKKEEPER_CONSOLE_PORT": "8092",
        "HOOKKEEPER_CONSOLE_TOKEN": "file:keys/console.token",
        "HOOKKEEPER_LOG_LEVEL": "DEBUG",
        "HOOKKEEPER_LOG_FORMAT": "console",
        "HOOKKEEPER_WORKERS": "7",
        "HOOKKEEPER_THREADS": "3",
        "HOOKKEEPER_DISK_LOW_WATER": "1GiB",
        "HOOKKEEPER_KEY_FILE": "keys/digest.key",
        "HOOKKEEPER_COMMIT_TIMEOUT": "2s",
        "HOOKKEEPER_MAX_IN_FLIGHT": "64MB",
        "HOOKKEEPER_HEAD_TIMEOUT": "5s",
        "HOOKKEEPER_BODY_TIMEOUT": "1m",
        "HOOKKEEPER_BODY_RATE": "1KB",
        "HOOKKEEPER_CONNECTIONS_PER_ADDRESS": "10",
        "HOOKKEEPER_TRUSTED_PROXIES": "10.0.0.0/8, ::1",
    }
    assert set(given) == {setting.variable for setting in SETTINGS}
    assert load_settings(given, tmp_path) == Settings(
        database_url="postgresql://db/hooks",
        broker_url="rediss://broker:6380/1",
        config_path=Path("/etc/hookkeeper.toml"),
        data=tmp_path / "state",
        host="0.0.0.0",
        port=80,
        public_url="https://hooks.example.com",
        metrics_host="::1",
        metrics_port=0,
        console_port=8092,
        console_token=f"file:{tmp_path}/keys/console.token",
        log_level="debug",
        log_format="console",
        workers=7,
        threads=3,
        disk_low_water=2**30,
        key_file=tmp_path / "keys" / "digest.key",
        commit_timeout_seconds=2.0,
        max_in_flight=64_000_000,
        head_timeout_seconds=5.0,
        body_timeout_seconds=60.0,
        body_rate=1_000,
        connections_per_address=10,
        trusted_proxies=(ip_network("10.0.0.0/8"), ip_network("::1/128")),
    )


def test_the_database_and_the_key_follow_the_data_folder(tmp_path: Path) -> None:
    settings = load_settings({"HOOKKEEPER_DATA": "/var/lib/hookkeeper"}, tmp_path)
    assert settings.database_url == "sqlite:////var/lib/hookkeeper/hookkeeper.db"
    assert settings.key_file == Path("/var/lib/hookkeeper/hookkeeper.key")


def test_an_empty_variable_counts_as_not_set(tmp_path: Path) -> None:
    """Compose files pass `${PORT:-}` on as an empty text."""
    assert load_settings({"HOOKKEEPER_PORT": ""}, tmp_path).port == 8080


def test_the_alias_that_hosting_platforms_give_a_postgresql_url_is_understood(
    tmp_path: Path,
) -> None:
    environ = {"HOOKKEEPER_DATABASE_URL": "postgres://db/hooks"}
    assert load_settings(environ, tmp_path).database_url == "postgresql://db/hooks"


def test_an_unknown_setting_is_refused_with_the_nearest_known_one(tmp_path: Path) -> None:
    message = refused({"HOOKKEEPER_DATBASE_URL": "sqlite:///x"}, tmp_path)
    assert message == (
        "environment: HOOKKEEPER_DATBASE_URL: unknown setting; "
        'did you mean "HOOKKEEPER_DATABASE_URL"?'
    )


def test_an_unknown_setting_near_to_none_lists_them_all(tmp_path: Path) -> None:
    message = refused({"HOOKKEEPER_ZZZZZZZZZZZZZZZZZZZZZZ": "1"}, tmp_path)
    assert all(setting.variable in message for setting in SETTINGS)


def test_other_programs_variables_and_reserved_names_are_left_alone(tmp_path: Path) -> None:
    environ = {"HOOK_PORT": "1", "hookkeeper_port": "2", **dict.fromkeys(RESERVED, "x")}
    assert load_settings(environ, tmp_path) == load_settings({}, tmp_path)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("PORT", "eighty", "a whole number from 0 to 65535"),
        ("PORT", "65536", "a whole number from 0 to 65535"),
        ("PORT", "8_0", "a whole number from 0 to 65535"),
        ("WORKERS", "0", "a whole number from 1"),
        ("DISK_LOW_WATER", "256", '"10MB"'),
        ("COMMIT_TIMEOUT", "0.9", '"15s"'),
        ("COMMIT_TIMEOUT", "0s", '"900ms"'),
        ("LOG_FORMAT", "xml", "json or console"),
        ("LOG_LEVEL", "loud", "debug or info or warning or error"),
        ("DATABASE_URL", "mysql://db/hooks", '"postgresql://hookkeeper@localhost/hookkeeper"'),
        ("DATABASE_URL", "hooks.db", '"postgresql://hookkeeper@localhost/hookkeeper"'),
        ("BROKER_URL", "127.0.0.1:6379", '"redis://127.0.0.1:6379/0"'),
        ("PUBLIC_URL", "hooks.example.com", '"https://hooks.example.com"'),
    ],
)
def test_a_wrong_value_is_refused_with_its_name_and_an_example(
    tmp_path: Path, name: str, value: str, expected: str
) -> None:
    message = refused({f"HOOKKEEPER_{name}": value}, tmp_path)
    assert f"HOOKKEEPER_{name}: expected" in message
    assert expected in message
    assert repr(value) in message


def test_all_mistakes_are_reported_at_once(tmp_path: Path) -> None:
    message = refused({"HOOKKEEPER_PORT": "x", "HOOKKEEPER_THREADS": "y"}, tmp_path)
    assert message.startswith("environment: 2 mistakes\n")
    assert "HOOKKEEPER_PORT" in message
    assert "HOOKKEEPER_THREADS" in message


def test_passwords_of_urls_are_never_shown(tmp_path: Path) -> None:
    environ = {
        "HOOKKEEPER_DATABASE_URL": "postgresql://hooks:pa:ss@db/hooks",
        "HOOKKEEPER_BROKER_URL": "redis://:broker-password@broker/0",
    }
    settings = load_settings(environ, tmp_path)
    shown = f"{settings!r} {settings} {settings.describe()}"
    assert "pa:ss" not in shown
    assert "broker-password" not in shown
    assert "postgresql://hooks:***@db/hooks" in shown


def test_a_wrong_url_is_refused_without_its_password(tmp_path: Path) -> None:
    message = refused({"HOOKKEEPER_DATABASE_URL": "mysql://hooks:pass@db/hooks"}, tmp_path)
    assert ":pass@" not in message


def test_a_url_without_a_password_is_shown_as_it_is() -> None:
    assert masked("postgresql://db:5432/hooks?user=a@b") == "postgresql://db:5432/hooks?user=a@b"


# -- the pipeline that runs in this folder --------------------------------------------------


def test_a_command_beside_a_running_pipeline_finds_it_without_flags(tmp_path: Path) -> None:
    with up_in(tmp_path / "data"):
        settings = load_settings({}, tmp_path)
    assert settings.database_url == RUN["database_url"]
    assert settings.broker_url == RUN["broker_url"]
    assert (settings.host, settings.port, settings.metrics_port) == ("127.0.0.2", 8081, 9999)
    assert settings.console_port == 9998


def test_a_variable_wins_over_the_running_pipeline(tmp_path: Path) -> None:
    with up_in(tmp_path / "data"):
        settings = load_settings({"HOOKKEEPER_PORT": "80"}, tmp_path)
    assert settings.port == 80
    assert settings.database_url == RUN["database_url"]


def test_a_pipeline_that_ended_counts_no_more_though_its_file_is_still_there(
    tmp_path: Path,
) -> None:
    """A crash removes no file, but it releases the lock."""
    data = tmp_path / "data"
    with up_in(data):
        assert running_pipeline(data) == RUN
    assert running_pipeline(data) is None
    assert load_settings({}, tmp_path).port == 8080


def test_a_pipeline_that_has_not_announced_itself_counts_as_none(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with up_in(data, run=["not", "facts"]):
        assert running_pipeline(data) is None
        (data / "run.json").write_text("{half")
        assert running_pipeline(data) is None
        (data / "run.json").unlink()
        assert running_pipeline(data) is None


def test_looking_for_a_pipeline_leaves_the_folder_as_it_was(tmp_path: Path) -> None:
    assert running_pipeline(tmp_path / "data") is None
    assert list(tmp_path.iterdir()) == []


def test_a_reader_never_keeps_the_lock(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "up.lock").touch()
    assert running_pipeline(data) is None
    with (data / "up.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


# -- the reference ----------------------------------------------------------------------------


def test_each_setting_describes_itself_and_its_default_is_valid(tmp_path: Path) -> None:
    for setting in SETTINGS:
        assert setting.help.endswith(".")
        assert setting.type
        if setting.default is not None:
            given = setting.default.replace("<data>", str(tmp_path / "data"))
            assert load_settings({setting.variable: given}, tmp_path) == load_settings({}, tmp_path)


def test_the_reference_and_the_object_name_the_same_settings() -> None:
    fields = list(Settings.__dataclass_fields__)
    assert sorted(setting.field for setting in SETTINGS) == sorted(fields)
    assert len(fields) <= 40
