"""Every error that bloodcell raises on purpose, as one tree.

BloodcellError                  base; the message is one a user can act on
├── InputError                  what was given to score: folder, manifest, option
├── ModelError                  a model folder that may not be used
├── RunError                    a run folder that cannot be used as asked
├── EngineError                 decoding or the network failed as a whole
├── BusyError                   an engine has as many cells waiting as it may hold
├── PackageError                a package that this needs is not installed
├── DiskError                   a file cannot be written whole
├── StoreError                  an object store cannot be used: credentials, bucket, network
└── Stopped                     asked to stop; what is done is kept, the run can be resumed
"""

IS_EMPTY = "is empty, as that of a variable which is not set"
"""What to say of a path without a letter: it would be the current folder."""


class BloodcellError(Exception):
    """Base of the tree. ``exit_status`` is what the command line returns for it."""

    exit_status = 1


class InputError(BloodcellError):
    """The input (folder, manifest, labels, option value) is not what is needed."""


class ModelError(BloodcellError):
    """A model is unknown, incomplete, or differs from what its card says."""


class RunError(BloodcellError):
    """A run folder belongs to another job, is in use, or is not a run folder."""


class EngineError(BloodcellError):
    """The backend or the decoder cannot work at all (never raised for one bad image)."""


class BusyError(BloodcellError):
    """An engine has as many cells waiting as it may hold: submit the cell again later."""


class PackageError(BloodcellError):
    """What was asked for needs a package that is not installed; the message says which."""


class DiskError(BloodcellError):
    """A file could not be written whole: a full disk, a forbidden folder."""


class StoreError(BloodcellError):
    """An object store refuses or cannot be reached: credentials, bucket, region, network."""


class Stopped(BloodcellError):  # noqa: N818 - nothing went wrong
    """Stopped in good order on request; everything finished is on disk and resumable."""

    exit_status = 4
