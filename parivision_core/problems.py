"""The errors that PariVision raises itself; each message says what is wrong and what to do about it."""


class PariVisionError(Exception):
    """Base class of all errors that a person or a program can act on."""


class ConfigurationError(PariVisionError):
    """An environment variable holds something that can't be used."""


class BatchError(PariVisionError):
    """A whole batch can't be read; nothing of it was kept, and the same content would fail again."""


class FeedError(BatchError):
    """A feed can't be reached, or its answer is wrong; the same request may succeed later."""


class StoreError(PariVisionError):
    """A store or prediction log can't be reached, read or written, or is of another version."""


class ConflictError(StoreError):
    """Another process wrote meanwhile; nothing was kept, and running again takes its writes into account."""


class LockLostError(StoreError):
    """A process was suspended for so long that another one took its lock; what it had begun wasn't kept."""


class BundleError(PariVisionError):
    """A bundle is incomplete, altered, or doesn't reproduce its known answers."""


class RegistryError(PariVisionError):
    """The model registry can't be reached or doesn't hold what was requested."""


class PromotionError(PariVisionError):
    """A promotion or rollback was requested that the registry's state forbids."""


class NotEnoughGamesError(PariVisionError):
    """There are too few games yet to train or judge a model; more data solves it."""
