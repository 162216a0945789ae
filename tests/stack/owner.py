"""A process that owns a stack, to be killed: prints what runs, then waits. `python -m tests.stack.owner DATA_DIR`."""

import json
import sys
import time
from pathlib import Path

from deploy.local import Stack

if __name__ == "__main__":
    stack = Stack.start(Path(sys.argv[1]), fast=True)
    print(json.dumps({"processes": dict(stack.processes), "watchdog": stack.watchdog_pid}), flush=True)
    time.sleep(600)
