"""External data: what is accepted, what is refused, and how it is written."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import onnx_graphsurgeon as gs
import pytest

from graphmorph.errors import ModelFileError
from graphmorph.onnx_door import StoredValues, constant_array, load, save, stage, to_model
from tests.graphmorph.onnx_door.door_models import LARGE, chain, external

DATA = np.arange(8, dtype=np.float32).tobytes()
ENTRIES = {"location": "w.bin", "offset": "16", "length": "16"}


def test_external_data_is_read_on_demand(tmp_path: Path) -> None:
    graph = load(external(tmp_path, ENTRIES, DATA))
    weight = graph.tensors()["w"]
    assert isinstance(weight._values, StoredValues)
    np.testing.assert_array_equal(constant_array(weight), [4, 5, 6, 7])
    assert isinstance(weight._values, StoredValues)


@pytest.mark.parametrize("missing", ["offset", "length"])
def test_offset_and_length_may_be_missing(tmp_path: Path, missing: str) -> None:
    entries = {key: value for key, value in ENTRIES.items() if key != missing}
    assert constant_array(load(external(tmp_path, entries, DATA)).tensors()["w"]).size == 4


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ({"location": "../w.bin"}, "no plain relative path"),
        ({"location": "sub/../../w.bin"}, "no plain relative path"),
        ({"location": "sub\\..\\w.bin"}, "no plain relative path"),
        ({"location": ""}, "no plain relative path"),
        ({"location": "."}, "no plain relative path"),
        ({"location": "/etc/passwd"}, "is absolute"),
        ({"location": "C:w.bin"}, "is absolute"),
        ({"location": "w.bin\0.txt"}, "no plain relative path"),
        ({"location": "none.bin"}, "No such file"),
        ({"location": "w" * 5000}, "cannot be read"),
        ({**ENTRIES, "offset": "20"}, "needs bytes 20 to 36 of w.bin, which has 32"),
        ({**ENTRIES, "length": "15"}, "takes 16 bytes by its type and dims, but its external length is 15"),
        ({**ENTRIES, "offset": "-16"}, "is no number of bytes"),
        ({**ENTRIES, "offset": "1e3"}, "is no number of bytes"),
        ({**ENTRIES, "offset": "9" * 400}, "is no number of bytes"),
        ({**ENTRIES, "offset": "٣"}, "is no number of bytes"),
        ({**ENTRIES, "basepath": "/etc"}, "unknown or repeated key 'basepath'"),
    ],
)
def test_hostile_entries_are_refused(tmp_path: Path, entries: dict[str, str], reason: str) -> None:
    (tmp_path / "w.bin").write_bytes(DATA)
    (tmp_path / "model" / "sub").mkdir(parents=True)
    path = external(tmp_path / "model", entries, DATA)
    with pytest.raises(ModelFileError, match=reason) as caught:
        load(path)
    assert "'w'" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(DATA)
    path = external(tmp_path / "model", ENTRIES)
    (tmp_path / "model" / "w.bin").symlink_to(tmp_path / "secret")
    with pytest.raises(ModelFileError, match="leads out of the model's folder"):
        load(path)


def test_a_folder_that_is_a_link_leads_out_too(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "w.bin").write_bytes(DATA)
    path = external(tmp_path / "model", {**ENTRIES, "location": "link/w.bin"})
    (tmp_path / "model" / "link").symlink_to(tmp_path / "other")
    with pytest.raises(ModelFileError, match="leads out of the model's folder"):
        load(path)


def test_a_cache_of_links_into_one_folder_is_read(tmp_path: Path) -> None:
    """As a hub's cache keeps them: model and data are both links into a folder of blobs."""
    blobs = tmp_path / "blobs"
    path = external(blobs, ENTRIES, DATA, name="0123")
    (blobs / "w.bin").rename(blobs / "4567")
    snapshot = tmp_path / "snapshots" / "main"
    snapshot.mkdir(parents=True)
    (snapshot / "model.onnx").symlink_to(path)
    (snapshot / "w.bin").symlink_to(Path("..") / ".." / "blobs" / "4567")
    assert constant_array(load(snapshot / "model.onnx").tensors()["w"]).size == 4


def test_a_pipe_is_no_data_file(tmp_path: Path) -> None:
    path = external(tmp_path, ENTRIES)
    os.mkfifo(tmp_path / "w.bin")
    with pytest.raises(ModelFileError, match="is not a regular file"):
        load(path)


def test_a_model_from_bytes_has_no_folder() -> None:
    model = chain({"w": np.zeros(4, np.float32)})
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="w.bin")
    with pytest.raises(ModelFileError, match="load the model by its path"):
        load(model)


def test_data_that_shrinks_after_loading_is_an_error(tmp_path: Path) -> None:
    graph = load(external(tmp_path, ENTRIES, DATA))
    os.truncate(tmp_path / "w.bin", 20)
    with pytest.raises(ModelFileError, match="became shorter"):
        constant_array(graph.tensors()["w"])


