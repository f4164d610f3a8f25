"""Tracing runs the user's forward, which may set attributes: afterwards every module holds what it held before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

Collection = dict[Any, Any] | list[Any] | set[Any]


@contextmanager
def restored(root: nn.Module) -> Iterator[None]:
    """Put every attribute of every module back, and what the dictionaries, lists and sets among them hold."""
    before = [(module, dict(module.__dict__), _collections(module)) for module in root.modules()]
    try:
        yield
    finally:
        for module, attributes, collections in before:
            for collection, items in collections:
                if not _same(_items(collection), items):
                    _refill(collection, items)
            if not _same(_items(module.__dict__), _items(attributes)):
                module.__dict__.clear()
                module.__dict__.update(attributes)


def _collections(module: nn.Module) -> list[tuple[Collection, list[Any]]]:
    return [(value, _items(value)) for value in module.__dict__.values() if isinstance(value, dict | list | set)]


def _items(collection: Collection) -> list[Any]:
    """What it holds; of a dictionary, keys and values in turn."""
    return [part for item in collection.items() for part in item] if isinstance(collection, dict) else list(collection)


def _same(now: list[Any], before: list[Any]) -> bool:
    return len(now) == len(before) and all(a is b for a, b in zip(now, before, strict=True))


def _refill(collection: Collection, items: list[Any]) -> None:
    collection.clear()
    if isinstance(collection, dict):
        collection.update(zip(items[::2], items[1::2], strict=True))
    elif isinstance(collection, set):
        collection.update(items)
    else:
        collection.extend(items)
