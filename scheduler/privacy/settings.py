"""The configuration's section ``privacy``: how long what is stored stays, and how long with names."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ..settings import Section

Days = Annotated[float, Field(ge=1)]


class RetentionSettings(Section):
    """Days after which rows are deleted, by kind of data; null: never. Unfinished work is never touched."""

    payloads_and_results: Days | None = Field(90.0, description="programs and results, after the job's end")
    job_log: Days | None = Field(90.0, description="the lines of a job's log, after its end")
    jobs: Days | None = Field(400.0, description="ended jobs as users see them, with their slices")
    sessions: Days | None = Field(400.0, description="ended sessions; no sooner than their jobs")
    ledger_jobs: Days | None = Field(
        None, description="the ledger's jobs and corrections, and what Slurm told of its jobs"
    )
    device_activity: Days | None = Field(None, description="what the devices did, and their closed windows")
    quality: Days | None = Field(None, description="quality samples")
    audit_log: Days | None = Field(400.0, description="what administrators did")


class PrivacySettings(Section):
    """How long personal data is kept."""

    retention: RetentionSettings = Field(default_factory=RetentionSettings)
    pseudonymise_after: Days | None = Field(
        400.0, description="days after which names are replaced by pseudonyms; null: never"
    )
