"""The original's way of serving: FastAPI, pydantic, a forest behind mlflow.pyfunc, a one-row DataFrame per request.

`python -m benchmarks.serving_peers.original PORT MODEL`
"""

from __future__ import annotations

import sys

import mlflow.pyfunc
import pandas as pd
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel


class Shot(BaseModel):
    """The body of a request to the original."""

    Player_ID: int
    X_Location: float
    Y_Location: float
    Total_Seconds_Remaining: float
    Shot_Type_Encoded: int
    Shot_Distance_Meters: float
    Shot_Zone_Combined: int


def create_app(model_folder: str) -> FastAPI:
    """The application, with its model loaded once."""
    model = mlflow.pyfunc.load_model(model_folder)
    app = FastAPI()

    # In FastAPI's threads: the trees release Python's lock, so this is faster than an `async def`.
    @app.post("/predict")
    def predict(shot: Shot) -> dict[str, int]:
        return {"prediction": int(model.predict(pd.DataFrame([shot.model_dump()]))[0])}

    return app


if __name__ == "__main__":
    uvicorn.run(create_app(sys.argv[2]), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False)
