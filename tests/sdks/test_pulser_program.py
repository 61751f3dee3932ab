"""Pulser, by QRMI's own connection, through the daemon on the emulated QPU."""

from __future__ import annotations


def test_a_pulser_program_is_one_trace_under_its_name(sdk_stack, whole_trace):
    options = ["--atoms", "4", "--shots", "211"]
    done = sdk_stack.run("-m", "qwatch.examples.antiferromagnet", *options)
    assert done.returncode == 0, done.stderr
    assert "g(1) = -0." in done.stdout
    job = sdk_stack.newest_job()
    assert (job["status"], job["shots_executed"]) == ("DONE", 211)
    whole_trace(job, "pulser")
