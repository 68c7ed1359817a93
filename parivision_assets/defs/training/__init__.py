"""From the warehouse to a registered candidate, and the proofs it must bring."""

from parivision_assets.defs.training import assets, checks, jobs, search, sensors

__all__ = ["assets", "checks", "jobs", "search", "sensors"]
