"""No orphans: a process of the local stack ends when the one that started it does, however that ended."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PARENT_VARIABLE = "QWATCH_STACK_PARENT"
"""The pid of the process that a child must not outlive."""

_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """In a child of a stack: get SIGTERM when the parent dies (Linux, prctl(2)); nothing elsewhere."""
    parent = os.environ.pop(PARENT_VARIABLE, None)
    if parent is None:
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(parent):
        sys.exit(1)


if __name__ == "__main__":
    # The signal survives execve(2), so another's program gets it as well.
    die_with_parent()
    os.execv(sys.argv[1], sys.argv[1:])
