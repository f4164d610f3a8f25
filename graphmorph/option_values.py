"""Checks of options that numbers are given to; what is wrong with one is said in its name."""

from __future__ import annotations

from numbers import Integral, Real

from graphmorph.errors import UsageError


def require_whole(name: str, value: object, *, least: int) -> None:
    """See that an option is a whole number.

    Raises:
        UsageError: it is none, or too small.
    """
    if not isinstance(value, Integral):
        raise UsageError(f"{name} {value!r}: a whole number is needed")
    if int(value) < least:
        raise UsageError(f"{name} {value}: must be at least {least}")


def require_share(name: str, value: object) -> None:
    """See that an option is a number between 0 and 1.

    Raises:
        UsageError: it is not.
    """
    if not isinstance(value, Real):
        raise UsageError(f"{name} {value!r}: a number is needed")
    if not 0.0 <= float(value) <= 1.0:
        raise UsageError(f"{name} {value}: must be between 0 and 1")


def require_finite(name: str, value: object) -> None:
    """See that an option is a number of 0 or more.

    Raises:
        UsageError: it is not.
    """
    if not isinstance(value, Real) or not 0.0 <= float(value) < float("inf"):
        raise UsageError(f"{name} {value}: a finite number of 0 or more is needed")
