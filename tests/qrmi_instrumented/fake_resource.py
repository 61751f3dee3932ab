"""A QRMI resource without a network."""

from __future__ import annotations

import qrmi

from qwatch.qrmi.values import ResourceStatus, Target, TaskResult


class FakeResource:
    """A resource without a network; results are ready at once."""

    def __init__(self, name="FAKE", error=None):
        self.name, self.error, self.count = name, error, 0

    def _maybe(self, value):
        if self.error is not None:
            raise self.error
        return value

    def acquire(self):
        return self._maybe("fake-session-token")

    def release(self, id):
        self._maybe(None)

    def is_accessible(self):
        return self._maybe(True)

    def status(self):
        return self._maybe(ResourceStatus(qrmi.ResourceStatusCode.Online))

    def target(self):
        return self._maybe(Target("[]"))

    def metadata(self):
        return self._maybe({"backend_name": self.name})

    def resource_id(self):
        return self.name

    def resource_type(self):
        return qrmi.ResourceType.PasqalCloud

    def task_start(self, payload):
        self.count += 1
        return self._maybe(str(self.count))

    def task_status(self, task_id):
        return self._maybe(qrmi.TaskStatus.Completed)

    def task_result(self, task_id):
        return self._maybe(TaskResult("{}"))

    def task_logs(self, task_id):
        return self._maybe("log")

    def task_stop(self, task_id):
        return self._maybe(None)

    def something_new(self):
        return "of a newer QRMI"
