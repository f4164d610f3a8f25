"""BLAS is limited while a model runs, and only then."""

from __future__ import annotations

import numpy as np
import pytest

from graphmorph.activations.blas_threads import other_cores

threadpoolctl = pytest.importorskip("threadpoolctl", reason="threadpoolctl is not installed")


def threads() -> set[int]:
    return {pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"}


def test_one_thread_is_left_and_all_come_back() -> None:
    np.ones((2, 2)) @ np.ones((2, 2))
    before = threads()
    with other_cores(10_000):
        assert threads() == {1}
    assert threads() == before
