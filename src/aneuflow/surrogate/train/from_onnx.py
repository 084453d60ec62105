"""A trained network as torch has it, from its ONNX file: what ships can be tuned without what it was trained with."""

from __future__ import annotations

from pathlib import Path

import onnx
import torch

from aneuflow.surrogate.train.network import PointNetwork

_PREFIX = "network."


def network_of(file: Path) -> PointNetwork:
    """The network that `to_onnx.write_onnx` wrote."""
    graph = onnx.load(str(file)).graph
    held = {entry.name: torch.from_numpy(onnx.numpy_helper.to_array(entry).copy()) for entry in graph.initializer}
    state = {name.removeprefix(_PREFIX): values for name, values in held.items() if name.startswith(_PREFIX)}
    # Equal weights, as those of layers that were never trained, stand there once.
    for node in graph.node:
        if node.op_type == "Identity" and node.input[0] in held:
            state[node.output[0].removeprefix(_PREFIX)] = held[node.input[0]]
    # Layers over several axes stand there as a product with the transposed weights, under a name of its own, and a sum with
    # the bias, under the layer's.
    products = {node.output[0]: node.input[1] for node in graph.node if node.op_type == "MatMul"}
    for node in graph.node:
        product = next((products[name] for name in node.input if name in products), None)
        if node.op_type == "Add" and product in held:
            bias = next(name for name in node.input if name.startswith(_PREFIX))
            state[bias.removeprefix(_PREFIX).removesuffix("bias") + "weight"] = held[product].T
    widths = [len(state["stem.0.bias"])]
    while f"down.{len(widths) - 1}.0.bias" in state:
        widths.append(len(state[f"down.{len(widths) - 1}.0.bias"]))
    network = PointNetwork(widths, len(state["scalars_mean"]))
    network.load_state_dict(state)
    return network.eval()
