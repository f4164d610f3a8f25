"""A torch module from `PACKAGE.MODULE:FACTORY` on the command line, with arguments and weights."""

from __future__ import annotations

import ast
import difflib
import os
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from graphmorph.errors import GraphmorphError, UsageError

if TYPE_CHECKING:
    from torch import nn


def parse_arguments(_ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, Any]:
    """Option callback: {"classes": 10} from `classes=10`; what is no Python literal is text."""
    arguments: dict[str, Any] = {}
    for value in values:
        key, equals, text = value.partition("=")
        if not equals or not key.isidentifier():
            raise click.BadParameter(f"{value!r} is not of the form KEY=VALUE", param=param)
        try:
            arguments[key] = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            arguments[key] = text
    return arguments


def load_module(reference: str, arguments: Mapping[str, Any], weights: Path | None) -> nn.Module:
    """The module that a factory makes, that a class builds, or that is there.

    Raises:
        UsageError: the reference leads to no torch module, or the weights do not fit.
        GraphmorphError: the user's code raised; with the error and its line.
    """
    try:
        from torch import nn
    except ModuleNotFoundError as error:
        raise GraphmorphError("exporting needs torch: pip install 'graphmorph[torch]'") from error
    found = _found(reference)
    if isinstance(found, nn.Module):
        if arguments:
            raise UsageError(f"{reference} is a module already: --factory-arg is for factories and classes")
        module = found
    elif callable(found):
        module = _called(found, reference, arguments)
    else:
        raise UsageError(f"{reference} is a {type(found).__name__}: a torch module, its class, or a factory is needed")
    if not isinstance(module, nn.Module):
        raise UsageError(f"{reference} returned a {type(module).__name__}: a torch.nn.Module is needed")
    if weights is not None:
        _read_weights(module, weights)
    return module


def _found(reference: str) -> Any:
    name, colon, attributes = reference.partition(":")
    if not colon or not name or not attributes:
        raise UsageError(f"{reference!r} is not of the form PACKAGE.MODULE:FACTORY, as torchvision.models:resnet18")
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.insert(0, os.getcwd())
    found = _imported(name)
    for attribute in attributes.split("."):
        if not hasattr(found, attribute):
            near = difflib.get_close_matches(attribute, dir(found), n=3)
            hint = f"; there is {', '.join(near)}" if near else ""
            raise UsageError(f"{reference}: {name} has no {attribute}{hint}")
        found = getattr(found, attribute)
    return found


def _imported(name: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not (name == error.name or name.startswith(f"{error.name}.")):
            raise _failed(f"importing {name}", error) from error
        raise UsageError(f"there is no Python module {error.name}, here or among those installed") from error
    except (Exception, SystemExit) as error:
        raise _failed(f"importing {name}", error) from error


def _called(factory: Any, reference: str, arguments: Mapping[str, Any]) -> Any:
    try:
        return factory(**arguments)
    except (Exception, SystemExit) as error:
        given = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
        raise _failed(f"{reference}({given})", error) from error


def _failed(what: str, error: BaseException) -> GraphmorphError:
    from graphmorph.torch_door.source_lines import failing_line

    return GraphmorphError(f"{what} raised {type(error).__name__} {failing_line(error)}".rstrip())


def _read_weights(module: nn.Module, path: Path) -> None:
    """Load a state_dict, as it is or under the key "state_dict" of a checkpoint; code in the file is not run."""
    import pickle

    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise UsageError(
            f"--weights {path}: is no state_dict that torch.load reads (weights_only): {reason}"
        ) from error
    if isinstance(state, Mapping) and isinstance(state.get("state_dict"), Mapping):
        state = state["state_dict"]
    if not isinstance(state, Mapping):
        raise UsageError(f"--weights {path}: holds a {type(state).__name__}, a state_dict is needed")
    own = module.state_dict()
    missing, unexpected = [key for key in own if key not in state], [key for key in state if key not in own]
    if missing or unexpected:
        differences = f"{_some(missing)} missing, {_some(unexpected)} unknown"
        raise UsageError(f"--weights {path} does not fit {type(module).__name__}: {differences}")
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines()]
        raise UsageError(f"--weights {path} does not fit {type(module).__name__}: {lines[-1]}") from error


def _some(keys: list[str]) -> str:
    return f"{len(keys)} ({keys[0]})" if len(keys) == 1 else f"{len(keys)} ({keys[0]} ...)" if keys else "none"
