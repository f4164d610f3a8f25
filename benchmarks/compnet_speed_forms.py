"""CompNet's algorithm 3 in two forms, on the same made-up activations: as equation 4 is written, and from sums.

`python -m benchmarks.compnet_speed_forms direct|sums ROWS OUT.npz` runs one of them, in a process whose memory can be
measured. A fully connected layer: D_1 inputs, D_n channels, D_2 outputs.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from graphmorph.activations.moments import CrossMoments
from graphmorph.layer_insertion.compact_outputs import standardised
from graphmorph.layer_insertion.outgoing_weights import fitted, sums_of
from graphmorph.regression.iilasso import similarity, solve
from graphmorph.regression.selection import inner_products

Array = NDArray[np.float64]

INPUTS, CHANNELS, OUTPUTS = 256, 100, 64
PENALTY = ALPHA = 0.1
#: Rows that are made at once, and what is behind the inputs: they depend on a few numbers each.
BATCH, BEHIND = 1_000, 16
#: Coordinates rest when none moves by more than this.
REST = 1e-13


def main() -> None:
    """Write coefficients (channels,) and seconds, less those that making the activations takes."""
    form, rows, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    started = time.perf_counter()
    for _ in activations(rows):
        pass
    made = time.perf_counter()
    coefficients = {"direct": direct, "sums": from_sums}[form](rows)
    np.savez(path, coefficients=coefficients, seconds=time.perf_counter() - made - (made - started))


def inputs(rows: int, width: int = INPUTS) -> Iterator[Array]:
    """Batches of A1 (at most BATCH, width), as behind a relu."""
    mixing = np.random.default_rng(0).normal(size=(BEHIND, width)) / np.sqrt(BEHIND)
    for number, start in enumerate(range(0, rows, BATCH)):
        random, count = np.random.default_rng((1, number)), min(BATCH, rows - start)
        behind, noise = random.normal(size=(count, BEHIND)), random.normal(size=(count, width))
        yield np.maximum(behind @ mixing + 0.1 * noise, 0.0)


def activations(rows: int) -> Iterator[tuple[Array, Array]]:
    """Batches of A_new (at most BATCH, channels) and O (at most BATCH, outputs)."""
    random = np.random.default_rng(2)
    first = random.normal(size=(INPUTS, CHANNELS)) * np.sqrt(2 / INPUTS)
    parent = random.normal(size=(INPUTS, OUTPUTS)) / np.sqrt(INPUTS)
    for batch in inputs(rows):
        yield np.maximum(batch @ first, 0.0), batch @ parent


def from_sums(rows: int) -> Array:
    """By the sums AᵀA and AᵀO, as `graphmorph.insert_layer` does it: batches are forgotten."""
    pairs = CrossMoments(CHANNELS, OUTPUTS)
    for read, given in activations(rows):
        pairs.update(read, given)
    sums = sums_of(pairs, intercept=True)
    inner, linear = inner_products(sums.gram, sums.cross, fitted(sums, 0.0).weight)
    problem = standardised(inner, linear, float(sums.energy.sum()), ALPHA)
    return solve(problem, PENALTY, start=np.ones(CHANNELS), tolerance=REST).coefficients


def direct(rows: int) -> Array:
    """By the columns vec(T_i) of equation 4, all of them, and the updates of equation 9."""
    batches = list(activations(rows))
    read, given = (np.concatenate([batch[side] for batch in batches]) for side in (0, 1))
    read, given = read - read.mean(axis=0), given - given.mean(axis=0)
    weight = np.linalg.lstsq(read, given, rcond=None)[0]
    columns = np.empty((CHANNELS, rows * OUTPUTS))
    for channel, column in enumerate(columns):
        np.multiply.outer(read[:, channel], weight[channel], out=column.reshape(rows, OUTPUTS))
        column /= np.sqrt(np.mean(column**2))
    target = given.reshape(-1) / np.sqrt(np.mean(given**2))
    return descended(columns, target)


def descended(columns: Array, target: Array) -> Array:
    """Coordinate descent (equation 9) from ones on columns (channels, N * D_2) and a target (N * D_2,)."""
    count = len(target)
    alike = similarity(columns @ columns.T / count)
    coefficients = np.ones(len(columns))
    residual = target - columns.sum(axis=0)
    moved = 1.0
    while moved > REST:
        moved = 0.0
        for channel, column in enumerate(columns):
            old = coefficients[channel]
            pull = column @ residual / count + old
            limit = PENALTY * (1.0 + ALPHA * alike[channel] @ np.abs(coefficients))
            new = np.sign(pull) * max(abs(pull) - limit, 0.0)
            if new != old:
                residual += (old - new) * column
                coefficients[channel] = new
                moved = max(moved, abs(new - old))
    return coefficients


if __name__ == "__main__":
    main()
