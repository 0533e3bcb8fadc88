"""The kinds of faults by the names that faults.toml uses."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

from ops.torture.catalogue import Fault
from ops.torture.faults import (
    clock,
    configuration,
    disk,
    failpoints,
    poison,
    postgres,
    process,
    redis,
    sinks,
    traffic,
)
from ops.torture.stage import Stage

KINDS: Mapping[str, Callable[..., AbstractContextManager[None]]] = {
    "clock.drift": clock.drift,
    "clock.jump": clock.jump,
    "clock.jump_while_work_fails": clock.jump_while_work_fails,
    "configuration.breaking": configuration.breaking,
    "configuration.reload": configuration.reload,
    "disk.failing_fsync": disk.failing_fsync,
    "disk.failing_writes": disk.failing_writes,
    "disk.full": disk.full,
    "disk.locked": disk.locked,
    "disk.locked_by_stranger": disk.locked_by_stranger,
    "disk.no_files": disk.no_files,
    "disk.power_loss": disk.power_loss,
    "disk.slow_fsync": disk.slow_fsync,
    failpoints.KIND: failpoints.failpoint,
    "poison": poison.poison,
    "postgres.behind_proxy": postgres.behind_proxy,
    "postgres.exhaust": postgres.exhaust,
    "postgres.failover": postgres.failover,
    "postgres.kill": postgres.kill,
    "postgres.kill_backend": postgres.kill_backend,
    "postgres.lock": postgres.lock,
    "postgres.restart": postgres.restart,
    "postgres.stop": postgres.stop,
    "postgres.terminate": postgres.terminate,
    "process.few_files": process.few_files,
    "process.kill": process.kill,
    "process.kill_everything": process.kill_everything,
    "process.stop": process.stop,
    "process.terminate": process.terminate,
    "redis.behind_proxy": redis.behind_proxy,
    "redis.disk_full": redis.disk_full,
    "redis.failover": redis.failover,
    "redis.flush": redis.flush,
    "redis.kill": redis.kill,
    "redis.out_of_memory": redis.out_of_memory,
    "redis.stop": redis.stop,
    "sink": sinks.answer,
    "traffic.herd": traffic.herd,
    "traffic.large": traffic.large,
    "traffic.late": traffic.late,
    "traffic.slow_clients": traffic.slow_clients,
    "traffic.storm": traffic.storm,
}


def strike(stage: Stage, fault: Fault) -> AbstractContextManager[None]:
    """Strike on entering, heal on leaving."""
    return KINDS[fault.kind](stage, **fault.parameters)
