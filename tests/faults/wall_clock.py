"""The wall clock of a process, that a test moves while it runs: libfaketime, preloaded.

What counts elapsed time (the monotonic clock) goes on as it was, as where a machine's clock is set.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path

from tests.conftest import ROOT

LIBRARY = "vendor/libfaketime/src/libfaketime.so.1"


class WallClock:
    """For all processes that are started with ``environment``. ``file`` holds how far it is moved."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.set(timedelta())

    @property
    def environment(self) -> Mapping[str, str]:
        spec = find_spec("libfaketime")
        assert spec is not None
        assert spec.submodule_search_locations
        return {
            "LD_PRELOAD": str(Path(spec.submodule_search_locations[0]) / LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",
            "NO_FAKE_STAT": "1",
        }

    def set(self, offset: timedelta) -> None:
        """``offset`` from the machine's own clock, in the midst of whatever is going on."""
        draft = self._file.with_name(f"{self._file.name}.new")
        draft.write_text(f"{offset.total_seconds():+.0f}\n")
        os.replace(draft, self._file)

    def printed_by(self, code: str) -> str:
        """What Python code prints where this is the time."""
        command = [sys.executable, "-c", code]
        asked = subprocess.run(
            command, cwd=ROOT, env=os.environ | self.environment, capture_output=True, text=True, check=True
        )
        return asked.stdout.strip()
