"""The pipeline that `graphmorph.fuse` runs, as a rewrite function for the random regions."""

from __future__ import annotations

import atexit
from functools import cache

from graphmorph.graph import Graph
from graphmorph.manager import PassManager, RunResult
from graphmorph.pipeline import passes_for
from graphmorph.runtime import Runtime


@cache
def shared_runtime() -> Runtime:
    """One child process for all regions of a run."""
    runtime = Runtime()
    atexit.register(runtime.shutdown)
    return runtime


def run_pipeline(graph: Graph, *, certify: bool = False) -> RunResult:
    return PassManager(passes_for(), certify=certify, runtime=shared_runtime()).run(graph)


def pipeline(graph: Graph) -> Graph:
    """All passes of `graphmorph.fuse`."""
    return run_pipeline(graph).graph
