"""A recipe that trains in seconds: a teacher and a network, one epoch each, at 64 px."""

from bloodcell.architectures.resnext import Architecture

TINY = Architecture((1, 1, 1, 1), 2, 2, output_channels=8, stem_channels=4)
"""Far smaller than any architecture that a recipe may name."""

_COURSE = """
epochs = 1
patience_epochs = 1
batch_size = 16
peak_learning_rate = 1e-3
weight_decay = 0.05
label_smoothing = 0.0
average_decay = 0.9
first_side_px = 64
last_side_px = 64
"""

TINY_RECIPE = f"""
scheme = "jhu18"
architecture = "resnext14_4x16d"
seed = 1
[preprocessing]
input_px = 64
region = 0.7
interpolation = "linear"
antialias = true
mean = [0.839, 0.705, 0.704]
std = [0.183, 0.226, 0.111]
[validation]
folds = 4
[course]
{_COURSE}
[[teacher]]
network = "lite0"
share = 0.7
[teacher.course]
{_COURSE}
"""
