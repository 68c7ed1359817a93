"""From a passed verdict to the champion, and back."""

from parivision_assets.defs.promotion import assets, jobs, sensors

__all__ = ["assets", "jobs", "sensors"]
