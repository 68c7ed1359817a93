"""From the warehouse to a registered candidate, and the checks that it must pass."""

from parivision_assets.defs.training import assets, checks, jobs, search, sensors

__all__ = ["assets", "checks", "jobs", "search", "sensors"]
