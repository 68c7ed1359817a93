"""The errors PariVision raises itself; each message names what is wrong and what to do about it."""


class PariVisionError(Exception):
    """Base of all errors that a person or a program is expected to act on."""


class ConfigurationError(PariVisionError):
    """An environment variable holds something that can't be used."""


class BatchError(PariVisionError):
    """A whole batch can't be read; nothing of it was kept, and the same content would fail in the same way."""


class FeedError(BatchError):
    """A feed can't be reached, or answers what it shouldn't; the same question may be answered well a minute later."""


class StoreError(PariVisionError):
    """The store's files are of another version, damaged, or locked by someone else."""


class ConflictError(StoreError):
    """Someone else wrote meanwhile; nothing was kept, and the same work, begun anew, takes it into account."""


class LockLostError(StoreError):
    """A process stood still for so long that its lock fell to another; what it had begun wasn't kept."""


class BundleError(PariVisionError):
    """A bundle is incomplete, altered, or doesn't reproduce its known answers."""


class RegistryError(PariVisionError):
    """The model registry can't be reached or doesn't hold what was asked for."""


class PromotionError(PariVisionError):
    """A promotion or rollback was asked for that the registry's state forbids."""


class NotEnoughGamesError(PariVisionError):
    """There are too few games to train or judge a model yet; more data will cure it."""
