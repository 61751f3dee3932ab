"""The process that makes and judges experiments: one order on standard input, one reply on standard output.

Started by :mod:`.computing` as ``python -m qwatch.scheduler.quality.worker PARENT_PID`` for each order, so that
the daemon neither loads Pulser and QuTiP nor waits for them. The kernel kills it when its parent dies.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import warnings
from typing import TextIO

from pydantic import TypeAdapter, ValidationError

from .experiments import Order, PlanOrder, Reply

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
_NICENESS = 10
"""Users' programs on the same host go before."""


def main() -> None:
    """Serve one order."""
    _die_with_parent(int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(_NICENESS)
    warnings.simplefilter("ignore")
    output = _private_standard_output()
    output.write(_reply(sys.stdin.read()).model_dump_json(exclude_none=True))
    output.flush()


def _reply(text: str) -> Reply:
    # Whatever goes wrong is the order's failure, told in one line.
    try:
        order: Order = TypeAdapter[Order](Order).validate_json(text)
        if isinstance(order, PlanOrder):
            from .programs import plan

            return Reply(plan=plan(order))
        from .analysis import analyse

        return Reply(findings=analyse(order))
    except ImportError as error:
        return Reply(
            error=f"quality jobs need Pulser, pulser-simulation and SciPy ({error}): "
            "pip install 'qwatch[quality]', or set quality.jobs.enabled to false"
        )
    except ValidationError as error:
        return Reply(error=" ".join(str(error).split())[:300])
    except Exception as error:
        return Reply(error=" ".join(str(error).split())[:300] or type(error).__name__)


def _die_with_parent(parent_pid: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent_pid:  # it died before the line above
        sys.exit(1)


def _private_standard_output() -> TextIO:
    """Return the pipe to the parent, and send what libraries print to standard error instead."""
    pipe = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return os.fdopen(pipe, "w", encoding="utf-8")


if __name__ == "__main__":
    main()
