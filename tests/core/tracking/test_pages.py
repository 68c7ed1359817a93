"""Links into MLflow's page."""

from __future__ import annotations

from pathlib import Path

from parivision_core.tracking.pages import run_page, version_page
from parivision_core.tracking.registry import RegistryReader


def test_a_link_leads_to_a_run_of_a_training_or_to_its_artifact() -> None:
    page = "http://127.0.0.1:5000"
    assert run_page(page, "1", "abc") == f"{page}/#/experiments/1/runs/abc?workflowType=machine_learning"
    found = run_page(page, "2", "abc", "drift.html")
    assert found == f"{page}/#/experiments/2/runs/abc/artifacts/drift.html?workflowType=machine_learning"


def test_a_link_leads_to_a_registered_version() -> None:
    found = version_page("http://127.0.0.1:5000", "parivision", 3)
    assert found == "http://127.0.0.1:5000/#/models/parivision/versions/3?workflowType=machine_learning"


def test_a_registry_links_to_where_a_browser_finds_it(tmp_path: Path) -> None:
    url = "http://ann:s3cret@mlflow:5000"
    assert RegistryReader(url, "m", tmp_path).version_page(2).startswith("http://mlflow:5000/#/models/m/versions/2")
    elsewhere = RegistryReader(url, "m", tmp_path, page="https://ml.example.org")
    assert elsewhere.version_page(2).startswith("https://ml.example.org/#/models/m/versions/2")
