"""Runs a program with the limits that a unit gives it from its first instruction on, as far as any user may.

``python confined.py UNIT PROGRAM [ARGUMENT]...`` applies SystemCallFilter=, SystemCallErrorNumber=EPERM,
MemoryDenyWriteExecute=, NoNewPrivileges= and UMask=, and becomes the program.
"""

import ctypes
import os
import re
import subprocess
import sys
from pathlib import Path

PR_SET_NO_NEW_PRIVS, PR_SET_MDWE, MDWE_REFUSE_EXEC_GAIN = 38, 65, 1
ACT_ERRNO_EPERM, ACT_ALLOW = 0x00050000 | 1, 0x7FFF0000


def settings(unit: Path, key: str) -> list[str]:
    """Return the values of a key of a unit, in their order."""
    return re.findall(rf"^{key}=(.*)$", unit.read_text(), re.MULTILINE)


def members(group: str) -> set[str]:
    """Return the system calls of a group such as ``@system-service``, as the installed systemd has them."""
    if not group.startswith("@"):
        return {group}
    listed = subprocess.run(
        ["systemd-analyze", "syscall-filter", group], capture_output=True, text=True, check=True
    ).stdout
    words = [line.strip() for line in listed.splitlines()[1:]]
    return set().union(*(members(word) for word in words if word and not word.startswith("#")))


def allowed(unit: Path) -> set[str]:
    """Return the system calls that a unit's processes may make."""
    found: set[str] = set()
    for line in settings(unit, "SystemCallFilter"):
        calls = set().union(*(members(group) for group in line.removeprefix("~").split()))
        found = found - calls if line.startswith("~") else found | calls
    return found


def confine(unit: Path) -> None:
    """Give this process the limits of a unit."""
    names = allowed(unit)
    assert names, "the unit filters no system call"
    os.umask(int(settings(unit, "UMask")[-1], 8))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    if settings(unit, "MemoryDenyWriteExecute") == ["yes"]:
        # Before Linux 6.3 there is no such call, and systemd filters mmap and mprotect instead.
        libc.prctl(PR_SET_MDWE, MDWE_REFUSE_EXEC_GAIN, 0, 0, 0)
    seccomp = ctypes.CDLL("libseccomp.so.2")
    seccomp.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(seccomp.seccomp_init(ACT_ERRNO_EPERM))
    for name in sorted(names):
        number = seccomp.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:
            assert seccomp.seccomp_rule_add_array(context, ACT_ALLOW, number, 0, None) == 0, name
    assert seccomp.seccomp_load(context) == 0


if __name__ == "__main__":
    confine(Path(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])
