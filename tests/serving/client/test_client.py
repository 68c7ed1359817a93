"""The command line against a fake service: every kind of file, every format, every failure, and Ctrl-C."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import math
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest
from arro3.core import Table
from arro3.io import read_ipc_stream, write_ipc, write_ipc_stream
from hypothesis import given
from hypothesis import strategies as st

from parivision_core.arrow import MEDIA_TYPE as ARROW
from parivision_core.nba.shots import NBA
from parivision_core.sport import FieldProblem
from parivision_serving.client import arrow, service
from parivision_serving.client.__main__ import main
from parivision_serving.client.bulk import BulkTally, send
from parivision_serving.client.fields import fields_of
from parivision_serving.client.progress import ProgressBar
from parivision_serving.client.results import Answer, Result, Results
from parivision_serving.client.rows import Row, RowSource
from parivision_serving.client.service import Patience

SHOT = {"x": -120.0, "y": 85.0, "period": 4, "seconds_remaining": 35.0}
ASK_ONE = ["predict", "--x", "-120", "--y", "85", "--period", "4", "--seconds-remaining", "35"]


def chance(row: dict[str, Any]) -> float:
    """The fake service's probability, different for each row."""
    return 0.5 + row["x"] / 1000


class FakeService:
    """The two routes that the client uses, with the contract's checks; `script` holds answers to give first."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.rows: list[int] = []
        self.script: list[tuple[int, dict[str, str], bytes]] = []
        self.held = threading.Event()
        self.hold_from: int | None = None
        """Requests from this one on are never answered."""
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                fake.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
                if fake.hold_from is not None and len(fake.requests) > fake.hold_from:
                    fake.held.set()
                    threading.Event().wait(60)
                if fake.script:
                    status, headers, answer = fake.script.pop(0)
                    if not status:
                        self.close_connection = True
                        return
                else:
                    status, headers, answer = 200, {}, fake.answer(self.path, self.headers["Content-Type"], body)
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(answer))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str, media_type: str, body: bytes) -> bytes:
        if path == "/api/v1/predict":
            row = json.loads(body)
            answer = {"probability": chance(row), "shot": {"shooter": "known"}, "champion_sha256": "c17e", "asked": row}
            explanation = {"league_make_rate": 0.47, "effects": [{"by": "player_id", "change": 0.032}]}
            more = {"explanation": explanation} if row.get("explain") else {}
            return json.dumps(answer | more).encode()
        assert path == "/api/v1/predict/bulk"
        rows = self._arrow(body) if media_type == ARROW else json.loads(body)
        self.rows.append(len(rows))
        problems: list[dict[str, Any]] = []
        predictions: list[dict[str, float] | None] = []
        for i, row in enumerate(rows):
            found = NBA.problems(msgspec.convert(row, NBA.request))
            problems += (
                [{"row": i, "errors": [{"field": p.field, "message": p.message} for p in found]}] if found else []
            )
            p = chance(row)
            answered = {"probability": p, "expected_points": 2 * p, "league_average": 0.4}
            predictions.append(None if found else answered)
        return json.dumps(
            {"id": "0197", "champion_version": 7, "predictions": predictions, "problems": problems}
        ).encode()

    def _arrow(self, body: bytes) -> list[dict[str, Any]]:
        table = read_ipc_stream(io.BytesIO(body)).read_all()
        columns = [column.to_pylist() for column in table.columns]
        return [dict(zip(table.schema.names, cells, strict=True)) for cells in zip(*columns, strict=True)]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeService]:
    made = FakeService()
    monkeypatch.setenv("PARIVISION_API_URL", made.url)
    monkeypatch.delenv("PARIVISION_API_KEY", raising=False)
    yield made
    made.stop()


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that the client would have made."""
    pauses: list[float] = []
    really = asyncio.sleep

    async def sleep(seconds: float) -> None:
        if seconds:
            pauses.append(seconds)
        await really(0)

    monkeypatch.setattr(service.asyncio, "sleep", sleep)
    return pauses


def shots(n: int) -> list[dict[str, Any]]:
    return [SHOT | {"x": float(i % 200), "team": "GSW" if i % 2 else "BOS", "home": bool(i % 3)} for i in range(n)]


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    if path.suffix == ".csv":
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, dict.fromkeys(name for row in rows for name in row))
            writer.writeheader()
            writer.writerows(rows)
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows))
    elif path.suffix == ".jsonl":
        path.write_text("\n".join(json.dumps(row) for row in rows) + "\n")
    else:
        requests = [msgspec.convert(row, NBA.request) for row in rows]
        stream = io.BytesIO(arrow.encoded(requests, fields_of(NBA.request)))
        table: Table = read_ipc_stream(stream).read_all()
        (write_ipc if path.suffix == ".arrow" else write_ipc_stream)(table, path)
    return path


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


