"""Links into MLflow's page."""

from __future__ import annotations

from parivision_core.mlflow_pages import run_page, version_page


def test_a_link_leads_to_a_run_of_a_training_or_to_its_artifact() -> None:
    page = "http://127.0.0.1:5000"
    assert run_page(page, "1", "abc") == f"{page}/#/experiments/1/runs/abc?workflowType=machine_learning"
    found = run_page(page, "2", "abc", "drift.html")
    assert found == f"{page}/#/experiments/2/runs/abc/artifacts/drift.html?workflowType=machine_learning"


def test_a_link_leads_to_a_registered_version() -> None:
    found = version_page("http://127.0.0.1:5000", "parivision", 3)
    assert found == "http://127.0.0.1:5000/#/models/parivision/versions/3?workflowType=machine_learning"
