"""From a fitted model to the ONNX graph that is served: inputs `features` and `offset`, output `probability`.

A calibrator, if there is one, is the last part of the graph.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from parivision_assets.steps.training.calibrating import CLIP, Calibrator
from parivision_assets.steps.training.fitting import Fitted

OPSET = 15


def to_onnx(fitted: Fitted, features: int) -> bytes:
    """The served graph of a fitted model with so many input features, as bytes."""
    import onnx
    from onnx import TensorProto, helper

    probability = "uncalibrated_probability" if fitted.calibrator else "probability"
    nodes, constants, converted = _CONVERTERS[fitted.name](fitted.estimator, features, probability)
    if fitted.calibrator:
        more, weights = _calibration(fitted.calibrator, probability)
        nodes, constants = nodes + more, constants + weights
    graph = helper.make_graph(
        nodes,
        "parivision",
        [
            helper.make_tensor_value_info("features", TensorProto.FLOAT, [None, features]),
            helper.make_tensor_value_info("offset", TensorProto.FLOAT, [None, 1]),
        ],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, [None, 1])],
        constants,
    )
    # The operator sets are those of the converted model, and the default one.
    domains = {o.domain: o.version for o in converted.opset_import}
    domains[""] = domains.pop("ai.onnx", None) or domains.get("") or OPSET
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid(domain, version) for domain, version in domains.items()],
        ir_version=converted.ir_version,
    )
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


Part = tuple[list[Any], list[Any], Any]
"""Nodes that end in a probability, their constants, and the converted model they were taken from."""


def _trees(booster: Any, features: int, probability: str) -> Part:
    """Trees + Add(offset) + Sigmoid.

    Stock converters drop a per-row base margin, so the trees are converted as a regressor whose base score is 0, which
    outputs the bare margin, and the offset is added in the graph.
    """
    import xgboost as xgb
    from onnx import helper
    from onnxmltools import convert_xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType

    model = json.loads(bytes(booster.save_raw("json")))
    learner = model["learner"]
    learner["objective"] = {"name": "reg:squarederror", "reg_loss_param": {"scale_pos_weight": "1"}}
    learner["learner_model_param"]["base_score"] = (
        "[0E0]" if "[" in learner["learner_model_param"]["base_score"] else "0E0"
    )
    regressor = xgb.XGBRegressor()
    regressor.load_model(bytearray(json.dumps(model).encode()))
    trees = convert_xgboost(
        regressor, initial_types=[("features", FloatTensorType([None, features]))], target_opset=OPSET
    )
    (margin,) = (output.name for output in trees.graph.output)
    nodes = [
        *trees.graph.node,
        helper.make_node("Add", [margin, "offset"], ["log_odds"]),
        helper.make_node("Sigmoid", ["log_odds"], [probability]),
    ]
    return nodes, list(trees.graph.initializer), trees


def _classifier(classifier: Any, features: int, probability: str) -> Part:
    """Concat(features, offset) + a scikit-learn classifier, the probability of its second class taken."""
    from onnx import helper, numpy_helper
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType

    model = convert_sklearn(
        classifier,
        initial_types=[("inputs", FloatTensorType([None, features + 1]))],
        target_opset=OPSET,
        options={"zipmap": False},
    )
    both = model.graph.output[1].name
    nodes = [
        helper.make_node("Concat", ["features", "offset"], ["inputs"], axis=1),
        *model.graph.node,
        helper.make_node("Gather", [both, "made"], [probability], axis=1),
    ]
    constants = [*model.graph.initializer, numpy_helper.from_array(np.array([1], dtype=np.int64), "made")]
    return nodes, constants, model


_CONVERTERS = {"xgboost": _trees, "logistic": _classifier, "forest": _classifier}


def _calibration(calibrator: Calibrator, probability: str) -> tuple[list[Any], list[Any]]:
    """Nodes and constants from the model's own probability to the calibrated one."""
    from onnx import helper, numpy_helper

    constants = {
        "lowest": CLIP,
        "highest": 1 - CLIP,
        "one": 1.0,
        "made_weight": calibrator.made_weight,
        "missed_weight": calibrator.missed_weight,
        "shift": calibrator.shift,
    }
    nodes = [
        helper.make_node("Clip", [probability, "lowest", "highest"], ["clipped"]),
        helper.make_node("Sub", ["one", "clipped"], ["clipped_miss"]),
        helper.make_node("Log", ["clipped"], ["log_made"]),
        helper.make_node("Log", ["clipped_miss"], ["log_missed"]),
        helper.make_node("Mul", ["log_made", "made_weight"], ["for"]),
        helper.make_node("Mul", ["log_missed", "missed_weight"], ["against"]),
        helper.make_node("Sub", ["for", "against"], ["weighted"]),
        helper.make_node("Add", ["weighted", "shift"], ["calibrated_log_odds"]),
        helper.make_node("Sigmoid", ["calibrated_log_odds"], ["probability"]),
    ]
    return nodes, [numpy_helper.from_array(np.float32(value), name) for name, value in constants.items()]
