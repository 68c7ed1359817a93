"""From the champion and the newest shots to a drift report."""

from parivision_assets.defs.monitoring import assets, jobs, sensors

__all__ = ["assets", "jobs", "sensors"]
