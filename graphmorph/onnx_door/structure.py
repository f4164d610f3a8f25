"""Structural checks of a graph, before anything is built from it: names, producers and cycles."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import onnx

from graphmorph.errors import ModelFileError

_SHOWN = 8
Scopes = tuple[frozenset[str] | dict[str, int], ...]


def check_graph(model: str, graph: onnx.GraphProto, outer: Scopes = ()) -> None:
    """Check one graph and its subgraphs; `outer` are the names of the enclosing scopes, one set each.

    Raises ModelFileError where a name has two producers, is read but never produced, or depends on itself.
    """
    initializers = [tensor.name for tensor in graph.initializer]
    initializers += [sparse.values.name for sparse in graph.sparse_initializer]
    inputs = [value.name for value in graph.input]
    outputs = [value.name for value in graph.output]
    _check_text(model, initializers, inputs, outputs, (value.name for value in graph.value_info))
    _refuse_repeated(model, "initializer", initializers)
    _refuse_repeated(model, "graph input", inputs)
    given = frozenset(inputs).union(initializers)
    _check_nodes(model, graph.node, given, outer, outputs)


def check_function(model: str, function: onnx.FunctionProto) -> None:
    """The same checks for the body of a model-local function."""
    _check_text(model, (function.name, function.domain, function.overload), function.input, function.output)
    _check_text(model, function.attribute, (attribute.name for attribute in function.attribute_proto))
    _check_nodes(model, function.node, frozenset(function.input), (), list(function.output))


def node_label(node: onnx.NodeProto) -> str:
    """How messages call a node: its name or its first output, and its operator."""
    name = node.name or next(iter(node.output), "")
    return f"{name!r:.80} ({node.op_type:.40})"


def _check_nodes(
    model: str, nodes: Sequence[onnx.NodeProto], given: frozenset[str], outer: Scopes, outputs: list[str]
) -> None:
    producers = _producers(model, nodes, given)
    scopes = (*outer, given, producers)
    sorted_so_far = True
    seen: set[str] = set()
    captures: dict[int, set[str]] = {}
    for index, node in enumerate(nodes):
        captured = _check_subgraphs(model, node, scopes)
        if captured:
            captures[index] = captured
        for name in (*node.input, *captured):
            if name and not any(name in scope for scope in scopes):
                raise ModelFileError(
                    f"{model}: node {node_label(node)} reads tensor {name!r:.80}, which nothing produces"
                )
            sorted_so_far = sorted_so_far and (name not in producers or name in seen)
        seen.update(node.output)
    for name in outputs:
        if not any(name in scope for scope in scopes):
            raise ModelFileError(f"{model}: graph output {name!r:.80} is produced by nothing")
    if not sorted_so_far:
        _refuse_cycle(model, nodes, producers, captures)


def _producers(model: str, nodes: Sequence[onnx.NodeProto], given: frozenset[str]) -> dict[str, int]:
    """Which node produces each tensor; raises ModelFileError where two do, or where names are damaged."""
    producers: dict[str, int] = {}
    for index, node in enumerate(nodes):
        _check_text(model, (node.name, node.op_type, node.domain), node.input, node.output)
        attributes = [attribute.name for attribute in node.attribute]
        _check_text(model, attributes)
        if len(set(attributes)) < len(attributes):
            _refuse_repeated(model, f"attribute of {node_label(node)}", attributes)
        for name in node.output:
            if name in producers or name in given:
                other = node_label(nodes[producers[name]]) if name in producers else "an input or initializer"
                raise ModelFileError(f"{model}: tensor {name!r:.80} is produced by {node_label(node)} and by {other}")
            if name:
                producers[name] = index
    return producers


def _check_subgraphs(model: str, node: onnx.NodeProto, scopes: Scopes) -> set[str]:
    """Check the subgraphs of a node; returns the outer names that they read."""
    captured: set[str] = set()
    for graph in subgraphs(node):
        check_graph(model, graph, scopes)
        captured |= outer_names(graph)
    return captured


def subgraphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    """The graphs that a node carries as attributes."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def outer_names(graph: onnx.GraphProto) -> set[str]:
    """The names that a graph reads from its enclosing scopes."""
    own = {value.name for value in graph.input}
    own.update(tensor.name for tensor in graph.initializer)
    own.update(sparse.values.name for sparse in graph.sparse_initializer)
    read = {value.name for value in graph.output}
    for node in graph.node:
        own.update(node.output)
        read.update(node.input)
        for inner in subgraphs(node):
            read |= outer_names(inner)
    return read - own - {""}


def unread_initializers(graph: onnx.GraphProto) -> set[str]:
    """The initializers that no node, subgraph or output of the graph reads."""
    read = {value.name for value in graph.output}
    for node in graph.node:
        read.update(node.input)
        for inner in subgraphs(node):
            read |= outer_names(inner)
    names = {tensor.name for tensor in graph.initializer}
    names.update(sparse.values.name for sparse in graph.sparse_initializer)
    return names - read


def _check_text(model: str, *groups: Iterable[str]) -> None:
    """Raise ModelFileError where protobuf gives bytes in place of text, because they are not UTF-8."""
    try:
        for group in groups:
            "".join(group)
    except TypeError:
        raise ModelFileError(f"{model}: is damaged: a name is not UTF-8") from None


def _refuse_repeated(model: str, what: str, names: list[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ModelFileError(f"{model}: {what} {name!r:.80} is there twice")
        seen.add(name)


def _refuse_cycle(
    model: str, nodes: Sequence[onnx.NodeProto], producers: dict[str, int], captures: dict[int, set[str]]
) -> None:
    """Raise ModelFileError naming the nodes of a cycle, unless the nodes are merely unsorted."""
    waits = [0] * len(nodes)
    readers: dict[int, list[int]] = {}
    for index, node in enumerate(nodes):
        sources = {producers[name] for name in (*node.input, *captures.get(index, ())) if name in producers}
        waits[index] = len(sources)
        for source in sources:
            readers.setdefault(source, []).append(index)
    ready = [index for index, count in enumerate(waits) if not count]
    done = 0
    while ready:
        done += 1
        for reader in readers.get(ready.pop(), ()):
            waits[reader] -= 1
            if not waits[reader]:
                ready.append(reader)
    if done < len(nodes):
        stuck = {index for index, count in enumerate(waits) if count}
        cycle = _one_cycle(nodes, producers, captures, stuck)
        shown = " -> ".join(node_label(nodes[index]) for index in cycle[:_SHOWN])
        raise ModelFileError(f"{model}: the graph has a cycle of {len(cycle)} nodes: {shown}")


def _one_cycle(
    nodes: Sequence[onnx.NodeProto], producers: dict[str, int], captures: dict[int, set[str]], stuck: set[int]
) -> list[int]:
    """Follow producers among the stuck nodes until one comes again; the loop in reading order."""
    path: list[int] = []
    places: dict[int, int] = {}
    current = min(stuck)
    while current not in places:
        places[current] = len(path)
        path.append(current)
        names = (*nodes[current].input, *captures.get(current, ()))
        current = next(producers[name] for name in names if producers.get(name) in stuck)
    return path[places[current] :][::-1]
