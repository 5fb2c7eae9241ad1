"""Header gate, batch reader, patient accumulator and string hashes; see csrc/."""

import numpy as np
from numpy.typing import NDArray

# --- images: csrc/bindings/images.cpp

# --- accumulator: csrc/bindings/accumulator.cpp

# --- strings: csrc/bindings/strings.cpp

def hash_strings(offsets: NDArray[np.int64], data: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """64-bit hash of each of N strings, uint64 (N,).

    String i is ``data[offsets[i]:offsets[i + 1]]``; ``offsets`` int64 (N + 1,). Raises
    ValueError if the offsets do not ascend within ``data``.
    """
