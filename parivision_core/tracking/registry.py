"""From the alias `champion` to a verified bundle on local disk, over MLflow's HTTP API, with a cache on disk."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import msgspec

from parivision_core import bundle
from parivision_core.checksums import DamagedError, sealed_json, unsealed_json
from parivision_core.problems import BundleError, RegistryError
from parivision_core.tracking.http import MlflowHttp
from parivision_core.tracking.pages import version_page

ALIAS = "champion"
EPOCH_TAG = "parivision.epoch"
SHA_TAG = "parivision.bundle_sha256"
STATUS_TAG = "parivision.status"
DEFECTS_TAG = "parivision.defects"
VERSION_FILE, RUN_FILE = "/model-versions/get-artifact", "/get-artifact"
"""Routes by which MLflow sends artifacts, whatever store they are in."""
BUNDLE_PATH = "bundle"
"""Folder of the bundle inside its run's artifacts; a registered version's source is this folder."""

NOTE = "champion.json"
"""File of the cache that names the champion that was served last."""

log = logging.getLogger(__name__)


def monitoring_experiment(model: str) -> str:
    """Name of the experiment in which the drift reports on a registered model's champions are kept."""
    return f"{model}-monitoring"


class Champion(msgspec.Struct, frozen=True, kw_only=True):
    """The version that holds the alias."""

    version: int
    epoch: int
    sha256: str
    run_id: str
    registered_at: int
    """Milliseconds since 1970."""


class RegistryReader:
    """Reads one registered model; it never writes to the registry."""

    def __init__(self, url: str, model: str, cache: Path, page: str = "", timeout: float = 5.0) -> None:
        """`page` is MLflow's address for browsers; without it, links lead to `url`."""
        self.model = model
        self._cache = cache / model
        self.mlflow = MlflowHttp(url, timeout)
        self.page = page or self.mlflow.page

    def champion(self) -> Champion | None:
        """The version that holds the alias now; None when no version does.

        Raises RegistryError when the registry can't be reached, refuses, or isn't MLflow.
        """
        answer = self.mlflow.get("/api/2.0/mlflow/registered-models/get", name=self.model)
        if answer is None:
            return None
        try:
            model = answer["registered_model"]
            aliases = {a["alias"]: int(a["version"]) for a in model.get("aliases", [])}
            if ALIAS not in aliases:
                return None
            version = self.mlflow.get("/api/2.0/mlflow/model-versions/get", name=self.model, version=aliases[ALIAS])
            if version is None:
                raise RegistryError(f"version {aliases[ALIAS]} holds the alias {ALIAS!r} but does not exist")
            found = version["model_version"]
            return Champion(
                version=int(found["version"]),
                epoch=int(pairs(model.get("tags")).get(EPOCH_TAG, 0)),
                sha256=pairs(found.get("tags"))[SHA_TAG],
                run_id=found.get("run_id", ""),
                registered_at=int(found["creation_timestamp"]),
            )
        except (KeyError, ValueError, TypeError) as error:
            raise RegistryError(
                f"{self.model} in the registry lacks {error}; was its version registered by another program?"
            ) from error

    def fetch(self, champion: Champion) -> bundle.Bundle:
        """The champion's verified bundle, from the cache or downloaded beside it.

        Raises RegistryError when it can't be downloaded, BundleError when it can't be verified.
        """
        folder = self._folder(champion)
        if folder.is_dir():
            try:
                return bundle.load(folder, champion.sha256)
            except BundleError as error:
                log.warning("a bundle in the cache is damaged, and downloaded again: %s", error)
                shutil.rmtree(folder)
        self._cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._cache, prefix=".download-") as temporary:
            partial = Path(temporary) / folder.name
            partial.mkdir()
            for name in (bundle.CARD, bundle.GRAPH):
                (partial / name).write_bytes(self._download(champion.version, name))
            loaded = bundle.load(partial, champion.sha256)
            try:
                partial.rename(folder)
            except OSError:
                if not folder.is_dir():  # otherwise another worker was faster
                    raise
        return loaded

    def remember(self, champion: Champion) -> None:
        """Record the champion that is served, for a start without a registry, and drop older cached bundles."""
        self._cache.mkdir(parents=True, exist_ok=True)
        note = self._cache / NOTE
        partial = note.with_suffix(f".{os.getpid()}")  # several workers may record it at the same time
        partial.write_bytes(sealed_json(msgspec.json.encode(champion)))
        partial.replace(note)
        for old in self._cache.iterdir():
            if old.is_dir() and not old.name.startswith(".") and old != self._folder(champion):
                shutil.rmtree(old, ignore_errors=True)

    def remembered(self) -> Champion | None:
        """The champion recorded last; None if there is none, or if its record is damaged."""
        note = self._cache / NOTE
        try:
            return msgspec.json.decode(unsealed_json(note.read_bytes()), type=Champion)
        except FileNotFoundError:
            return None
        except (OSError, DamagedError, msgspec.DecodeError) as error:
            log.warning("which champion was served last can't be read from %s: %s", note, error)
            return None

    def version_page(self, version: int) -> str:
        """Address of a version in MLflow's page."""
        return version_page(self.page, self.model, version)

    def close(self) -> None:
        """Close the connections."""
        self.mlflow.close()

    def _folder(self, champion: Champion) -> Path:
        return self._cache / f"{champion.version}-{champion.sha256[:16]}"

    def _download(self, version: int, name: str) -> bytes:
        found = self.mlflow.file(VERSION_FILE, name=self.model, version=version, path=name)
        if found is None:
            raise RegistryError(f"version {version} of {self.model} has no {name} in the registry")
        return found


def pairs(listed: list[dict[str, Any]] | None) -> dict[str, Any]:
    """Tags, parameters or metrics as a dictionary; MLflow lists keys and values, and leaves empty lists out."""
    return {pair["key"]: pair["value"] for pair in listed or ()}
