"""Run a program that must not outlive the process that started it.

    python -I -S tether.py --parent PID --signal NUMBER [--account UID:GID] [--watch] -- PROGRAM ARGUMENT...

On Linux the kernel sends the signal when the parent dies, even by kill -9, and this process becomes the
program. Elsewhere (or with --watch) it stays between the two, looks for its parent and passes signals on.

A program of its own rather than a `preexec_fn`, which is unsafe in a parent that has threads. Run by path,
with the standard library only: it starts in about 20 ms and as any account.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import signal
import sys
import time
from typing import NoReturn

_PR_SET_PDEATHSIG = 1
_WATCH_SECONDS = 0.2
_PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)


def main(arguments: list[str]) -> NoReturn:
    parser = argparse.ArgumentParser()
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--signal", type=int, required=True)
    parser.add_argument("--account")
    parser.add_argument("--watch", action="store_true", default=not sys.platform.startswith("linux"))
    parser.add_argument("program", nargs="+")
    options = parser.parse_args(arguments)

    # a starter in a shell's background ignores some, and a program that inherits that cannot be stopped by them
    for number in _PASSED_ON:
        signal.signal(number, signal.SIG_DFL)
    if options.account:
        uid, gid = map(int, options.account.split(":"))
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if options.watch:
        sys.exit(_watch(options.program, options.parent, options.signal))

    # After setuid, which clears it. It survives exec.
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, options.signal, 0, 0, 0) != 0:
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != options.parent:
        sys.exit("the supervisor died before the kernel knew whom to tell")
    os.execv(options.program[0], options.program)


def _watch(program: list[str], parent: int, death_signal: int) -> int:
    # held until there is somebody to pass them on to: a signal in between would end this process and not the program
    signal.pthread_sigmask(signal.SIG_BLOCK, _PASSED_ON)
    child = os.fork()
    if child == 0:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)
        os.execv(program[0], program)
    for number in _PASSED_ON:
        signal.signal(number, lambda number, _frame: _signal(child, number))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)
    told = False
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status) % 256
        if not told and os.getppid() != parent:
            told = True
            _signal(child, death_signal)
        time.sleep(_WATCH_SECONDS)


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


if __name__ == "__main__":
    main(sys.argv[1:])