def test_hundreds_of_data_files_are_read(tmp_path: Path) -> None:
    weights = {f"w{i}": np.full(300, i, np.float32) for i in range(200)}
    model = chain(weights)
    for tensor in model.graph.initializer:
        (tmp_path / tensor.name).write_bytes(tensor.raw_data)
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=tensor.name)
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    graph = load(tmp_path / "model.onnx")
    assert constant_array(graph.tensors()["w199"])[0] == 199
    os.utime(tmp_path / "w199", (1, 1))
    with pytest.raises(ModelFileError, match="was changed after the model was loaded"):
        constant_array(graph.tensors()["w199"])


def test_max_bytes_counts_external_data(tmp_path: Path) -> None:
    path = external(tmp_path, ENTRIES, DATA)
    size = path.stat().st_size + len(DATA)
    load(path, max_bytes=size)
    with pytest.raises(ModelFileError, match=f"has {size} bytes, more than the limit of {size - 1}"):
        load(path, max_bytes=size - 1)
    with pytest.raises(ModelFileError, match="more than the limit of 10"):
        load(path, max_bytes=10)


def test_what_was_external_is_external_again(tmp_path: Path) -> None:
    weights = {
        "a": np.full(LARGE, 1, np.float32),
        "b": np.full(LARGE, 2, np.float32),
        "c": np.ones(3, np.float32),
    }
    files = save(load(chain(weights)), tmp_path / "one.onnx", external_data=True)
    assert files == [tmp_path / "one.onnx", tmp_path / "one.onnx.data"]
    graph = load(tmp_path / "one.onnx")
    graph.nodes[0].inputs[1] = gs.Constant("new", np.full(LARGE, 3, np.float32))
    save(graph, tmp_path / "two.onnx")
    assert (tmp_path / "two.onnx.data").stat().st_size == 2 * 6400
    model = onnx.load(tmp_path / "two.onnx")
    found = {tensor.name: onnx.numpy_helper.to_array(tensor).ravel()[0] for tensor in model.graph.initializer}
    assert found == {"b": 2, "c": 1, "new": 3}
    assert len((tmp_path / "two.onnx").read_bytes()) < 1500


def test_external_data_can_be_taken_in(tmp_path: Path) -> None:
    path = external(tmp_path, ENTRIES, DATA)
    assert save(load(path), tmp_path / "in.onnx", external_data=False) == [tmp_path / "in.onnx"]
    tensor = onnx.load(tmp_path / "in.onnx", load_external_data=False).graph.initializer[0]
    assert tensor.raw_data == DATA[16:]
    assert not tensor.external_data
    assert not tensor.HasField("data_location")


def test_weights_that_share_their_bytes_keep_sharing_them(tmp_path: Path) -> None:
    save(load(chain({"a": np.ones(LARGE, np.float32)})), tmp_path / "one.onnx", external_data=True)
    model = onnx.load(tmp_path / "one.onnx", load_external_data=False)
    twin = model.graph.initializer.add()
    twin.CopyFrom(model.graph.initializer[0])
    twin.name = "twin"
    model.graph.node[-1].op_type = "Mul"
    model.graph.node[-1].input.append("twin")
    (tmp_path / "one.onnx").write_bytes(model.SerializeToString())
    save(load(tmp_path / "one.onnx"), tmp_path / "two.onnx")
    assert (tmp_path / "two.onnx.data").stat().st_size == 6400


def test_in_place_replaces_model_and_data(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    save(
        load(chain({"a": np.full(LARGE, 1, np.float32), "b": np.full(LARGE, 2, np.float32)})),
        path,
        external_data=True,
    )
    graph = load(path)
    graph.nodes[0].inputs[1] = gs.Constant("new", np.full(LARGE, 3, np.float32))
    save(graph, path)
    assert constant_array(graph.tensors()["b"])[0, 0] == 2  # the old data file is still open
    again = load(path)
    assert [constant_array(again.tensors()[name])[0, 0] for name in ("new", "b")] == [3, 2]
    assert to_model(again).graph.node == to_model(graph).graph.node


def test_the_data_of_another_model_is_not_replaced(tmp_path: Path) -> None:
    """model.onnx keeps its weights in out.onnx.data; writing out.onnx would destroy them."""
    path = external(tmp_path, {**ENTRIES, "location": "out.onnx.data"})
    (tmp_path / "out.onnx.data").write_bytes(DATA)
    with pytest.raises(ModelFileError, match=r"is the data of .*choose another name"):
        save(load(path), tmp_path / "out.onnx")
    with stage(load(path), tmp_path / "elsewhere.onnx") as staged:
        staged.commit()
    assert (tmp_path / "out.onnx.data").read_bytes() == DATA


def test_the_written_files_pass_the_checker(tmp_path: Path) -> None:
    save(load(chain({"a": np.ones(LARGE, np.float32)})), tmp_path / "one.onnx", external_data=True)
    onnx.checker.check_model(str(tmp_path / "one.onnx"))
