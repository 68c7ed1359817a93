"""From the alias `champion` to a verified bundle on local disk, over MLflow's HTTP interface, with a disk cache."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path
from typing import Any

import httpx
import msgspec

from parivision_core import bundle
from parivision_core.problems import BundleError, RegistryError

ALIAS = "champion"
EPOCH_TAG = "parivision.epoch"
SHA_TAG = "parivision.bundle_sha256"
BUNDLE_PATH = "bundle"
"""Folder of the bundle inside its run's artifacts; a registered version's source is this folder."""


class Champion(msgspec.Struct, frozen=True, kw_only=True):
    """The version that holds the alias."""

    version: int
    epoch: int
    sha256: str
    run_id: str
    registered_at: int
    """Milliseconds since the epoch."""


class Registry:
    """Reads one registered model; it never writes to the registry."""

    def __init__(self, url: str, model: str, cache: Path, timeout: float = 5.0) -> None:
        self.model = model
        self._cache = cache / model
        self._http = httpx.Client(base_url=url, timeout=timeout)

    def champion(self) -> Champion | None:
        """Who holds the alias now; None while nobody does.

        Raises RegistryError when the registry can't be reached or answers something else than MLflow would.
        """
        answer = self._get("/api/2.0/mlflow/registered-models/get", name=self.model)
        if answer is None:
            return None
        try:
            model = answer["registered_model"]
            aliases = {a["alias"]: int(a["version"]) for a in model.get("aliases", [])}
            if ALIAS not in aliases:
                return None
            version = self._get("/api/2.0/mlflow/model-versions/get", name=self.model, version=aliases[ALIAS])
            if version is None:
                raise RegistryError(f"version {aliases[ALIAS]} holds the alias {ALIAS!r} but does not exist")
            found = version["model_version"]
            return Champion(
                version=int(found["version"]),
                epoch=int(_tags(model).get(EPOCH_TAG, 0)),
                sha256=_tags(found)[SHA_TAG],
                run_id=found.get("run_id", ""),
                registered_at=int(found["creation_timestamp"]),
            )
        except (KeyError, ValueError, TypeError) as error:
            raise RegistryError(
                f"{self.model} in the registry lacks {error}; was its version registered by another program?"
            ) from error

    def fetch(self, champion: Champion) -> bundle.Bundle:
        """The champion's verified bundle, from the cache or downloaded beside it.

        Raises RegistryError when it can't be downloaded, BundleError when it doesn't prove itself.
        """
        folder = self._folder(champion)
        if folder.is_dir():
            try:
                return bundle.load(folder, champion.sha256)
            except BundleError:
                shutil.rmtree(folder)  # a damaged cache entry is downloaded again
        self._cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._cache, prefix=".download-") as temporary:
            partial = Path(temporary) / folder.name
            partial.mkdir()
            for name in (bundle.CARD, bundle.GRAPH):
                (partial / name).write_bytes(self._download(champion.version, name))
            loaded = bundle.load(partial, champion.sha256)
            with contextlib.suppress(FileExistsError, NotADirectoryError):  # another worker was faster
                partial.rename(folder)
        return loaded

    def remember(self, champion: Champion) -> None:
        """Note the champion that is served, for a start without a registry; older cached bundles are dropped."""
        self._cache.mkdir(parents=True, exist_ok=True)
        note = self._cache / "champion.json"
        partial = note.with_suffix(".partial")
        partial.write_bytes(msgspec.json.encode(champion))
        partial.replace(note)
        for old in self._cache.iterdir():
            if old.is_dir() and not old.name.startswith(".") and old != self._folder(champion):
                shutil.rmtree(old, ignore_errors=True)

    def remembered(self) -> Champion | None:
        """The champion noted last, or None."""
        try:
            return msgspec.json.decode((self._cache / "champion.json").read_bytes(), type=Champion)
        except (OSError, msgspec.DecodeError):
            return None

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _folder(self, champion: Champion) -> Path:
        return self._cache / f"{champion.version}-{champion.sha256[:16]}"

    def _request(self, route: str, **query: Any) -> httpx.Response:
        try:
            return self._http.get(route, params=query)
        except httpx.HTTPError as error:
            raise RegistryError(
                f"the model registry at {self._http.base_url} doesn't answer ({error}); is the MLflow server running?"
            ) from error

    def _get(self, route: str, **query: Any) -> Any:
        answer = self._request(route, **query)
        try:
            found = answer.json()
        except ValueError as error:
            raise RegistryError(f"what answers at {self._http.base_url} is not an MLflow server") from error
        if answer.is_success:
            return found
        if isinstance(found, dict) and found.get("error_code") == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise RegistryError(f"the model registry answers {answer.status_code} to {route}: {answer.text[:200]}")

    def _download(self, version: int, name: str) -> bytes:
        # This route resolves a version's source on the server, so it works for every kind of artifact store.
        answer = self._request("/model-versions/get-artifact", name=self.model, version=version, path=name)
        if answer.is_error:
            raise RegistryError(
                f"version {version} of {self.model} has no {name} in the registry ({answer.status_code})"
            )
        return answer.content


def _tags(record: dict[str, Any]) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in record.get("tags", [])}
