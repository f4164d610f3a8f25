"""The ONNX door: models come in as graphs and go out again with everything that no pass touched as it was."""

from graphmorph.graph import constant_array
from graphmorph.onnx_door.constants import add_constant
from graphmorph.onnx_door.reader import load
from graphmorph.onnx_door.record import DoorRecord
from graphmorph.onnx_door.storage import StoredValues
from graphmorph.onnx_door.writer import StagedModel, model_bytes, save, stage, to_model

__all__ = [
    "DoorRecord",
    "StagedModel",
    "StoredValues",
    "add_constant",
    "constant_array",
    "load",
    "model_bytes",
    "save",
    "stage",
    "to_model",
]