# One shot


def test_a_shot_is_asked_by_its_options(fake: FakeService, capsys: pytest.CaptureFixture[str]) -> None:
    more = ["--team", "GSW", "--no-home", "--player-id", "201939", "--earlier-shots", "[]", "--json"]
    assert main([*ASK_ONE, *more]) == 0
    expected = SHOT | {"team": "GSW", "home": False, "player_id": 201939, "earlier_shots": []}
    assert json.loads(capsys.readouterr().out)["asked"] == expected


def test_the_answer_is_reported_in_words_and_without_digests(
    fake: FakeService, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(ASK_ONE) == 0
    output = capsys.readouterr().out
    assert "probability        38.0%\n" in output
    assert "shooter            known\n" in output
    assert "c17e" not in output
    assert "effects" not in output
    assert main([*ASK_ONE, "--explain"]) == 0
    assert "effects            player_id, +3.2%\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("--x", "900", "argument --x: '900': Expected `float` <= 250.0"),
        ("--period", "4.5", "Expected `int`"),
        ("--team", "SEA", "known are ATL"),
        ("--earlier-shots", "[", "Input data was truncated"),
    ],
)
def test_an_invalid_option_is_reported(
    fake: FakeService, capsys: pytest.CaptureFixture[str], option: str, value: str, expected: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([*ASK_ONE, option, value])
    assert expected in capsys.readouterr().err
    assert fake.requests == []


def test_the_key_goes_with_the_request(fake: FakeService, monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(ASK_ONE) == 0
    monkeypatch.setenv("PARIVISION_API_KEY", "from-env")
    assert main(ASK_ONE) == 0
    assert main([*ASK_ONE, "--api-key", "given"]) == 0
    assert [headers.get("x-api-key") for _, headers in fake.requests] == [None, "from-env", "given"]


# Many shots


@pytest.mark.parametrize("row_format", ["json", "arrow"])
@pytest.mark.parametrize("suffix", [".csv", ".json", ".jsonl", ".arrow", ".arrows"])
def test_each_kind_of_file_is_answered_row_by_row(
    fake: FakeService, tmp_path: Path, suffix: str, row_format: str
) -> None:
    rows, output = shots(50), tmp_path / "answers.jsonl"
    file = written(tmp_path / f"shots{suffix}", rows)
    assert main(["bulk", str(file), "--output", str(output), "--format", row_format, "--size", "7"]) == 0
    assert sorted(fake.rows) == [1, *[7] * 7]
    answers = read(output)
    assert [a["row"] for a in answers] == list(range(1, 51))
    for i, (row, answer) in enumerate(zip(rows, answers, strict=True)):
        assert row.items() <= answer.items()
        assert answer["probability"] == chance(row)
        assert (answer["prediction_id"], answer["champion_version"]) == (f"0197:{i % 7}", 7)
        assert answer["problem"] is None


def test_a_csv_of_answers_has_the_rows_own_columns_first(fake: FakeService, tmp_path: Path) -> None:
    file, output = written(tmp_path / "shots.csv", shots(3)), tmp_path / "answers.csv"
    assert main(["bulk", str(file), "--output", str(output)]) == 0
    with output.open(newline="") as opened:
        answers = list(csv.DictReader(opened))
    assert list(answers[0])[:8] == ["row", *shots(1)[0], "probability"]
    assert [(a["team"], a["home"]) for a in answers] == [("BOS", "false"), ("GSW", "true"), ("BOS", "true")]
    assert all(math.isclose(float(a["probability"]), chance({"x": float(a["x"])})) for a in answers)


def test_without_an_output_answers_are_lines_on_standard_output(
    fake: FakeService, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bulk", str(written(tmp_path / "shots.csv", shots(3)))]) == 0
    printed = capsys.readouterr()
    assert [json.loads(line)["row"] for line in printed.out.splitlines()] == [1, 2, 3]
    assert "3 rows answered" in printed.err
    assert "by version 7" in printed.err


@pytest.mark.parametrize("row_format", ["json", "arrow"])
def test_a_bad_row_has_its_problem_and_the_rest_is_answered(fake: FakeService, tmp_path: Path, row_format: str) -> None:
    file, output = tmp_path / "shots.csv", tmp_path / "answers.jsonl"
    file.write_text(
        "x,y,period,seconds_remaining,team,opponent\n"
        "1,2,1,3,GSW,BOS\n"
        "far,2,1,3,,\n"  # no number
        "1,2,5,400,,\n"  # longer than an overtime: the service reports it
        "1,2,1,3,GSW,GSW\n"  # so here
        "1,2,1\n"  # a cell is missing
        "1,2,1,3,,,7\n"  # one too many
        "nan,2,1,3,SEA,\n"
        "4,2,1.0,3,,\n"
        "900,2,1,3,,\n"
    )
    assert main(["bulk", str(file), "--output", str(output), "--format", row_format]) == 3
    answers = [(a["probability"], a["problem"]) for a in read(output)]
    assert [p for p, _ in answers] == [0.501, None, None, None, None, None, None, 0.504, None]
    problems = [problem or "" for _, problem in answers]
    assert problems[1].startswith("x: Expected `float`")
    assert problems[2] == "seconds_remaining: period 5 lasts 300 seconds"
    assert problems[3] == "opponent: a team can't defend against itself"
    assert problems[4] == "seconds_remaining: this field is missing"
    assert problems[5] == "row: it has 7 cells for 6 columns"
    assert "x: " in problems[6]
    assert "team: Invalid enum value 'SEA'" in problems[6]
    unit = "tenths of a foot to the right of the hoop, facing it from midcourt; negative is left"
    assert problems[8] == f"x: Expected `float` <= 250.0 ({unit})"


def test_invalid_lines_are_reported_and_the_others_sent(fake: FakeService, tmp_path: Path) -> None:
    file, output = tmp_path / "shots.jsonl", tmp_path / "answers.jsonl"
    file.write_text(f'{json.dumps(SHOT)}\n{{"x": 1\n\n[1]\n{json.dumps(SHOT | {"foot": 1})}\n')
    assert main(["bulk", str(file), "--output", str(output)]) == 3
    problems = [a["problem"] for a in read(output)]
    assert problems[0] is None
    assert problems[1].startswith("row: Input data was truncated")
    assert problems[2] == "body: the body must be a JSON object"
    assert problems[3].startswith("foot: there is no such field; known are x, y")


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("shots.csv", b"x,y,LOC\n1,2,3\n", "there is no field 'LOC' in a request; known are x, y"),
        ("shots.csv", b"", "its first line must name the columns"),
        ("shots.csv", b"x,y\n\xff,1\n", "no text in UTF-8"),
        ("shots.json", b'{"x": 1}', "no JSON list of objects"),
        ("shots.arrow", b"ARROW1 and then rubbish", "no Arrow file"),
        ("shots.arrows", b"", "no Arrow file"),
        ("shots.arrows", b"no stream", "no Arrow file"),
        ("shots.arrows", b"\xff\xff\xff\xff\x10\x00\x00\x00cut", "no Arrow file"),
        ("shots.parquet", b"PAR1", "unknown kind: known are .csv, .json, .jsonl, .arrow"),
    ],
)
def test_an_unusable_file_is_reported_and_nothing_is_sent(
    fake: FakeService, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: bytes, expected: str
) -> None:
    file, output = tmp_path / name, tmp_path / "answers.jsonl"
    file.write_bytes(content)
    output.write_text("of yesterday")
    assert main(["bulk", str(file), "--output", str(output)]) == 1
    message = capsys.readouterr().err
    assert expected in message
    assert str(file) in message
    assert (fake.requests, output.read_text()) == ([], "of yesterday")


@pytest.mark.parametrize("output", ["shots.csv", "answers.xlsx", "missing/answers.csv"])
def test_an_unwritable_output_is_reported(
    fake: FakeService, tmp_path: Path, capsys: pytest.CaptureFixture[str], output: str
) -> None:
    file = written(tmp_path / "shots.csv", shots(3))
    assert main(["bulk", str(file), "--output", str(tmp_path / output)]) == 1
    assert output in capsys.readouterr().err
    assert len(file.read_text().splitlines()) == 4


def test_lists_are_sent_as_json_and_refused_as_arrow(
    fake: FakeService, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path / "shots.json", [SHOT | {"earlier_shots": []}])
    assert main(["bulk", str(file), "--format", "arrow"]) == 1
    assert "earlier_shots can't be sent as Arrow; send the file with --format json" in capsys.readouterr().err
    assert main(["bulk", str(file)]) == 0


def test_drift_sends_only_long_shots(fake: FakeService, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    near_and_far = [SHOT | {"x": x, "y": y} for x, y in ((0, 0), (0, 249), (0, 251), (-200, 200), (150, 199))]
    file, output = written(tmp_path / "shots.json", near_and_far), tmp_path / "answers.jsonl"
    assert main(["bulk", str(file), "--output", str(output), "--drift"]) == 0
    assert [a["row"] for a in read(output)] == [3, 4]
    assert fake.rows == [2]
    assert "3 left out" in capsys.readouterr().err


# Failures


def problem(status: int, detail: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    return status, headers, json.dumps({"title": "?", "status": status, "detail": detail}).encode()


@pytest.mark.parametrize(
    "failure",
    [
        problem(429, "too many requests", **{"Retry-After": "7"}),
        problem(503, "no champion yet", **{"Retry-After": "7"}),
        (502, {}, b"<html>bad gateway"),
        (0, {}, b""),  # the connection breaks off
    ],
)
def test_a_passing_failure_is_retried(
    fake: FakeService,
    slept: list[float],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    failure: tuple[int, dict[str, str], bytes],
) -> None:
    fake.script = [failure, failure]
    file, output = written(tmp_path / "shots.csv", shots(5)), tmp_path / "answers.jsonl"
    assert main(["bulk", str(file), "--output", str(output)]) == 0
    assert [a["probability"] for a in read(output)] == [chance(row) for row in shots(5)]
    assert len(slept) == 2
    assert all(pause >= 7 for pause in slept) or "Retry-After" not in failure[1]
    assert capsys.readouterr().err.count("Asking again") == 1


def test_retries_are_limited(fake: FakeService, slept: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    fake.script = [problem(503, "No champion has been promoted yet.")] * 10
    assert main([*ASK_ONE, "--retries", "3"]) == 1
    assert (len(fake.requests), len(slept)) == (4, 3)
    assert "The service answers 503: No champion has been promoted yet." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (problem(401, "this route needs an API key"), "Give a key with --api-key or PARIVISION_API_KEY"),
        (problem(413, "too many rows"), "--size"),
        (problem(500, "Something broke"), "500: Something broke."),
        (problem(429, "come back tomorrow", **{"Retry-After": "86400"}), "come back tomorrow"),
        (problem(503, "closed", **{"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"}), "closed"),
        ((404, {}, b"<html>"), "isn't PariVision's service"),
        ((599, {}, b"?"), "(status 599)"),
        ((200, {}, b"[]"), "can't be read"),
    ],
)
def test_a_lasting_failure_is_reported_at_once(
    fake: FakeService,
    slept: list[float],
    capsys: pytest.CaptureFixture[str],
    answer: tuple[int, dict[str, str], bytes],
    expected: str,
) -> None:
    fake.script = [answer]
    assert main(ASK_ONE) == 1
    assert expected in capsys.readouterr().err
    assert (len(fake.requests), slept) == (1, [])


@pytest.mark.parametrize(
    "body", [b'{"rows": []}', b'{"id": "1", "champion_version": 1, "predictions": [], "problems": []}']
)
def test_an_answer_of_another_kind_is_a_failure(fake: FakeService, tmp_path: Path, body: bytes) -> None:
    fake.script = [(200, {}, body)]
    assert main(["bulk", str(written(tmp_path / "shots.csv", shots(5)))]) == 1


@pytest.mark.parametrize("url", ["localhost:8000", "http://[", "http://127.0.0.1:1"])
def test_an_address_without_a_service(slept: list[float], capsys: pytest.CaptureFixture[str], url: str) -> None:
    assert main([*ASK_ONE, "--url", url]) == 1
    assert url in capsys.readouterr().err


def test_answers_before_a_failure_are_kept(fake: FakeService, tmp_path: Path) -> None:
    file, output = written(tmp_path / "shots.csv", shots(20)), tmp_path / "answers.jsonl"
    fresh = fake.answer("/api/v1/predict/bulk", "application/json", json.dumps(shots(20)[:5]).encode())
    fake.script = [(200, {}, fresh), problem(403, "the key was revoked")]
    assert main(["bulk", str(file), "--output", str(output), "--size", "5", "--concurrency", "1"]) == 1
    assert [a["row"] for a in read(output)] == [1, 2, 3, 4, 5]


@pytest.mark.process
def test_ctrl_c_keeps_the_answers(fake: FakeService, tmp_path: Path) -> None:
    file, output = written(tmp_path / "shots.csv", shots(40)), tmp_path / "answers.jsonl"
    fake.hold_from = 2
    command = [sys.executable, "-m", "parivision_serving.client", "bulk", str(file), "--output", str(output)]
    client = subprocess.Popen([*command, "--size", "10", "--concurrency", "1"], stderr=subprocess.PIPE, text=True)
    assert fake.held.wait(60)
    client.send_signal(signal.SIGINT)
    log = client.communicate(timeout=60)[1]
    assert client.returncode == 130
    assert "20 rows answered" in log
    assert "Traceback" not in log
    assert [a["row"] for a in read(output)] == list(range(1, 21))


@pytest.mark.process
def test_a_closed_pipe_ends_quietly(fake: FakeService, tmp_path: Path) -> None:
    file = written(tmp_path / "shots.csv", shots(3000))
    command = [sys.executable, "-m", "parivision_serving.client", "bulk", str(file), "--size", "100"]
    client = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert client.stdout
    assert client.stderr
    client.stdout.readline()
    client.stdout.close()
    log = client.stderr.read().decode()
    client.stderr.close()
    assert client.wait(60) == 1
    assert "Traceback" not in log
    assert "Exception ignored" not in log


# The parts


@given(rows=st.integers(0, 60), size=st.integers(1, 20), concurrency=st.integers(1, 5), seed=st.integers(0, 99))
def test_every_row_is_written_once_and_in_order(rows: int, size: int, concurrency: int, seed: int) -> None:
    rng = random.Random(seed)
    under_way, most, kept = 0, 0, []

    async def ask(chunk: list[Row]) -> list[Result]:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        for _ in range(rng.randrange(6)):
            await asyncio.sleep(0)
        under_way -= 1
        return [Result(row, Answer(row.number / 100, 1, 0.4), f"id:{row.number}", 1) for row in chunk]

    class Kept(Results):
        def write(self, results: Any) -> None:
            kept.extend(results)

    source = RowSource(rows, None, (Row(i, {}, [], None) for i in range(1, rows + 1)))
    tally = BulkTally()
    asyncio.run(send(source, ask, Kept(None, []), ProgressBar(None, rows), tally, size=size, concurrency=concurrency))
    assert [r.row.number for r in kept] == list(range(1, rows + 1))
    assert most <= concurrency
    assert (tally.answered, tally.refused) == (rows, 0)


def test_a_row_without_an_answer_counts_as_refused() -> None:
    tally = BulkTally()
    tally.count([Result(Row(1, {}, [], None), problems=[FieldProblem("row", "?")])])
    assert (tally.answered, tally.refused) == (0, 1)


@given(retry=st.integers(0, 50), asked_for=st.floats(0, 1000))
def test_a_pause_lasts_at_least_as_asked_and_at_most_as_allowed(retry: int, asked_for: float) -> None:
    patience = Patience()
    pause = patience.pause(retry, asked_for)
    assert asked_for <= pause <= asked_for + min(patience.longest_pause, patience.first_pause * 2**retry)


class Terminal(io.StringIO):
    """A terminal whose output can be read."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("out", "bar"), [(Terminal(), True), (io.StringIO(), False)])
def test_progress_is_a_bar_on_a_terminal_and_a_line_elsewhere(
    monkeypatch: pytest.MonkeyPatch, out: io.StringIO, bar: bool
) -> None:
    clock: Callable[[], float] = iter(range(0, 1000, 20)).__next__
    monkeypatch.setattr("parivision_serving.client.progress.time.monotonic", clock)
    progress = ProgressBar(out, 400)
    progress.reach(100)
    progress.note("The service is busy.")
    progress.close()
    shown = out.getvalue()
    assert "100 of 400 rows" in shown
    assert ("[######.................." in shown) is bar
    assert "The service is busy.\n" in shown
    assert shown.endswith("\r\x1b[K" if bar else "\n")


@pytest.mark.process
def test_the_command_line_imports_nothing_that_only_the_service_needs() -> None:
    heavy = {"litestar", "onnxruntime", "arro3", "pymongo", "prometheus_client", "pandas", "gradio"}
    code = f"import sys, parivision_serving.client.__main__; print(*sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
