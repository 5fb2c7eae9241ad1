"""What scoring is to be done with. Light: who only starts workers loads no decoder for it."""

from dataclasses import dataclass

from bloodcell.engine.backends.contract import Choice, Network
from bloodcell.engine.object_store import Place
from bloodcell.engine.preprocessing import Preprocessing
from bloodcell.engine.staining import Smears


@dataclass(frozen=True)
class Setup:
    """All that scoring needs to know.

    Of it, batch size, threads and promptness never change a result.
    """

    choice: Choice
    network: Network
    preprocessing: Preprocessing
    smears: Smears | None
    """What the network learnt from; cells that look otherwise are not ``stained``."""
    root: Place
    """What relative paths start from."""
    batch_size: int | None
    """Most cells a batch; None: 32 on the CPU, on a GPU what its network takes at once."""
    threads: int
    """CPU threads."""
    hardware_decoder: bool = False
    """Of a GPU, for all JPEGs: other pixels than without, by a level or two."""
    prompt: bool = False
    """Whether cells come one by one and are waited for, and not by the thousand."""
