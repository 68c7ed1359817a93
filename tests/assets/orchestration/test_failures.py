"""Errors that a person can act on are a paragraph on the run's page and in the terminal; mistakes keep their stack."""

from __future__ import annotations

import ast
import errno
import io
import sqlite3
from contextlib import redirect_stderr
from pathlib import Path

import dagster as dg
import pytest
from mlflow.exceptions import MlflowException

import parivision_assets
from parivision_assets.alerting.failed_runs import step_and_reason
from parivision_assets.orchestration.failures import LONGEST, fails_in_words, in_words, waits_in_words
from parivision_core.fault_lines import FaultStream
from parivision_core.problems import StoreError


def raised(error: Exception) -> dg.Failure:
    """What an error becomes."""
    with pytest.raises(dg.Failure) as found, in_words():
        raise error
    assert found.value.__cause__ is error
    assert not found.value.allow_retries
    return found.value


def of_sqlalchemy() -> Exception:
    """As SQLAlchemy raises it, whose text holds the statement, and MLflow after it."""
    try:
        raise sqlite3.OperationalError("database or disk is full")
    except sqlite3.OperationalError as error:
        try:
            raise RuntimeError("(sqlite3.OperationalError) database or disk is full\n[SQL: INSERT ...]") from error
        except RuntimeError as other:
            return MlflowException(other)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (StoreError("/a/meta.sqlite can't be written; free some space"), ["/a/meta.sqlite can't be written"]),
        (OSError(errno.ENOSPC, "No space left on device", "/a/model.onnx"), ["/a/model.onnx", "No space left"]),
        (OSError(errno.ENOSPC, "No space left on device"), ["a file can't be written"]),
        (sqlite3.OperationalError("database or disk is full"), ["a database can't be written"]),
        (of_sqlalchemy(), ["MLflow's store sqlite:///", "mlflow.db", "database or disk is full"]),
    ],
)
def test_an_error_says_the_file_the_cause_and_the_remedy(
    error: Exception, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlflow.get_tracking_uri", lambda: "sqlite:////home/mlflow/mlflow.db")
    description = str(raised(error).description)
    assert all(word in description for word in [*words, "free some space"])
    assert "SQL:" not in description


def test_mlflow_that_is_down_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlflow.get_tracking_uri", lambda: "http://ann:s3cret@mlflow:5000")
    description = str(raised(MlflowException("API request failed:\n" + "x" * 1000)).description)
    assert description.startswith("MLflow at http://mlflow:5000 can't be used: API request failed: xxx")
    assert "requested again by itself" in description
    assert len(description) < 2 * LONGEST


def test_a_mistake_in_the_code_stays_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError), in_words():
        raise ZeroDivisionError
    with pytest.raises(dg.Failure, match="as it was"), in_words():
        raise dg.Failure("as it was")


def test_a_failed_step_is_a_paragraph_in_the_alert_and_in_the_terminal() -> None:
    """Of an asset that yields, of one that returns, and of a check."""
    problem = "the lake can't be written: the disk is full; free some space"

    @dg.asset
    @fails_in_words
    def yields() -> None:
        yield dg.MaterializeResult()  # type: ignore[misc]
        raise StoreError(problem)

    @dg.asset
    @fails_in_words
    def returns() -> None:
        raise StoreError(problem)

    @dg.asset
    def sound() -> None:
        pass

    @dg.asset_check(asset=sound)
    @fails_in_words
    def check() -> dg.AssetCheckResult:
        raise StoreError(problem)

    for assets, checks in (([yields], []), ([returns], []), ([sound], [check])):
        kept = io.StringIO()
        with redirect_stderr(FaultStream(kept)), dg.DagsterInstance.ephemeral() as instance:
            job = dg.Definitions(assets=assets, asset_checks=checks).resolve_implicit_global_asset_job_def()
            run = job.execute_in_process(instance=instance, raise_on_error=False)
            (event,) = (e for e in run.all_events if e.event_type is dg.DagsterEventType.RUN_FAILURE)
            assert step_and_reason(event, run.dagster_run, instance)[1] == problem
        assert kept.getvalue().count(problem) == 1
        assert "File " not in kept.getvalue()


def test_sensors_that_find_the_store_down_say_so_once_and_go_on_by_themselves() -> None:
    down = ["MongoDB can't be reached", "MongoDB can't be reached", ""]

    def made(name: str) -> dg.SensorDefinition:
        @waits_in_words
        def look(context: dg.SensorEvaluationContext) -> dg.SensorResult:
            if down[0]:
                raise StoreError(down[0])
            return dg.SensorResult(run_requests=[dg.RunRequest()], cursor="new")

        look.__wrapped__.__name__ = name  # type: ignore[attr-defined]
        return dg.SensorDefinition(name, evaluation_fn=look, job_name="any")

    sensors, said = [made("one"), made("two")], list[str]()
    while down:
        for sensor in sensors:
            with dg.build_sensor_context(cursor="old") as context:
                context.log.warning = said.append  # type: ignore[method-assign, assignment]
                result = sensor(context)
            if down[0]:
                assert isinstance(result, dg.SkipReason)
                assert result.skip_message == down[0]
            else:
                assert isinstance(result, dg.SensorResult)
        del down[0]
    assert said == [
        "MongoDB can't be reached; the sensors look again by themselves",
        "this is over: MongoDB can't be reached",
    ]


IN_WORDS = {
    "asset": "fails_in_words",
    "multi_asset": "fails_in_words",
    "asset_check": "fails_in_words",
    "op": "fails_in_words",
    "sensor": "waits_in_words",
}
"""Dagster's decorator -> that which must stand right below it."""
DAGSTERS_OWN = {"alert_on_failures"}
"""Sensors that read nothing but Dagster's records."""


def test_every_step_and_sensor_fails_in_words() -> None:
    found: list[str] = []
    for path in sorted(Path(parivision_assets.__path__[0]).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name not in DAGSTERS_OWN:
                names = [ast.unparse(d.func if isinstance(d, ast.Call) else d) for d in node.decorator_list]
                for kind in (name.removeprefix("dg.") for name in names if name.startswith("dg.")):
                    if kind in IN_WORDS:
                        assert names[names.index(f"dg.{kind}") + 1 :] == [IN_WORDS[kind]], (path, node.name)
                        found.append(kind)
    assert set(found) == set(IN_WORDS)
