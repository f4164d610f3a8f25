"""The garbage collector beside large graphs: it would walk them over and over, and find nothing."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

#: Allocations before a collection, by generation. With Python's own a quarter of the time goes into finding nothing.
COLLECT_AFTER = (20_000, 10, 10)


@contextmanager
def rare_collections() -> Iterator[None]:
    """Collect seldom meanwhile; afterwards as before."""
    before = gc.get_threshold()
    gc.set_threshold(*(max(one, other) for one, other in zip(before, COLLECT_AFTER, strict=True)))
    try:
        yield
    finally:
        gc.set_threshold(*before)
