"""Another server for PariVision's model: LitServe with the same bundle, feature state and functions.

`python -m benchmarks.serving_peers.litserve_onnx PORT HOME BUNDLE`. Only the server differs from PariVision's service,
and it does less: it validates types and ranges, but logs no predictions.
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
        assert record is not None, "the state folder has no feature state"
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
    # The fastest combination of its queues and batch sizes.
    server = litserve.LitServer(
        Shots(Path(sys.argv[2]), Path(sys.argv[3])), accelerator="cpu", workers_per_device=1, fast_queue=True
    )
    server.run(
        host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, log_level="warning", access_log=False
    )
