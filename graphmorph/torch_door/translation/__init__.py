"""From ONNX nodes to torch, one file a family; the table imports every module in this folder, which registers it."""
