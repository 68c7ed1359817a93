"""Bulk requests as Arrow streams: the rules of single requests hold for columns; answers come as Arrow or JSON."""

from __future__ import annotations

import io
import json
import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar.testing import TestClient

from parivision_core.arrow import MEDIA_TYPE
from parivision_core.nba.shots import NBA
from parivision_serving.prediction.bulk_rows import ARROW_ROWS, MOST_ROWS, BulkRows
from tests.helpers.serving_setup import FULL_SHOT, SHOT
from tests.helpers.small_app import problem_of
from tests.serving.prediction.bulk_service import BULK, BulkService, single_errors

JSON = "application/json"
ROWS: list[dict[str, Any]] = [
    SHOT,
    FULL_SHOT,
    SHOT | {"x": 9999},
    FULL_SHOT | {"x": 0, "y": 250, "home": False, "rest_days": 3, "arena": "LAL"},
    SHOT | {"team": "XXX", "opponent": "LAL"},
    SHOT | {"period": 5, "seconds_remaining": 400, "player_id": 2544},
    SHOT | {"kind": "dunk", "game_date": "2023-01-05", "game_id": 22_200_001, "player_id": 2544},
]
WRONG = {2: "x", 4: "team", 5: "seconds_remaining"}


def stream(table: pa.Table | list[dict[str, Any]], rows: int | None = None) -> bytes:
    if isinstance(table, list):
        table = pa.Table.from_pylist(table, schema=schema_of(table))
    out = io.BytesIO()
    with pa.ipc.new_stream(out, table.schema) as writer:
        for batch in table.to_batches(max_chunksize=rows):
            writer.write_batch(batch)
    return out.getvalue()


def schema_of(rows: list[dict[str, Any]]) -> pa.Schema:
    names = dict.fromkeys(name for row in rows for name in row)
    kinds = {"x": pa.float64(), "y": pa.float32(), "seconds_remaining": pa.float64(), "period": pa.int8()}
    kinds |= dict.fromkeys(("player_id", "rest_days", "game_id"), pa.int64()) | {"home": pa.bool_()}
    return pa.schema([(name, kinds.get(name, pa.string())) for name in names])


def post(client: TestClient[Any], body: bytes, accept: str | None = None) -> Any:
    headers = {"content-type": MEDIA_TYPE} | ({"accept": accept} if accept else {})
    return client.post(BULK, content=body, headers=headers)


def test_an_arrow_stream_is_answered_by_an_arrow_stream(
    bulk_service: BulkService, bulk_client: TestClient[Any]
) -> None:
    answer = post(bulk_client, stream(ROWS))
    assert (answer.status_code, answer.headers["content-type"]) == (200, MEDIA_TYPE)
    body = pa.ipc.open_stream(answer.content).read_all()
    for row, requested in enumerate(ROWS):
        prediction = {name: body[name][row].as_py() for name in ("probability", "expected_points", "league_average")}
        problem = body["problem"][row].as_py()
        if row in WRONG:
            errors = single_errors(json.dumps(requested).encode())
            assert problem == "; ".join(f"{error.field}: {error.message}" for error in errors)
            assert errors[0].field == WRONG[row]
            assert set(prediction.values()) == {None}
        else:
            assert problem is None
            assert prediction == bulk_service.expected(requested)
    assert [str(field.type) for field in body.schema] == ["double", "double", "double", "string"]
    source = {name.decode(): value.decode() for name, value in body.schema.metadata.items()}
    assert source == {
        "id": answer.headers["x-prediction-id"],
        "champion_version": answer.headers["x-champion-version"],
        "champion_sha256": bulk_service.bundle.sha256,
        "feature_state_stamp": answer.headers["x-feature-state-stamp"],
        "feature_state_through": "2023-04-09",
    }


def test_json_and_arrow_are_answered_in_json_or_arrow(bulk_client: TestClient[Any]) -> None:
    requested = {"content": stream(ROWS), "headers": {"content-type": MEDIA_TYPE}}, {"json": ROWS, "headers": {}}
    arrows, rows = [], []
    for one in requested:
        headers: Any = one["headers"]
        for accept in (MEDIA_TYPE, JSON):
            answer = bulk_client.post(BULK, **(one | {"headers": headers | {"accept": accept}}))  # type: ignore[arg-type]
            assert answer.headers["content-type"] == accept
            if accept == JSON:
                rows.append({name: answer.json()[name] for name in ("predictions", "problems")})
            else:
                arrows.append(pa.ipc.open_stream(answer.content).read_all().to_pydict())
    assert rows[0] == rows[1]
    assert arrows[0] == arrows[1]
    first = rows[0]["predictions"][0]
    assert first == {name: arrows[0][name][0] for name in first}
    for accept in ("*/*", "text/csv", "application/*"):
        assert post(bulk_client, stream(ROWS), accept).headers["content-type"] == MEDIA_TYPE


