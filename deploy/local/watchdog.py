"""Ends the servers of a stack whose owner has died. Runs as a script of its own; standard library only.

Standard input is a pipe that the owner of the stack holds open: `+PID SIGNAL` (a server, which writes this itself, and
the signal that asks it to stop) and `-PID` (it is gone). The pipe closes when the owner ends, however it ends, kill -9
included. What is still there then is asked to stop, and killed after `GRACE_S`.
"""

import os
import signal
import sys
import time

GRACE_S = 10.0
POLL_S = 0.05


def main() -> None:
    for terminal_signal in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(terminal_signal, signal.SIG_IGN)
    servers: dict[int, signal.Signals] = {}
    for line in sys.stdin:
        sign, words = line[0], line[1:].split()
        if sign == "+":
            servers[int(words[0])] = signal.Signals[f"SIG{words[1]}"]
        else:
            servers.pop(int(words[0]), None)
    for pid, gentle in servers.items():
        _send(pid, gentle)
    deadline = time.monotonic() + GRACE_S
    while any(_alive(pid) for pid in servers) and time.monotonic() < deadline:
        time.sleep(POLL_S)
    for pid in servers:
        _send(pid, signal.SIGCONT)
        _send(pid, signal.SIGKILL)


def _send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        pass  # It is gone, or this system has no /proc.
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    main()
