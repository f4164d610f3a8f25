"""BLAS kept off the cores that onnxruntime runs on: its threads spin between two products, and both would crawl."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from typing import Any


def other_cores(taken: int) -> AbstractContextManager[Any]:
    """While it lasts, numpy's products are made by as many threads as there are cores beside `taken`, one at least.

    Without threadpoolctl nothing changes but the time that it takes: set OPENBLAS_NUM_THREADS there.
    """
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return nullcontext()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limits: AbstractContextManager[Any] = threadpool_limits(max(cores - taken, 1), user_api="blas")
    return limits