def test_the_prediction_log_keeps_the_arrow_stream(bulk_service: BulkService, bulk_client: TestClient[Any]) -> None:
    body = stream(ROWS)
    answer = post(bulk_client, body, JSON).json()
    (call,) = bulk_service.recorder.recorded
    assert (call.content, call.request) == ("arrow", body)
    content = np.frombuffer(call.probability, "<f8").tolist()
    assert [None if math.isnan(p) else p for p in content] == [p and p["probability"] for p in answer["predictions"]]
    assert call.awaited == ((6, "2023-01-05:22200001:2544:4:35"),)


def test_a_stream_without_rows_is_answered(bulk_client: TestClient[Any]) -> None:
    table = pa.Table.from_pylist([], schema=schema_of(ROWS))
    for body in (stream(table), stream(pa.Table.from_batches([], table.schema))):
        assert pa.ipc.open_stream(post(bulk_client, body).content).read_all().num_rows == 0
        assert post(bulk_client, body, JSON).json()["predictions"] == []


@pytest.mark.parametrize("rows", [1, 3, None])
def test_the_order_is_kept_over_record_batches_and_pieces(
    bulk_service: BulkService, bulk_client: TestClient[Any], rows: int | None
) -> None:
    size = 10 if rows else ARROW_ROWS + 10
    requested = [SHOT | {"x": i % 200 if i % 5 else 999, "y": i % 300} for i in range(size)]
    body = post(bulk_client, stream(requested, rows), JSON).json()
    assert [problem["row"] for problem in body["problems"]] == list(range(0, size, 5))
    assert [prediction is None for prediction in body["predictions"]] == [i % 5 == 0 for i in range(size)]
    assert body["predictions"][-1] == bulk_service.expected(requested[-1])


def test_a_stream_of_single_rows_is_read_as_one_piece() -> None:
    (piece,) = BulkRows(NBA).from_arrow(stream([SHOT | {"x": i} for i in range(300)], 1))
    assert piece.columns["x"].tolist() == [x for x in range(300) if x <= 250]
    assert [problem.row for problem in piece.refused] == list(range(251, 300))


texts = st.sampled_from(["LAL", "GSW", "lal", "", "BOS", None])
cells = {
    "x": st.sampled_from([0.0, -250.0, 250.0, 250.5, 1e300, -251.0, 3.25, None]),
    "y": st.sampled_from([0.0, -52.0, -53.0, 888.0, 12.5]),
    "period": st.sampled_from([1, 4, 5, 14, 15, 0, -3, None]),
    "seconds_remaining": st.sampled_from([0.0, 300.0, 301.0, 720.0, 721.0, 0.5]),
    "player_id": st.sampled_from([2544, 0, -1, 2**53, 2**53 - 1, 2**62, None]),
    "team": texts,
    "opponent": texts,
    "arena": texts,
    "home": st.sampled_from([True, False, None]),
    "rest_days": st.sampled_from([1, 400, 401, 0, None]),
    "kind": st.sampled_from(["dunk", "slam", "Dunk", None]),
    "game_date": st.sampled_from(["2023-01-05", "2023-13-05", "2023-02-31", "0000-01-01", "٢٠٢٣-01-05", "", None]),
    "game_id": st.sampled_from([22_200_001, -1, None]),
}
WHOLE = ["period", "player_id", "rest_days", "game_id"]


@given(st.lists(st.fixed_dictionaries(cells), min_size=1, max_size=6), st.booleans(), st.booleans())
def test_a_row_is_refused_exactly_if_a_single_request_is(
    rows: list[dict[str, Any]], as_words: bool, as_floats: bool
) -> None:
    table = pa.Table.from_pylist(rows, schema=schema_of(rows))
    for name in table.column_names:
        at = table.schema.get_field_index(name)
        if as_words and table.schema.field(name).type == pa.string():
            table = table.set_column(at, name, table[name].dictionary_encode())
        if as_floats and name in WHOLE:
            table = table.set_column(
                at, name, pa.array([v and float(v) for v in table[name].to_pylist()], pa.float64())
            )
    (piece, *_) = [one for one in BulkRows(NBA).from_arrow(stream(table)) if one.rows]
    given_rows = [{name: value for name, value in row.items() if value is not None} for row in rows]
    expected = {
        row: errors for row, one in enumerate(given_rows) if (errors := single_errors(json.dumps(one).encode()))
    }
    found = {problem.row: problem.errors for problem in piece.refused}
    if as_floats:  # what lies beyond 2**53 isn't exact as a float; it is out of bounds all the same
        assert found.keys() == expected.keys()
    else:
        assert found == expected
    assert piece.sound.tolist() == [row for row in range(len(rows)) if row not in expected]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("field", ["x", "seconds_remaining", "player_id"])
