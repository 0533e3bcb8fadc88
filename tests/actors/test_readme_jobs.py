"""The README's samples of jobs and schedules run as they stand."""

import re
import subprocess
import sys

from ingest.jobs.states import JobState
from ingest.queue import publish_jobs
from ingest.store import jobs
from tests.actors.job_rig import JobRig
from tests.actors.rig import PROJECT, Rig

JOBS = ("resize", "publish", "tidy")


def samples(rigged: JobRig, section: str) -> list[str]:
    """The Python of a section; the rig's module in place of ``handlers``."""
    text = (PROJECT / "README.md").read_text().split(f"\n## {section}\n")[1].split("\n## ")[0]
    named = text.replace("from handlers import", f"from {rigged.rig.module} import")
    return re.findall(r"```python\n(.*?)```", named, re.DOTALL)


def test_the_samples_of_jobs_run_as_they_stand(sqlite_rig: Rig) -> None:
    rigged = JobRig(sqlite_rig)
    module, program = samples(rigged, "Jobs")
    (scheduled,) = samples(rigged, "Schedules")
    rigged.write(f"{module}\n{scheduled}")
    loaded = rigged.rig.loaded()
    assert set(loaded.jobs) == {f"{rigged.rig.module}.{name}" for name in JOBS}
    assert [one.zone for one in loaded.schedules.values()] == ["Europe/Berlin"]

    subprocess.run(
        [sys.executable, "-c", program],
        cwd=rigged.rig.folder,
        env={**rigged.rig.environ, "PYTHONPATH": f"{PROJECT}:{rigged.rig.folder}"},
        check=True,
        timeout=60,
    )
    with rigged.rig.worker() as broker:
        publish_jobs(broker, rigged.due())
        for one in jobs.list_jobs(rigged.database):
            rigged.wait_for(one.id, JobState.SUCCESS, timeout=30)
    made = [rigged.row(one.id) for one in jobs.list_jobs(rigged.database)]
    assert [one.result for one in made if one.kind.endswith("publish")] == ["2"]
    assert sorted(one.result_ref for one in made if one.result_ref) == [
        *("s3://photos/160/x.png", "s3://photos/80/x.png", "s3://photos/80/x.png")
    ]
