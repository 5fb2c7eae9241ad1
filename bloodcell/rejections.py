"""Why cells were rejected, in the words of those who read report and terminal."""

REJECTED_AS = {
    "missing": "not found",
    "unreadable": "not readable",
    "empty": "without content",
    "not_an_image": "not an image",
    "unsupported": "of a kind that would not be decoded right",
    "truncated": "cut short",
    "corrupt": "damaged",
    "too_small": "smaller than 16 px",
    "too_large": "larger than 4,096 px or 256 MiB",
    "crashed_decoder": "impossible to decode",
}
"""By reason, what is said after a number of cells; docs/run-folder.md has more of each."""
