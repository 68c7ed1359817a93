"""The pipeline's access to the MLflow registry: registering candidates, and the two writes that make a champion."""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from parivision_core import bundle
from parivision_core.problems import BundleError, RegistryError
from parivision_core.settings import without_login
from parivision_core.tracking.registry import ALIAS, BUNDLE_PATH, DEFECTS_TAG, EPOCH_TAG, SHA_TAG, STATUS_TAG

LOG = logging.getLogger(__name__)
PREVIOUS_TAG = "parivision.previous_champion"
ROLLED_BACK_TAG = "parivision.rolled_back"


class ModelRegistry:
    """One registered model. Only promotion and rollback, which hold the lock, may call the two writers at the end."""

    def __init__(self, tracking_uri: str, model: str) -> None:
        self.tracking_uri = tracking_uri
        self.model = model

    @cached_property
    def client(self) -> Any:
        """MLflow's client, made on first use because importing MLflow costs seconds."""
        # Bundles are two small files; a progress bar for each download would only fill the logs.
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        from mlflow import MlflowClient

        return MlflowClient(self.tracking_uri)

    def register(self, run_id: str, artifact_uri: str, sha256: str, defects: list[str]) -> int:
        """Register the bundle that a run logged as a new version without alias."""
        from mlflow.exceptions import MlflowException

        with contextlib.suppress(MlflowException):  # the model exists already
            self.client.create_registered_model(self.model)
        version = self.client.create_model_version(
            self.model,
            source=f"{artifact_uri}/{BUNDLE_PATH}",
            run_id=run_id,
            tags={SHA_TAG: sha256, DEFECTS_TAG: "; ".join(defects)},
        )
        return int(version.version)

    def newest(self) -> int | None:
        """The version registered last; None before the first."""
        versions = self.client.search_model_versions(
            f"name = '{self.model}'", order_by=["version_number DESC"], max_results=1
        )
        return int(versions[0].version) if versions else None

    def tags(self, version: int) -> Mapping[str, str]:
        """Tags of a version. Raises RegistryError when it doesn't exist."""
        from mlflow.exceptions import MlflowException

        try:
            found: Mapping[str, str] = self.client.get_model_version(self.model, str(version)).tags
        except MlflowException as error:
            raise RegistryError(f"{self.model} has no version {version} in {self.tracking_uri}: {error}") from error
        return found

    def registered(self, version: int) -> bool:
        """Whether the version exists; a person may have deleted it."""
        from mlflow.exceptions import MlflowException

        try:
            self.client.get_model_version(self.model, str(version))
        except MlflowException as error:
            if _is_missing(error):
                return False
            raise self._unreadable(error) from error
        return True

    def digest(self, version: int) -> str:
        """The sha256 that identifies a version's bundle; empty when there is no such version, or it names none."""
        return self.tags(version).get(SHA_TAG, "") if self.registered(version) else ""

    def defects(self, version: int) -> str:
        """What makes a version defective; empty for a sound one."""
        return self.tags(version).get(DEFECTS_TAG, "it was registered without proof of soundness")

    def bundle(self, version: int) -> bundle.Bundle:
        """The verified bundle of a version.

        Raises RegistryError when the registry can't be asked, BundleError when it has no sound bundle of the version.
        """
        from mlflow.artifacts import download_artifacts
        from mlflow.exceptions import MlflowException

        try:
            found = self.client.get_model_version(self.model, str(version))
        except MlflowException as error:
            raise self._unreadable(error) from error
        with tempfile.TemporaryDirectory() as folder:
            try:
                path = download_artifacts(artifact_uri=found.source, dst_path=folder, tracking_uri=self.tracking_uri)
            except (MlflowException, OSError) as error:
                gone = (
                    _is_missing(error) if isinstance(error, MlflowException) else isinstance(error, FileNotFoundError)
                )
                kind = BundleError if gone else RegistryError
                raise kind(f"the bundle of version {version} can't be read from {found.source}: {error}") from error
            return bundle.load(Path(path), found.tags.get(SHA_TAG))

    def champion(self) -> int | None:
        """The version that holds the alias, or None."""
        model = self._model()
        version = model.aliases.get(ALIAS) if model else None
        return None if version is None else int(version)

    def epoch(self) -> int:
        """How often the champion was changed."""
        model = self._model()
        return int(model.tags.get(EPOCH_TAG, 0)) if model else 0

    def _model(self) -> Any:
        from mlflow.exceptions import MlflowException

        try:
            return self.client.get_registered_model(self.model)
        except MlflowException as error:
            if _is_missing(error):
                return None
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> RegistryError:
        return RegistryError(f"the registry at {without_login(self.tracking_uri)} can't be read: {error}")

    def note_previous(self, version: int, previous: int | None) -> None:
        """Note on a version which champion it followed, for a rollback."""
        self.client.set_model_version_tag(self.model, str(version), PREVIOUS_TAG, str(previous or ""))

    def previous(self, version: int) -> int | None:
        """The champion that a version followed."""
        previous = self.tags(version).get(PREVIOUS_TAG)
        return int(previous) if previous else None

    def was_champion(self, version: int) -> bool:
        """Whether the version ever was champion."""
        return PREVIOUS_TAG in self.tags(version)

    def rolled_back(self, version: int) -> bool:
        """Whether a rollback took the version from the alias."""
        return self.tags(version).get(ROLLED_BACK_TAG) == "yes"

    def set_rolled_back(self, version: int, rolled_back: bool) -> None:
        """Note that a rollback took the version from the alias, or put it back."""
        self.client.set_model_version_tag(self.model, str(version), ROLLED_BACK_TAG, "yes" if rolled_back else "no")

    def note_status(self, version: int, status: str, reason: str | None = None) -> None:
        """Show a version's status on its page; a reason replaces the one before.

        Nothing depends on it, so a failure is only logged.
        """
        from mlflow.exceptions import MlflowException

        try:
            if reason is not None:
                self.client.update_model_version(self.model, str(version), description=reason)
            self.client.set_model_version_tag(self.model, str(version), STATUS_TAG, status)
        except MlflowException as error:
            LOG.warning("the status %s of version %d can't be written to its page: %s", status, version, error)

    def set_epoch(self, epoch: int) -> None:
        """Raise the epoch: every earlier verdict is stale from now on."""
        self.client.set_registered_model_tag(self.model, EPOCH_TAG, str(epoch))

    def set_champion(self, version: int) -> None:
        """Move the alias."""
        self.client.set_registered_model_alias(self.model, ALIAS, str(version))


def _is_missing(error: Any) -> bool:
    """Whether MLflow reports that something doesn't exist, rather than that the registry can't be read."""
    from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode

    return bool(error.error_code == ErrorCode.Name(RESOURCE_DOES_NOT_EXIST))
