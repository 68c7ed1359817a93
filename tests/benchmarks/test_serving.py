"""The serving benchmark: its load generator counts and checks responses, its ratios are per round, and it runs."""

from __future__ import annotations

import asyncio
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from arro3.core import Array, DataType, RecordBatch
from arro3.io import write_ipc_stream
from litestar.testing import TestClient

from benchmarks import original
from benchmarks.load import LoadResult, LoadRun, cpu_seconds, measure, write_bodies
from benchmarks.seasons import ingested
from benchmarks.serving_peers import request_bodies
from benchmarks.serving_peers.deployment import copied
from benchmarks.serving_peers.figures import ratios, summary
from benchmarks.serving_peers.fleet import PEERS
from benchmarks.serving_peers.forest import NAMES
from benchmarks.serving_peers.noop import create_app
from benchmarks.serving_peers.request_bodies import FIELDS, Kind, RequestBodies
from tests.helpers import shots
from tests.helpers.paths import ROOT

Answer = Callable[[bytes], bytes | None]


def http(body: bytes, status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


class Server:
    """Answers each request by a function of its body, in pieces; cuts the connection when that returns None."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.bodies: list[bytes] = []
        self.open_requests = self.most = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                body = await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
                self.bodies.append(body)
                self.open_requests += 1
                self.most = max(self.most, self.open_requests)
                await asyncio.sleep(0.001)
                self.open_requests -= 1
                answer = self.answer(body)
                for piece in (answer[:30], answer[30:]) if answer else ():
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
                if answer is None:
                    return
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()


def run_against(answer: Answer, folder: Path, bodies: list[bytes], **run: Any) -> tuple[LoadResult, Server]:
    """The result of a short run against such a server."""
    serving = Server(answer)

    async def both() -> LoadResult:
        server = await asyncio.start_server(serving.serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        given = {"field": "probability", "connections": 1, "seconds": 0.1, "pids": [os.getpid()]} | run
        return await measure(
            LoadRun(
                port=port, path="/", media_type="text/plain", bodies=write_bodies(folder / "bodies", bodies), **given
            )
        )

    return asyncio.run(both()), serving


def test_every_answer_is_counted_and_all_bodies_are_sent_by_all_connections(tmp_path: Path) -> None:
    bodies = [f"{i}".encode() for i in range(7)]
    found, server = run_against(lambda _: http(b'{"probability": 0.5}'), tmp_path, bodies, connections=3)
    assert (found.requests, found.errors) == (len(server.bodies), 0)
    assert server.bodies[:14] == [*bodies, *bodies]
    assert server.most == 3
    assert 0 < found.p50_ms <= found.p99_ms


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (http(b'{"detail": "no"}', "503 Service Unavailable"), "503"),
        (http(b'{"probability": 0.5}', "201 Created"), "201"),
        (http(b'{"probability": null}'), "null"),
        (http(b'{"prediction": 1}'), "prediction"),
        (http(b"<html>"), "<html>"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "without Content-Length"),
        (None, "broke off"),
    ],
)
def test_an_answer_without_its_number_is_an_error(tmp_path: Path, answer: bytes | None, message: str) -> None:
    found, _ = run_against(lambda _: answer, tmp_path, [b"?"], connections=2, seconds=0.02)
    assert found.errors == max(found.requests, 2)
    assert message in found.first_error


def arrow(probability: list[float | None]) -> bytes:
    stream = io.BytesIO()
    write_ipc_stream(RecordBatch.from_pydict({"probability": Array(probability, DataType.float64())}), stream)
    return stream.getvalue()


TWO = b'{"predictions": [{"probability": 1, "x": 2}, {"probability": 0.2}]}'


@pytest.mark.parametrize(
    ("shape", "field", "good", "bad"),
    [
        ("numbers", "predictions", b'{"predictions": [1, 0]}', b'{"predictions": [1]}'),
        ("rows", "predictions", TWO, b'{"predictions": []}'),
        ("rows", "predictions", TWO, b'{"predictions": [{"probability": 0.1}, null]}'),
        ("arrow", "probability", arrow([0.1, 0.2]), arrow([0.1, None])),
        ("arrow", "probability", arrow([0.1, 0.2]), arrow([0.1, 0.2])[:99]),
    ],
)
def test_a_bulk_response_must_have_a_number_for_each_row(
    tmp_path: Path, shape: str, field: str, good: bytes, bad: bytes
) -> None:
    for body, sound in ((good, True), (bad, False)):
        found, _ = run_against(
            lambda _, b=body: http(b), tmp_path, [b"?"], shape=shape, field=field, rows=2, seconds=0.02
        )
        assert (found.errors == 0) is sound


def test_the_cpu_time_of_processes_is_that_of_the_system() -> None:
    before, began = cpu_seconds([os.getpid()]), time.process_time()
    while time.process_time() - began < 0.2:
        pass
    assert cpu_seconds([os.getpid()]) - before == pytest.approx(time.process_time() - began, abs=0.05)


# Figures


def found(per_second: float, cpu: float = 100.0) -> LoadResult:
    return LoadResult(
        requests=1, errors=0, first_error="", per_second=per_second, p50_ms=1, p99_ms=2, server_cpu_us=cpu,
        client_cpu_us=1,
    )  # fmt: skip


def test_a_ratio_compares_what_one_round_measured() -> None:
    fast = {("ours", 16): found(800, 120), ("noop", 16): found(1000, 100), ("original", 16): found(40, 2400)}
    slow = {("ours", 16): found(400, 260), ("noop", 16): found(500, 200), ("original", 16): found(10, 2600)}
    bulk = {("ours_arrow", 10): found(60), ("mlflow_json", 10): found(10), ("mlflow_csv", 10): found(20)}
    assert ratios([fast, slow], [bulk | {("ours_arrow", 1): found(7)}] * 2) == {
        "original": [20, 40],
        "cpu_original": [20, 10],
        "cpu_vs_noop": [1.2, 1.3],
        "bulk_vs_mlflow": [3, 3],
        "bulk_vs_mlflow_json": [6, 6],
    }
    figures = summary([fast, slow, slow])
    assert figures["ours"]["16"]["requests_per_second"] == [400, 400, 800]
    assert summary([bulk], rows=True)["ours_arrow"]["10"]["rows_per_second"] == [600, 600, 600]


# Servers and request bodies


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder whose lake holds a small season."""
    folder = tmp_path_factory.mktemp("benchmark")
    ingested([shots.write(shots.season(games=4, shots=60), folder / "season.csv")], folder / "home")
    return folder / "home"


def test_all_servers_get_the_same_shots(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_bodies, "SHOTS", 200)
    made = RequestBodies(home, tmp_path)

    def read(kind: Kind, rows: int) -> list[bytes]:
        return msgspec.msgpack.decode(Path(made.bodies(kind, rows)).read_bytes(), type=list[bytes])

    requests = [json.loads(body) for body in read("shot", 1)]
    assert len(requests) == len({tuple(shot.items()) for shot in requests}) == 200
    assert all(tuple(shot) == FIELDS for shot in requests)
    assert [shot for body in read("rows", 50) for shot in json.loads(body)] == requests
    inputs = np.array([list(json.loads(body).values()) for body in read("inputs", 1)])
    assert np.allclose(inputs, original.inputs(made.lake))
    assert np.array_equal(inputs[:, 0], [shot["player_id"] for shot in requests])
    split = [json.loads(body)["dataframe_split"] for body in read("split", 100)]
    assert np.allclose([row for body in split for row in body["data"]], inputs)
    assert split[0]["columns"] == list(NAMES)
    assert read("csv", 100)[0].decode().splitlines()[0] == ",".join(NAMES)
    assert len(read("arrow", 100)) == 2


def test_a_lake_with_too_few_shots_is_reported(home: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds 240 shots; the benchmark needs 20,000"):
        RequestBodies(home, tmp_path)


def test_a_state_folder_is_copied_and_another_folder_is_refused(home: Path, tmp_path: Path) -> None:
    assert (copied(home, tmp_path / "copy") / "store").is_dir()
    with pytest.raises(FileNotFoundError, match="is no state folder"):
        copied(tmp_path / "nothing", tmp_path / "other")


def test_the_no_op_reads_our_requests_and_answers_as_many_bytes_as_we_do() -> None:
    answer = {"id": "0197", "probability": 0.4, "shot": {"zone": 3, "shooter": "known"}, "through": None, "moved": []}
    request = {"x": 1.0, "team": "GSW", "home": True, "period": 4}
    with TestClient(create_app(request, answer)) as client:
        response = client.post("/predict", json=request | {"x": -3})
        assert (response.status_code, response.json()) == (200, answer)
        assert len(response.content) == len(msgspec.json.encode(answer))
        assert client.post("/predict", json={"x": "left"}).status_code == 400


@pytest.mark.process
@pytest.mark.slow
def test_it_runs_on_a_platform_made_from_a_season(tmp_path: Path) -> None:
    file = shots.write(shots.season(games=340, shots=60, skill=1.8), tmp_path / "season.csv")
    command = [sys.executable, "-m", "benchmarks.serving", "--data", str(file), "--quick"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    peers = {"original", "mlflow", "other"}
    beside = {"cpu_vs_noop", "bulk_vs_mlflow", "bulk_vs_mlflow_json"}
    assert set(report["ratios"]) == peers | {f"cpu_{peer}" for peer in peers} | beside
    assert all(least <= middle <= most for least, middle, most in report["ratios_min_median_max"].values())
    assert all(ratio > 0 for ratio in report["ratios"].values())
    servers = {"ours", *PEERS}
    assert set(report["single_min_median_max"]) == set(report["cold_start"]) == set(report["memory_mb"]) == servers
    assert all(set(of) == {"1", "16", "64"} for of in report["single_min_median_max"].values())
    assert all(set(of) == {"1", "100", "10000"} for of in report["bulk_min_median_max"].values())
