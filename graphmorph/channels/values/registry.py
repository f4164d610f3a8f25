"""Which rule is that of an operator."""

from __future__ import annotations

from collections.abc import Callable

from graphmorph.channels.values.view import View

Rule = Callable[[View], None]

#: Rules by operator of the ONNX domain.
RULES: dict[str, Rule] = {}


def rule(*operators: str) -> Callable[[Rule], Rule]:
    """Registers the rule of some operators.

    Raises:
        ValueError: one of them has a rule already.
    """

    def register(function: Rule) -> Rule:
        for operator in operators:
            if operator in RULES:
                raise ValueError(f"two value rules for {operator}")
            RULES[operator] = function
        return function

    return register
