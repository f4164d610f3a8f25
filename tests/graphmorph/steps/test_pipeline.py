"""Reading a pipeline: what it says, and one clear line for everything that it cannot mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphmorph.errors import UsageError
from graphmorph.steps.pipeline import read_pipeline
from tests.graphmorph.steps.pipeline_models import Steps

EXAMPLE = Path(__file__).parents[3] / "examples" / "deploy.toml"


def written(folder: Path, text: str) -> Path:
    path = folder / "p.toml"
    path.write_text(text)
    return path


def test_the_example_says_what_it_says() -> None:
    found = read_pipeline(EXAMPLE)
    assert [step.kind.name for step in found.steps] == ["fuse", "prune", "prune"]
    assert found.steps[1].options == {"ratio": 0.5, "round_to": 8}
    assert found.steps[1].asked == {"ratio": 0.5, "round-to": 8}
    assert found.shared == {"seed": 0, "samples": 2}


def test_a_list_of_steps_and_a_mapping_are_pipelines_too() -> None:
    steps: Steps = [{"run": "fuse"}, {"run": "prune", "ratio": 1}]
    assert read_pipeline(steps).steps == read_pipeline({"step": steps}).steps
    assert read_pipeline({"samples": 2, "step": steps}).shared == {"samples": 2}


def test_keywords_go_before_what_the_file_says(tmp_path: Path) -> None:
    path = written(tmp_path, 'seed = 1\nsamples = 2\n[[step]]\nrun = "fuse"')
    assert read_pipeline(path, {"seed": 3}).shared == {"seed": 3, "samples": 2}


def test_files_are_beside_the_pipeline_and_labels_an_array_of_the_inputs(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x=np.zeros((2, 3)), classes=np.array([1, 0]))
    np.save(tmp_path / "c.npy", np.array([0, 1]))
    text = 'inputs = "d.npz"\nlabels = "{}"\n[[step]]\nrun = "merge"\ncalibration = "d.npz"'
    found = read_pipeline(written(tmp_path, text.format("classes")))
    assert found.shared["inputs"] == found.steps[0].options["calibration"] == str(tmp_path / "d.npz")
    assert found.shared["labels"].tolist() == [1, 0]
    assert read_pipeline(written(tmp_path, text.format("c.npy"))).shared["labels"].tolist() == [0, 1]


def test_libraries_are_beside_the_pipeline(tmp_path: Path) -> None:
    found = read_pipeline(written(tmp_path, 'custom-ops = ["a.so"]\n[[step]]\nrun = "fuse"'))
    assert found.shared["custom_ops"] == (str(tmp_path / "a.so"),)


def fuse_with(line: str) -> str:
    return f'[[step]]\nrun = "fuse"\n{line}'


def prune_with(line: str) -> str:
    return f'[[step]]\nrun = "fuse"\n[[step]]\nrun = "prune"\n{line}'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", r"p\.toml: there is no step; each begins with \[\[step\]\]"),
        ("seed = 1", "there is no step"),
        ('[step]\nrun = "fuse"', "there is no step"),
        ("step = 3", "there is no step"),
        ("step = [3]", "step 1: say what it does"),
        ("[[step]]", 'step 1: say what it does, as in run = "fuse"'),
        ("[[step]]\nrun = 3", "step 1: say what it does"),
        ('[[step]]\nrun = "fold"', "step 1: no step is called fold; there are fuse, prune, merge"),
        ('[[step]\nrun = "fuse"', r"p\.toml: is not TOML: .*line 1"),
        ('sede = 1\n[[step]]\nrun = "fuse"', "at the top, there is no option sede: did you mean seed.*verify, inputs"),
        ('seed = "a"\n[[step]]\nrun = "fuse"', "seed = 'a': a whole number is wanted"),
        ('verify = 0\n[[step]]\nrun = "fuse"', "verify = 0: true or false is wanted"),
        ('shapes = [1]\n[[step]]\nrun = "fuse"', r"shapes = \[1\]: a table is wanted"),
        ('inputs = "no.npz"\n[[step]]\nrun = "fuse"', r"inputs = 'no\.npz': .*no\.npz does not exist"),
        ('labels = "c"\n[[step]]\nrun = "fuse"', "--labels need the samples that they belong to"),
        (prune_with("rato = 0.5"), r"step 2 \(prune\) has no option rato: did you mean ratio\? There are ratio, "),
        (prune_with("global = true"), r"step 2 \(prune\) has no option global.* There are .*scope"),
        (
            prune_with("rtol = 0.5"),
            r"step 2 \(prune\) has no option rtol: it is for the whole pipeline, so put it at the",
        ),
        (prune_with("in_place = true"), r"step 2 \(prune\) has no option in_place"),
        (prune_with('ratio = "half"'), r"step 2 \(prune\): ratio = 'half': a number is wanted"),
        (prune_with("criterion = 'l3'"), r"step 2 \(prune\): criterion = 'l3': one of l1, l2, .* is wanted"),
        (prune_with("round-to = 8\nround_to = 4"), r"step 2 \(prune\): round_to is given twice"),
        (prune_with("calibration = 2020-01-01"), "calibration = .*: a file is wanted"),
        (prune_with("calibration = 'no.npz'"), r"no\.npz does not exist"),
        (fuse_with("only = [1]"), r"step 1 \(fuse\): only = \[1\]: a list of texts is wanted"),
        ('[[step]]\nrun = "merge"', r"step 1 \(merge\) needs calibration: a file"),
        ('[[step]]\nrun = "insert-layer"', r"step 1 \(insert-layer\): "),
        ('[[step]]\nrun = "insert-channels"\nfraction = -1', r"step 1 \(insert-channels\): .*fraction"),
        ('[[step]]\nrun = "fold-batchnorm"\nx = 1', r"step 1 \(fold-batchnorm\) has no option x; There are keep"),
    ],
)
def test_what_cannot_be_meant_is_one_line(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said) as raised:
        read_pipeline(written(tmp_path, text))
    assert "\n" not in str(raised.value)
    assert str(tmp_path / "p.toml") in str(raised.value) or "--labels" in said


def test_a_file_that_is_not_there_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no\.toml: cannot be read: No such file"):
        read_pipeline(tmp_path / "no.toml")
    (tmp_path / "b.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match=r"b\.toml: is not TOML"):
        read_pipeline(tmp_path / "b.toml")


@pytest.mark.parametrize("given", [{"output": "x"}, {"ratio": 0.5}])
def test_keywords_are_those_of_a_pipeline(given: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"a pipeline has no option .*There are verify, inputs"):
        read_pipeline([{"run": "fuse"}], given)
