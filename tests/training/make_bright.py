"""Writes tests/segmentation/bright.onnx: a segmenter whose lumen is sigmoid(6 (image - 1)) and whose aneurysm is nowhere.

Run with an interpreter that has onnx: python tests/training/make_bright.py
"""

import json
from pathlib import Path

from onnx import TensorProto, checker, helper, save

FILE = Path(__file__).parents[1] / "segmentation" / "bright.onnx"
PLAN = {"name": "bright", "spacing_mm": 0.5, "patch": 32, "multiple": 1, "classes": ["background", "artery", "aneurysm"]}


def main() -> None:
    shape = [1, 1, "x", "y", "z"]
    constants = [
        helper.make_tensor(name, TensorProto.FLOAT, [1], [value]) for name, value in (("one", 1), ("six", 6), ("none", 0))
    ]
    nodes = [
        helper.make_node("Sub", ["image", "one"], ["over"]),
        helper.make_node("Mul", ["over", "six"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["lumen"]),
        helper.make_node("Sub", ["one", "lumen"], ["rest"]),
        helper.make_node("Mul", ["lumen", "none"], ["sac"]),
        helper.make_node("Concat", ["rest", "lumen", "sac"], ["probabilities"], axis=1),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)
    answer = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [1, 3, *shape[2:]])
    model = helper.make_model(
        helper.make_graph(nodes, "bright", [image], [answer], constants), opset_imports=[helper.make_opsetid("", 17)]
    )
    model.ir_version = 8
    helper.set_model_props(model, {"aneuflow-segmenter": "1", "plan": json.dumps({**PLAN, "is_ct": None})})
    checker.check_model(model)
    save(model, str(FILE))


if __name__ == "__main__":
    main()
