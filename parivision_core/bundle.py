"""The bundle that is served: an ONNX graph that takes features and offset, and `bundle.json`, which verifies it."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import onnxruntime as ort

from parivision_core.arrays import Float32s
from parivision_core.problems import BundleError

FORMAT = 1
GRAPH = "model.onnx"
CARD = "bundle.json"
TOLERANCE = 1e-5
WIDE_ROWS = 500
"""From this many rows on, several threads are faster than one."""
MOST_THREADS = 4


class KnownAnswers(msgspec.Struct, frozen=True):
    """Rows with the probabilities that the trainer gave; a bundle with other answers isn't the trained model."""

    features: list[list[float]]
    offset: list[float]
    probability: list[float]


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """Where a bundle came from."""

    run_id: str
    code_version: str
    data_fingerprint: str
    """Digest of the ids and outcomes of the rows used to fit, to stop early or to choose."""
    batches: int
    """Batches that were folded into the warehouse."""
    first_date: str
    last_train_date: str
    seen_until: str
    """ISO date of the last game used to fit, to stop early or to choose; later games are unseen."""


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about a bundle except its graph."""

    format: int = FORMAT
    sport: str
    model: str
    """Family of the model, for people."""
    feature_names: list[str]
    schema: str
    base_fingerprint: str
    graph_sha256: str
    known_answers: KnownAnswers
    provenance: Provenance
    parts: tuple[str, ...] = ()
    """Parts of the warehouse that the model was fitted on. Empty in older bundles."""
    calibrator: dict[str, str | float] = {}
    """What the graph ends in: its family, or `none`, and its weights. Empty in older bundles."""


@dataclass(frozen=True)
class Bundle:
    """A verified bundle, ready to predict."""

    card: Card
    sha256: str
    """Digest of `bundle.json`, which holds the graph's digest: it identifies the whole bundle."""
    session: ort.InferenceSession
    """On one thread: fastest for few rows, and leaves the other cores to other services."""
    wide: ort.InferenceSession | None = None
    """On several threads, for many rows; each row's answer is the same to the bit."""

    def predict(self, features: Float32s, offset: Float32s) -> Float32s:
        """Probability of a make, (n,), from features (n, k) and offset (n,), both float32."""
        chosen = self.wide if self.wide and len(features) >= WIDE_ROWS else self.session
        # ONNX Runtime's stubs don't know that a named float output is an array.
        (result,) = chosen.run(["probability"], {"features": features, "offset": offset.reshape(-1, 1)})
        return np.asarray(result, dtype=np.float32).reshape(-1)

    def fits(self, schema: str, base_fingerprint: str) -> bool:
        """Whether a feature state of this schema and base table may be paired with the bundle."""
        return (schema, base_fingerprint) == (self.card.schema, self.card.base_fingerprint)


def digest(data: bytes) -> str:
    """Hexadecimal sha256."""
    return hashlib.sha256(data).hexdigest()


def session(graph: bytes, threads: int = 1) -> ort.InferenceSession:
    """An ONNX Runtime session with so many threads, which sleep when there is nothing to do."""
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def save(folder: Path, graph: bytes, card: Card) -> str:
    """Write a bundle into a folder; returns the sha256 that identifies it."""
    folder.mkdir(parents=True, exist_ok=True)
    text = msgspec.json.format(msgspec.json.encode(card), indent=1)
    (folder / GRAPH).write_bytes(graph)
    (folder / CARD).write_bytes(text)
    return digest(text)


def load(folder: Path, sha256: str | None = None) -> Bundle:
    """Read and verify a bundle: complete, unaltered, of this format, and reproducing its known answers.

    Raises BundleError saying which of these fails.
    """
    try:
        text, graph = (folder / CARD).read_bytes(), (folder / GRAPH).read_bytes()
    except OSError as error:
        raise BundleError(f"the bundle in {folder} is incomplete: {error}") from error
    if sha256 is not None and digest(text) != sha256:
        raise BundleError(f"{folder / CARD} was altered: its sha256 is {digest(text)}, the registry says {sha256}")
    try:
        card = msgspec.json.decode(text, type=Card)
    except msgspec.DecodeError as error:
        raise BundleError(f"{folder / CARD} can't be read: {error}") from error
    if card.format != FORMAT:
        raise BundleError(f"the bundle has format {card.format}, this version reads format {FORMAT}")
    if digest(graph) != card.graph_sha256:
        raise BundleError(f"{folder / GRAPH} was altered: its sha256 isn't the one in {CARD}")
    try:
        bundle = Bundle(card, digest(text), session(graph), session(graph, min(MOST_THREADS, os.cpu_count() or 1)))
    except Exception as error:  # ONNX Runtime's own exceptions share no base class
        raise BundleError(f"{folder / GRAPH} is no graph that ONNX Runtime can run: {error}") from error
    verify(bundle)
    return bundle


def verify(bundle: Bundle) -> None:
    """Raise BundleError unless the graph reproduces the known answers within 1e-5."""
    known = bundle.card.known_answers
    features = np.asarray(known.features, dtype=np.float32)
    if not len(features) or features.shape[1] != len(bundle.card.feature_names):
        raise BundleError("the bundle's known answers don't have its features; it can't be verified")
    try:
        predicted = bundle.predict(features, np.asarray(known.offset, dtype=np.float32))
    except Exception as error:  # as above
        raise BundleError(f"the graph can't answer its known rows: {error}") from error
    gap = float(np.max(np.abs(predicted - np.asarray(known.probability))))
    if not gap <= TOLERANCE:
        raise BundleError(f"the graph misses its known answers by {gap:.2g} (allowed {TOLERANCE:g})")
