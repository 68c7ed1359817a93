"""Looks at the SQLite files of MLflow and Dagster before they are used: damaged ones, and those of a moved folder."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from parivision_core.problems import RegistryError
from parivision_core.settings import Settings

ADDRESSES = {
    "experiments": ("artifact_location",),
    "runs": ("artifact_uri",),
    "model_versions": ("source", "storage_location"),
    "logged_models": ("artifact_location",),
}
"""MLflow's tables and their columns that hold addresses of artifacts."""


def follow_artifacts(settings: Settings) -> int:
    """After a move or a copy of the state folder, let MLflow's addresses of artifacts lead into this folder.

    They are absolute in its database. Returns how many changed.

    Only where both lie in the folder, as they do by default. Raises RegistryError when the database can't be read or
    written.
    """
    file, here = settings.artifacts.with_name("mlflow.db"), settings.artifacts.absolute().as_uri()
    if not file.exists() or settings.tracking_uri != f"sqlite:///{file}":
        return 0
    changed = 0
    try:
        with closing(sqlite3.connect(file, timeout=60)) as db, db:
            tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if not tables >= set(ADDRESSES):
                return 0  # MLflow hasn't made its tables yet
            ours = db.execute(
                "SELECT DISTINCT artifact_location FROM experiments WHERE artifact_location LIKE 'file://%' AND "
                "artifact_location LIKE '%/mlflow/artifacts' AND artifact_location <> ?",
                (here,),
            ).fetchall()
            for (there,) in ours:
                for table, columns in ADDRESSES.items():
                    for column in columns:
                        done = db.execute(
                            f"UPDATE {table} SET {column} = ?1 || substr({column}, length(?2) + 1) "
                            f"WHERE {column} = ?2 OR substr({column}, 1, length(?2) + 1) = ?2 || '/'",  # nosec  # B608: ADDRESSES
                            (here, there),
                        )
                        changed += done.rowcount
    except sqlite3.Error as error:
        raise RegistryError(
            f"MLflow's database {file} can't be read or written: {error}; free some space, check the file's rights, or "
            "restore it from a backup"
        ) from error
    return changed


def check_databases(settings: Settings, dagster_home: Path) -> None:
    """Raises RegistryError naming the first damaged file; a file that isn't there yet is sound."""
    history, schedules = dagster_home / "history", dagster_home / "schedules"
    owners = {
        settings.artifacts.with_name("mlflow.db"): "MLflow",
        history / "runs.db": "Dagster",
        history / "runs" / "index.db": "Dagster",
        schedules / "schedules.db": "Dagster",
    }
    for file, owner in owners.items():
        if file.exists() and (damage := _damage(file)):
            way_out = f"Restore it from a backup, or move it away: {_LOSS[owner]}"
            raise RegistryError(f"{owner}'s database {file} is damaged ({damage}). {way_out}")


_LOSS = {
    "MLflow": "then all runs, versions and the champion are lost and training begins anew; shots and features stay",
    "Dagster": "then its history of runs is lost; shots, models and verdicts stay",
}
"""What is lost without a program's database."""


def _damage(file: Path) -> str:
    """What is wrong with an SQLite file; empty if nothing is."""
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", timeout=60, uri=True)) as db:
            found = str(db.execute("PRAGMA quick_check(1)").fetchone()[0])
    except (sqlite3.Error, UnicodeDecodeError) as error:
        found = str(error)
    return "" if found == "ok" else found.splitlines()[-1]
