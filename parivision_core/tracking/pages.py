"""Where MLflow's web page shows a run or a version: what Dagster's metadata and the API's answers link to."""


def run_page(page: str, experiment_id: str, run_id: str, artifact: str = "") -> str:
    """The address of a run, or of one of its artifacts; `page` is that of MLflow itself.

    The query lets MLflow show it as a training's; by default it takes a visitor for one of language models.
    """
    place = f"/artifacts/{artifact}" if artifact else ""
    return f"{page}/#/experiments/{experiment_id}/runs/{run_id}{place}?workflowType=machine_learning"


def version_page(page: str, model: str, version: int) -> str:
    """The address of a registered version, from where a link leads to the run that trained it."""
    return f"{page}/#/models/{model}/versions/{version}?workflowType=machine_learning"
