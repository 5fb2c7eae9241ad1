"""How many decoders of JPEGs feed one GPU's network, and of which kind; light."""

_MOST = 3
"""Three saturate an H100's decoder circuits, and its CUDA cores gain little from a third
(benchmarks/gpu/measured)."""
_THREADS = 4
"""CPU threads that a decoder needs to parse headers as fast as a GPU decodes."""


def decoder_count(threads: int) -> int:
    """Decoders side by side for ``threads`` CPU threads; they share one network."""
    return max(1, min(_MOST, threads // _THREADS))


def told(threads: int, *, hardware_decoder: bool) -> str:
    """What is taken, and why, in one line.

    The decoder circuit is no default: its pixels differ from the CUDA decoder's by a level or two,
    and that no image's depend on its neighbours was seen on one model of GPU alone.
    """
    count = decoder_count(threads)
    each = f"{count} side by side" if count > 1 else "1"
    why = f"one for {_THREADS} CPU threads, of {threads}, at most {_MOST}"
    if hardware_decoder:
        return f"{each} on the GPU's decoder circuit, as asked for: {why}"
    return f"{each} on its CUDA cores: {why}; the decoder circuit only where it is asked for"
