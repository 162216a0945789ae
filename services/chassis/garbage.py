"""Python's search for cycles, set for processes that work through batches.

By default it looks through everything young after each 700 objects. A batch of a thousand events holds many times that
while it is worked on, none of it garbage: a third of a rebuild's time went into looking.
"""

import gc
from typing import Final

YOUNG_OBJECTS: Final = 100_000
"""About 20 MB of young objects at most before the search."""
YOUNG_SEARCHES: Final = 20


def search_rarely() -> None:
    """Call it once everything is imported and built: what is there by now is never looked through again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, YOUNG_SEARCHES, YOUNG_SEARCHES)
