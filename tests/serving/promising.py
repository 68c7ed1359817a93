"""A service that does nothing but promise: each request is a prediction that is in the journal before the answer."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import uvicorn
from litestar import Litestar, Request, post

from parivision_core.journal.sqlite import SqliteJournal
from parivision_serving.problems import answer
from parivision_serving.recorder import Recorder
from tests.journals import one


def serve(path: Path, port: int) -> None:
    """Serve on a port, over the journal in a file."""
    recorder = Recorder(SqliteJournal(path))

    @post("/api/v1/predict", status_code=200)
    async def predict(request: Request[Any, Any, Any]) -> dict[str, str]:
        recorder.record(one())  # that others come along in the same commits
        call = one(request=await request.body())
        await recorder.keep(call)
        return {"id": call.id}

    app = Litestar([predict], exception_handlers={Exception: answer})
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]))
