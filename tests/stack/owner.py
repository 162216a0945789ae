"""A process that owns a stack, to be killed: says what runs, then waits. `python -m tests.stack.owner DATA_DIR`.

At SIGUSR1 it restarts Kafka and says again what runs.
"""

import json
import signal
import sys
import time
from pathlib import Path

from deploy.local import Stack


def say(stack: Stack) -> None:
    print(json.dumps({"processes": dict(stack.processes), "watchdog": stack.watchdog_pid}), flush=True)


def restart_kafka(stack: Stack) -> None:
    stack.restart("kafka")
    say(stack)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # Ignored in what a shell starts in the background.
    running = Stack.start(Path(sys.argv[1]), fast=True)
    signal.signal(signal.SIGUSR1, lambda *_: restart_kafka(running))
    say(running)
    while True:
        time.sleep(1)
