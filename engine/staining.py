"""Whether an image has the light and the colour of a stained smear."""

import numpy as np
import numpy.typing as npt

from bloodcell.engine.preprocessing import Preprocessing

_DARKEST, _BRIGHTEST, _LEAST_RED_OVER_GREEN = 0.35, 0.93, 0.02
"""Of 16,510 real cells from three sources the mean level was 0.380 to 0.892, and red was 0.041 or
more above green, which these stains absorb most. Nearly black or white images fall out, negatives
and gray ones too."""


def lacks_staining(
    pixels: npt.NDArray[np.float32], preprocessing: Preprocessing
) -> npt.NDArray[np.bool_]:
    """Say of D images, float32 (D, 3, H, W) as the network gets them, which are no stained smear.

    Its calls on such images mean nothing, though they may look certain: most become lymphocytes.
    """
    channels = pixels.mean(axis=(2, 3)) * preprocessing.std + preprocessing.mean
    levels, red_over_green = channels.mean(axis=1), channels[:, 0] - channels[:, 1]
    dim, glaring = levels < _DARKEST, levels > _BRIGHTEST
    return np.asarray(dim | glaring | (red_over_green < _LEAST_RED_OVER_GREEN), np.bool_)
