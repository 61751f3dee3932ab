"""QoolQit through the daemon on the emulated QPU; outside the default environment: it brings PyTorch along."""

from __future__ import annotations

import os

INSTALL = "pip install --no-deps qoolqit networkx (or 'qwatch[qoolqit]', several GB)"


def test_a_qoolqit_program_is_one_trace_under_its_name(sdk_stack, whole_trace, require_package):
    require_package("qoolqit", INSTALL, False)
    paths = {"PYTHONPATH": os.environ["PYTHONPATH"]} if os.environ.get("PYTHONPATH") else {}
    done = sdk_stack.run("-m", "qwatch.examples.qoolqit_program", "--shots", "233", **paths)
    assert done.returncode == 0, done.stderr
    assert "233 shots of 3 atoms" in done.stdout
    job = sdk_stack.newest_job()
    assert (job["status"], job["shots_executed"]) == ("DONE", 233)
    whole_trace(job, "qoolqit")
