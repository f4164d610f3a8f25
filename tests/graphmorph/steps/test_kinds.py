"""What a step may be, and what is its own and what the pipeline's."""

from __future__ import annotations

from dataclasses import replace

import pytest

from graphmorph import registry
from graphmorph.errors import UsageError
from graphmorph.steps.kinds import FUNCTIONS, PIPELINE_OPTIONS, kind_named, step_names

RUNNING = {"example_inputs", "leaf_modules", "in_place", "progress"}


def test_every_function_and_every_installed_pass_is_a_step() -> None:
    assert set(step_names()) == {*FUNCTIONS, *registry.available()}


@pytest.mark.parametrize("name", step_names())
def test_what_holds_for_all_steps_is_no_option_of_one(name: str) -> None:
    kind = kind_named(name)
    assert not {*PIPELINE_OPTIONS, "proof_seed", *RUNNING} - {"seed"} & set(kind.options)
    assert all(one.wanted for one in kind.options.values()), "a type that has no words"
    assert kind.summary


def test_what_is_asked_of_the_whole() -> None:
    wanted = "verify inputs shapes samples seed rtol atol providers custom_ops labels freeze_initializers"
    assert list(PIPELINE_OPTIONS) == wanted.split()
    assert all(name == one.name for name, one in PIPELINE_OPTIONS.items())


def test_the_seed_of_the_pipeline_is_the_proof_s_and_that_of_what_a_step_draws() -> None:
    calls: list[dict[str, object]] = []
    for name, own in (("fuse", {}), ("prune", {}), ("widen", {}), ("widen", {"seed": 5})):
        kind = replace(kind_named(name), function=lambda model, output, **given: calls.append(given))
        kind.run("model", None, own, {"seed": 3})
    assert calls == [
        {"seed": 3},
        {"seed": 3, "criterion_seed": 3},
        {"proof_seed": 3, "seed": 3},
        {"proof_seed": 3, "seed": 5},
    ]


def test_an_unknown_name_is_told_what_there_is() -> None:
    with pytest.raises(UsageError, match=r"^no step is called fus; there are fuse, prune, .*, fold-batchnorm"):
        kind_named("fus")
