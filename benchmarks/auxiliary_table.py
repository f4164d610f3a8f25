"""What the trials of the auxiliary layer's experiments come to, as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.acnet_summary import spread
from benchmarks.auxiliary_variants import TARGET

#: Weights that the paper is left with, by variant (tables III and IV); None where it failed.
PAPER: dict[str, int | None] = {
    "static 0.2, drop 0.46": 6872,
    "static 0.3, drop 0.46": 6302,
    "static 0.4, drop 0.46": None,
    "adaptive, drop 0.46": 5667,
    "static 0.2, drop 1": 4587,
    "static 0.3, drop 1": 4290,
    "static 0.4, drop 1": 4638,
    "adaptive, drop 1": 4769,
    "auxiliary 20": 5124,
    "auxiliary 40": 4389,
    "auxiliary 60": 4747,
}
#: Variants whose steps are tables I and II.
IN_STEPS = {"static 0.2, drop 0.46": "Table I", "adaptive, drop 0.46": "Table II"}

Row = Mapping[str, Any]


def markdown(run: Mapping[str, Any]) -> str:
    """The tables of one run."""
    rows, settings = run["trials"], run["settings"]
    if settings["name"] == "own":
        return f"{_told(settings, rows)}\n\n{ladder_table(rows)}\n\n{final_table(rows)}"
    steps = [
        f"{title}, {name}:\n\n{steps_table(_of(rows, name))}" for name, title in IN_STEPS.items() if _of(rows, name)
    ]
    return "\n\n".join([_told(settings, rows), *steps, "Tables III and IV:", final_table(rows)])


def _told(settings: Row, rows: Sequence[Row]) -> str:
    schedule = settings["schedule"]
    return (
        f"{settings['name']}: rates by {settings['measure']}, {settings['scope']}; Adam at {schedule['rate']:g}, "
        f"{schedule['retrain']} epochs after each pruning; base "
        f"{percent([row['base_accuracy'] for row in rows])} %, mean weight {spread_of('base_mean_magnitude', rows)}"
    )


def steps_table(rows: Sequence[Row]) -> str:
    """Step by step, means over the trials that came so far and whose step lasted."""
    steps = [[step for step in row["rounds"][0]["steps"] if step["accepted"]] for row in rows]
    lines = [_line("step", "trials", "rate", "remaining weights", "accuracy, %", "mean of weights"), "|---:" * 6 + "|"]
    for number in range(max(map(len, steps), default=0)):
        own = [one[number] for one in steps if len(one) > number]
        rate, size = spread([one["rate"] for one in own]), spread([one["mean_magnitude"] for one in own])
        weights = spread([one["remaining"] for one in own])
        lines.append(
            _line(
                number + 1,
                len(own),
                f"{rate['mean']:.2f}",
                f"{weights['mean']:,.0f}",
                percent([one["accuracy"] for one in own]),
                f"{size['mean']:.3f}",
            )
        )
    return "\n".join(lines)


def ladder_table(rows: Sequence[Row]) -> str:
    """Held-out and unseen accuracy at each number of weights, and what the variant adds to the first one, in pairs.

    live: the weights that are left of this number without dead neurons.
    """
    names = list(dict.fromkeys(row["variant"] for row in rows))
    lines = [_line("weights", *names), "|---:" * (len(names) + 1) + "|"]
    first = {(row["fold"], row["seed"]): row["levels"] for row in _of(rows, names[0])}
    for number in range(len(rows[0]["levels"])):
        cells = []
        for name in names:
            own = _of(rows, name)
            gains = [
                row["levels"][number]["accuracy"] - first[row["fold"], row["seed"]][number]["accuracy"]
                for row in own
                if (row["fold"], row["seed"]) in first
            ]
            held = percent([row["levels"][number]["accuracy"] for row in own])
            unseen = percent([row["levels"][number]["accuracy_unseen"] for row in own])
            gained = f", gain {percent(gains)}" if gains and name != names[0] else ""
            live = spread([row["levels"][number]["live"] for row in own])["mean"]
            cells.append(f"{held} (unseen {unseen}, live {live:,.0f}{gained})")
        lines.append(_line(f"{rows[0]['levels'][number]['remaining']:,}", *cells))
    return "\n".join(lines)


def final_table(rows: Sequence[Row]) -> str:
    """What is left in the end, with dead neurons removed."""
    heads = ("", "trials", "failed", "remaining weights", "paper", "accuracy, %", "unseen, %", "weights, removed")
    lines = [_line(*heads, "neurons", "multiplications, nJ", "with additions, nJ"), "|---" + "|---:" * 10 + "|"]
    for name in dict.fromkeys(row["variant"] for row in rows):
        own = _of(rows, name)
        left = [row for row in own if not failed(row)]
        paper = PAPER.get(name, 0)
        cells = [name, len(own), len(own) - len(left), spread_of("remaining", left, 0)]
        cells += ["failed" if paper is None else f"{paper:,}" if paper else ""]
        cells += [percent([row["accuracy"] for row in left]), percent([row["accuracy_unseen"] for row in left])]
        removed = [row["removed"] for row in left]
        cells += [spread_of(key, removed, 0) for key in ("remaining", "neurons")]
        cells += [spread_of(key, removed, 1) for key in ("multiply_energy_nj", "energy_nj")]
        lines.append(_line(*cells))
    return "\n".join(lines)


def failed(row: Row) -> bool:
    """Whether nothing could be pruned: not even the first step lasted, or with a layer the last round."""
    return "rounds" in row and not any(step["accepted"] for step in row["rounds"][-1]["steps"])


def fewest(rows: Sequence[Row], target: float = TARGET) -> dict[str, int | None]:
    """The smallest number of weights whose mean accuracy, over folds, meets a target, by variant."""
    found: dict[str, int | None] = {}
    for name in dict.fromkeys(row["variant"] for row in rows):
        means: dict[int, list[float]] = {}
        for row in _of(rows, name):
            for level in row["levels"]:
                means.setdefault(level["remaining"], []).append(level["accuracy"])
        good = [weights for weights, shares in means.items() if sum(shares) / len(shares) >= target]
        found[name] = min(good, default=None)
    return found


def spread_of(key: str, rows: Sequence[Row], digits: int = 3) -> str:
    """Mean and standard deviation of a number."""
    return _spread([row[key] for row in rows], digits)


def percent(shares: Sequence[float]) -> str:
    """Mean and standard deviation of shares."""
    return _spread([100 * share for share in shares], 2)


def _spread(values: Sequence[float], digits: int) -> str:
    if not values:
        return ""
    found = spread(values)
    deviation = "" if found["std"] is None else f" ± {found['std']:,.{digits}f}"
    return f"{found['mean']:,.{digits}f}{deviation}"


def _of(rows: Sequence[Row], name: str) -> list[Row]:
    return [row for row in rows if row["variant"] == name]


def _line(*cells: object) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"