def test_numbers_that_are_not_finite_are_refused(bulk_client: TestClient[Any], field: str, value: float) -> None:
    table = pa.Table.from_pylist([SHOT | {"player_id": 1}] * 3)
    column = pa.array([1.0, value, 2.0], pa.float64())
    table = table.set_column(table.schema.get_field_index(field), field, column)
    body = post(bulk_client, stream(table), JSON).json()
    message = "this number is not finite; null leaves a field out"
    assert body["problems"] == [{"row": 1, "errors": [{"field": field, "message": message}]}]
    assert [prediction is None for prediction in body["predictions"]] == [False, True, False]


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("x", pa.array(["5"]), "a column of text can't hold it; send numbers"),
        ("x", pa.array([True]), "a column of booleans can't hold it; send numbers"),
        ("x", pa.array([[1.0]]), "a column of type list can't be read"),
        ("home", pa.array([1]), "a column of numbers can't hold it; send booleans"),
        ("team", pa.array([1]), "a column of numbers can't hold it; send text"),
        ("kind", pa.array([0], pa.date32()), "a column of type date can't be read"),
        ("earlier_shots", pa.array([[{"x": 1}]]), "lists can't be sent as a column; send shots with it as JSON"),
        ("earlier_shots", pa.array([None]), "lists can't be sent as a column; send shots with it as JSON"),
        ("foo", pa.array([1]), "there is no such field; known are x, y, period"),
    ],
)
def test_a_column_that_fits_no_field_is_reported(
    bulk_service: BulkService, bulk_client: TestClient[Any], column: str, values: pa.Array, message: str
) -> None:
    table = pa.table({name: pa.array([value]) for name, value in SHOT.items()} | {column: values})
    answer = post(bulk_client, stream(table))
    assert message in problem_of(answer, 422, column)
    assert not bulk_service.recorder.recorded


NUMBERS = [pa.int8(), pa.uint8(), pa.int32(), pa.uint64(), pa.float16(), pa.float32(), pa.float64()]
TEXTS = [pa.string(), pa.large_string(), pa.string_view()]


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("entries", [None, pa.int8(), pa.uint32()])
def test_every_column_type_that_can_hold_a_field_is_accepted(
    bulk_service: BulkService,
    bulk_client: TestClient[Any],
    number: pa.DataType,
    text: pa.DataType,
    entries: pa.DataType | None,
) -> None:
    requested: dict[str, Any] = {"x": 100, "y": 30, "period": 4, "seconds_remaining": 35, "player_id": 7, "team": "LAL"}

    def column(name: str, value: Any) -> pa.Array:
        kind = text if name == "team" else number
        first = None if name in ("player_id", "team") else value
        if entries is None:
            return pa.array([first, value]).cast(kind)
        rows = pa.array([None if first is None else 0, 0], entries)
        return pa.DictionaryArray.from_arrays(rows, pa.array([value]).cast(kind))

    table = pa.table({name: column(name, value) for name, value in requested.items()})
    body = post(bulk_client, stream(table), JSON).json()
    assert body["problems"] == []
    alone_first = {name: value for name, value in requested.items() if name not in ("player_id", "team")}
    assert body["predictions"] == [bulk_service.expected(alone_first), bulk_service.expected(requested)]


def test_a_missing_required_column_is_reported(bulk_client: TestClient[Any]) -> None:
    answer = post(bulk_client, stream(pa.table({"x": [1.0], "period": [1]})))
    assert "this column is missing" in problem_of(answer, 422, "y", "seconds_remaining")
    nothing = pa.table({name: pa.nulls(2) if name == "y" else pa.array([value] * 2) for name, value in SHOT.items()})
    body = post(bulk_client, stream(nothing), JSON).json()
    assert [p["errors"] for p in body["problems"]] == [[{"field": "y", "message": "this field is missing"}]] * 2


def test_a_damaged_stream_is_refused(bulk_service: BulkService, bulk_client: TestClient[Any]) -> None:
    body = stream(ROWS)
    for damaged, message in [
        (b"", "no Arrow stream"),
        (b"[]", "no Arrow stream"),
        (body[:-8], "no end marker"),
        (body[:-20], "ends in the middle"),
        (body[: len(body) // 2], "ends in the middle"),
        (body[:40] + b"\xff" * 40 + body[80:], "damaged"),
    ]:
        assert message in problem_of(post(bulk_client, damaged), 422, "body")
    assert not bulk_service.recorder.recorded


def test_a_stream_has_a_limit(bulk_client: TestClient[Any]) -> None:
    table = pa.table({name: pa.array([value] * (MOST_ROWS + 1)) for name, value in SHOT.items()})
    assert "at most 100000 rows" in problem_of(post(bulk_client, stream(table)), 413)
