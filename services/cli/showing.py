"""Where tables go: as wide as the terminal; into a file or a pipe, wide enough that no id is broken."""

import sys

from rich.console import Console

WIDE = 160


def table_console() -> Console:
    return Console(width=None if sys.stdout.isatty() else WIDE)


def progress_console() -> Console:
    """Progress goes to standard error, so that what a command prints can be read by another."""
    return Console(stderr=True)
