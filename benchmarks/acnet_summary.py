"""What the trials of ACNet's experiment come to: means, paired differences, and what they allow to say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks.acnet_curves import RATIOS
from graphmorph.kernels.positions import mean_at

NETWORKS = {"baseline": "baseline", "acnet": "ACNet, fused"}
CONFIDENCE = 0.95


def summarise(trials: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The summary of one or more trials, as `benchmarks.acnet_trial.run_trial` returns them."""
    summary: dict[str, Any] = {"seeds": len(trials)}
    for name in NETWORKS:
        runs = [trial[name] for trial in trials]
        matrix, untrained = average_matrix(trials, name), average_matrix(trials, name, "kernels_untrained")
        summary[name] = {
            "accuracy": spread([run["accuracy"] for run in runs]),
            "accuracy_fused": spread([run["accuracy_fused"] for run in runs]),
            "disagreements": sum(run["disagreements"] for run in runs),
            "decisions": sum(run["images"] for run in runs),
            "A": matrix.tolist(),
            "skeleton": mean_at(matrix, "skeleton"),
            "corner": mean_at(matrix, "corner"),
            "skeleton_untrained": mean_at(untrained, "skeleton"),
            "corner_untrained": mean_at(untrained, "corner"),
            "pruning": pruned_means(runs),
        }
    gains = [trial["acnet"]["accuracy_fused"] - trial["baseline"]["accuracy_fused"] for trial in trials]
    summary["gain"] = paired(gains)
    return summary


def average_matrix(trials: Sequence[dict[str, Any]], name: str, when: str = "kernels") -> NDArray[np.float64]:
    """The mean over trials of A, (3, 3)."""
    matrix: NDArray[np.float64] = np.mean([trial[name][when] for trial in trials], axis=0)
    return matrix


def spread(values: Sequence[float]) -> dict[str, float | None]:
    """Mean and sample standard deviation; None for that of one value."""
    return {"mean": float(np.mean(values)), "std": float(np.std(values, ddof=1)) if len(values) > 1 else None}


def paired(differences: Sequence[float]) -> dict[str, Any]:
    """The mean of paired differences with the interval of Student's t; no interval where they do not vary."""
    found: dict[str, Any] = {**spread(differences), "interval": None, "p_value": None}
    deviation = found["std"]
    if deviation:
        error = deviation / np.sqrt(len(differences))
        low, high = stats.t.interval(CONFIDENCE, len(differences) - 1, loc=found["mean"], scale=error)
        found["interval"] = [float(low), float(high)]
        found["p_value"] = float(stats.ttest_1samp(differences, 0.0).pvalue)
    return found


def pruned_means(runs: Sequence[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Mean accuracy over trials and draws, by curve and sparsity."""
    return {
        where: {
            f"{ratio:.2f}": float(np.mean([run["pruning"][where][row] for run in runs]))
            for row, ratio in enumerate(RATIOS)
        }
        for where in runs[0]["pruning"]
    }


def lines(summary: Mapping[str, Any]) -> Iterator[str]:
    """The summary in words, in percent."""
    for name, title in NETWORKS.items():
        one = summary[name]
        yield (
            f"{title}: accuracy {_percent(one['accuracy_fused'])}; fusion changed {one['disagreements']} of "
            f"{one['decisions']:,} decisions; A over the skeleton {one['skeleton']:.3f}, corners {one['corner']:.3f} "
            f"(untrained {one['skeleton_untrained']:.3f}, {one['corner_untrained']:.3f})"
        )
    gain = summary["gain"]
    yield f"gain: {_percent(gain)} points over {summary['seeds']} paired seeds{_judgement(gain)}"


def _percent(values: Mapping[str, Any]) -> str:
    deviation = values["std"]
    return f"{100 * values['mean']:.2f}" + (f" ± {100 * deviation:.2f}" if deviation is not None else "")


def _judgement(gain: Mapping[str, Any]) -> str:
    if gain["interval"] is None:
        return ""
    low, high = gain["interval"]
    within = "within the noise" if low <= 0 <= high else "beyond the noise"
    return f", {CONFIDENCE:.0%} interval {100 * low:+.2f} to {100 * high:+.2f} ({within}, p = {gain['p_value']:.3f})"
