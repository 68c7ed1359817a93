"""From a fitted model to the ONNX graph that is served: inputs `features` and `offset`, output `probability`."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from parivision_assets.steps.fitting import Fitted

OPSET = 15


def to_onnx(fitted: Fitted, features: int) -> bytes:
    """The served graph of a fitted model with so many features, as bytes."""
    return _CONVERTERS[fitted.name](fitted.estimator, features)


def _trees(booster: Any, features: int) -> bytes:
    """Trees + Add(offset) + Sigmoid.

    Stock converters drop a per-row base margin, so the trees are converted as a regressor whose base score is 0, which
    outputs the bare margin, and the offset is added in the graph.
    """
    import xgboost as xgb
    from onnx import TensorProto, helper
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
    graph = trees.graph
    (margin,) = (output.name for output in graph.output)
    nodes = [
        *graph.node,
        helper.make_node("Add", [margin, "offset"], ["log_odds"]),
        helper.make_node("Sigmoid", ["log_odds"], ["probability"]),
    ]
    served = helper.make_graph(
        nodes,
        "parivision",
        [*graph.input, helper.make_tensor_value_info("offset", TensorProto.FLOAT, [None, 1])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, [None, 1])],
        list(graph.initializer),
    )
    return _model(served, trees)


def _pipeline(pipeline: Any, features: int) -> bytes:
    """Concat(features, offset) + scaler + logistic regression, its second probability taken."""
    from onnx import TensorProto, helper, numpy_helper
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType

    model = convert_sklearn(
        pipeline,
        initial_types=[("inputs", FloatTensorType([None, features + 1]))],
        target_opset=OPSET,
        options={"zipmap": False},
    )
    graph = model.graph
    both = graph.output[1].name
    nodes = [
        helper.make_node("Concat", ["features", "offset"], ["inputs"], axis=1),
        *graph.node,
        helper.make_node("Gather", [both, "made"], ["probability"], axis=1),
    ]
    served = helper.make_graph(
        nodes,
        "parivision",
        [
            helper.make_tensor_value_info("features", TensorProto.FLOAT, [None, features]),
            helper.make_tensor_value_info("offset", TensorProto.FLOAT, [None, 1]),
        ],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, [None, 1])],
        [*graph.initializer, numpy_helper.from_array(np.array([1], dtype=np.int64), "made")],
    )
    return _model(served, model)


def _model(graph: Any, converted: Any) -> bytes:
    """A checked model of a graph, with the operator sets of the one it grew from and the default one."""
    import onnx
    from onnx import helper

    domains = {o.domain: o.version for o in converted.opset_import}
    domains[""] = domains.pop("ai.onnx", None) or domains.get("") or OPSET
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid(domain, version) for domain, version in domains.items()],
        ir_version=converted.ir_version,
    )
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


_CONVERTERS = {"xgboost": _trees, "logistic": _pipeline}
