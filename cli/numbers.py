"""Numbers as people read them."""

from __future__ import annotations

COUNT_UNITS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
BYTE_UNITS = ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))
MISSING = "-"


def count(value: float | None) -> str:
    """`14.2 M`; whole numbers below ten thousand are written out; `-` for None."""
    if value is None:
        return MISSING
    if value < 10_000:
        return f"{value:,.0f}"
    # Three digits: 999,950 is 1 M, not 1e+03 k.
    scale, unit = next(entry for entry in COUNT_UNITS if value >= 0.9995 * entry[0])
    return f"{value / scale:.3g} {unit}"


def bytes_of(value: int) -> str:
    """`76.2 MiB`."""
    for scale, unit in BYTE_UNITS:
        if value >= scale:
            return f"{value / scale:.1f} {unit}"
    return f"{value} B"


def duration(seconds: float) -> str:
    """`0.12 s`, `14 s`, `3 min 20 s`."""
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60} s"


def change(before: float | None, after: float | None) -> str:
    """Relative change, `-41 %`; empty where it cannot be said or nothing changed."""
    if before is None or after is None or before == after or before == 0:
        return ""
    return f"{100 * (after - before) / before:+.0f} %".replace("-", "\N{MINUS SIGN}")


def error(value: float | None) -> str:
    """`3.1e-07`; `0` for exactly zero, `-` for None."""
    if value is None:
        return MISSING
    return "0" if value == 0 else f"{value:.1e}"


def percent(fraction: float) -> str:
    """`98.25 %` from 0.9825."""
    return f"{100 * fraction:.2f} %"


def plural(number: int, noun: str) -> str:
    """`1 rewrite`, `12 rewrites`, `3 branches`."""
    ending = "" if number == 1 else "es" if noun.endswith(("s", "ch", "sh", "x")) else "s"
    return f"{number:,} {noun}{ending}"
