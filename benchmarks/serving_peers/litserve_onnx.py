"""Another server for our own model: LitServe with our bundle and feature state, prepared and predicted by the same functions.

`python -m benchmarks.serving_peers.litserve_onnx PORT HOME BUNDLE`. With the forest, the forest would be measured;
so what differs from our service is the server alone, and it does less: it checks types and ranges, but keeps nothing.
"""

import sys
from pathlib import Path
from typing import Any

import litserve
import msgspec
from fastapi import Request

from parivision_core import bundle
from parivision_core.nba.shots import NBA
from parivision_core.store import open_files


class Shots(litserve.LitAPI):
    """One shot for each request."""

    def __init__(self, home: Path, folder: Path) -> None:
        self._home, self._folder = home, folder
        super().__init__()

    def setup(self, device: str) -> None:
        """Load bundle and feature state, in the worker."""
        record = open_files(self._home, NBA).get_feature_state()
        assert record is not None, "a house without a feature state serves nothing"
        self.bundle, self.feature_state = bundle.load(self._folder), NBA.load_feature_state(record)

    def decode_request(self, request: Request) -> Any:
        """The request of the sport; LitServe reads the annotation, and hands over what the body's JSON holds."""
        return msgspec.convert(request, NBA.request)

    def predict(self, shot: Any) -> float:
        """Probability of a make."""
        prepared = NBA.prepare(shot, self.feature_state)
        return float(self.bundle.predict(prepared.features, prepared.offset)[0])

    def encode_response(self, probability: float) -> dict[str, float]:
        """The answer."""
        return {"probability": probability}


if __name__ == "__main__":
    # Of its queues and batch sizes these measured best.
    server = litserve.LitServer(
        Shots(Path(sys.argv[2]), Path(sys.argv[3])), accelerator="cpu", workers_per_device=1, fast_queue=True
    )
    server.run(
        host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, log_level="warning", access_log=False
    )
