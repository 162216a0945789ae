"""What can go wrong with the embedded stack, as one sentence for the person at the terminal."""


class StackError(Exception):
    """The stack cannot start, or a server of it cannot. `str(error)` is one sentence that says what to do."""
