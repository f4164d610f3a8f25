"""Components of equalities, walls that spread through them, and choices that settle."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from graphmorph.channels.components import Components
from graphmorph.channels.elements import Choice, Elements, Option, Reason

WHY = Reason("n", "Op", "why")


def test_what_is_linked_lives_and_dies_together() -> None:
    elements = Elements()
    a, b, c = elements.fresh(3), elements.fresh(3), elements.fresh(2)
    elements.link(a, b, WHY)
    elements.link(b[:2], c, WHY)
    label = Components(elements).label
    np.testing.assert_array_equal(label[a], label[b])
    np.testing.assert_array_equal(label[a[:2]], label[c])
    assert np.unique(label[a]).size == 3


@given(data=st.data(), count=st.integers(1, 40))
def test_components_are_those_of_the_graph_of_equalities(data: st.DataObject, count: int) -> None:
    end = st.integers(1, count)
    links = np.array(data.draw(st.lists(st.tuples(end, end), max_size=60)), np.int64).reshape(-1, 2)
    elements = Elements()
    elements.fresh(count)
    elements.link(links[:, 0], links[:, 1], WHY)
    graph = coo_matrix((np.ones(len(links)), (links[:, 0], links[:, 1])), shape=(count + 1, count + 1))
    _, label = connected_components(graph, directed=False)
    np.testing.assert_array_equal(Components(elements).label, label)


def test_a_wall_holds_all_that_is_linked_to_it() -> None:
    elements = Elements()
    a, b = elements.fresh(3), elements.fresh(3)
    elements.link(a, b, WHY)
    elements.wall(b[1:2], WHY)
    np.testing.assert_array_equal(Components(elements).is_wall(a), [False, True, False])


def test_linking_to_an_axis_of_walls_makes_walls() -> None:
    elements = Elements()
    a, b = elements.fresh(2), elements.fresh(2)
    elements.link(a, None, WHY)
    elements.link(b, np.array([0, b[1]]), WHY)
    components = Components(elements)
    assert components.is_wall(a).all()
    np.testing.assert_array_equal(components.is_wall(b), [True, False])


def _split(elements: Elements, size: int, *factors: int) -> tuple[np.ndarray, list[np.ndarray], Choice]:
    """An axis that is cut into factors, of which one can shrink."""
    whole = elements.fresh(size)
    parts = [elements.fresh(n) for n in factors]
    view = whole.reshape(factors)
    options = []
    for place, (count, ids) in enumerate(zip(factors, parts, strict=True)):
        rows = np.concatenate([np.moveaxis(view, place, 0).reshape(count, -1), ids[:, None]], axis=1)
        walls = tuple(other for i, other in enumerate(parts) if i != place)
        options.append(Option(str(place), (rows,), walls, float(count)))
    choice = Choice(WHY, options)
    elements.choices.append(choice)
    return whole, parts, choice


def test_a_choice_with_one_way_left_is_forced() -> None:
    elements = Elements()
    whole, (heads, depth), choice = _split(elements, 12, 4, 3)
    elements.wall(heads, WHY)
    components = Components(elements)
    assert choice.chosen is choice.options[1]
    assert choice.forced
    assert not components.is_wall(depth).any()
    assert np.unique(components.label[whole]).size == 3


def test_an_open_choice_takes_what_is_preferred_and_else_the_larger_factor() -> None:
    elements = Elements()
    _, _, larger = _split(elements, 12, 3, 4)
    _, (heads, _), preferred = _split(elements, 12, 3, 4)
    elements.prefer(heads)
    Components(elements)
    assert (larger.chosen, preferred.chosen) == (larger.options[1], preferred.options[0])
    assert not larger.forced
    assert not preferred.forced


def test_one_choice_settles_the_next() -> None:
    """Cut into 2 x 6, then merged again: the second choice follows the first."""
    elements = Elements()
    _, (groups, per_group), first = _split(elements, 12, 2, 6)
    merged = elements.fresh(12)
    view = merged.reshape(6, 2)
    options = (
        Option("0", (np.concatenate([view, per_group[:, None]], axis=1),), (groups,), 6.0),
        Option("1", (np.concatenate([view.T, groups[:, None]], axis=1),), (per_group,), 2.0),
    )
    second = Choice(WHY, options)
    elements.choices.append(second)
    components = Components(elements)
    assert (first.chosen, second.chosen) == (first.options[1], options[0])
    assert second.forced
    np.testing.assert_array_equal(components.label[merged], np.repeat(components.label[per_group], 2))


def test_a_choice_without_any_way_keeps_everything() -> None:
    elements = Elements()
    whole, (heads, depth), _ = _split(elements, 12, 4, 3)
    elements.wall(whole, WHY)
    components = Components(elements)
    assert components.is_wall(heads).all()
    assert components.is_wall(depth).all()
