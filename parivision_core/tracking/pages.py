"""Addresses of runs and versions in MLflow's web page, for links in Dagster's metadata and the API's answers."""


def run_page(page: str, experiment_id: str, run_id: str, artifact: str = "") -> str:
    """The address of a run, or of one of its artifacts; `page` is that of MLflow itself.

    The query makes MLflow show its views for training; by default it shows those for language models.
    """
    place = f"/artifacts/{artifact}" if artifact else ""
    return f"{page}/#/experiments/{experiment_id}/runs/{run_id}{place}?workflowType=machine_learning"


def version_page(page: str, model: str, version: int) -> str:
    """The address of a registered version, which links to the run that trained it."""
    return f"{page}/#/models/{model}/versions/{version}?workflowType=machine_learning"
