"""How many decoders of JPEGs feed one GPU's network, and of which kind; light."""

_MOST = 3
"""An H100's CUDA cores gain little from a third (benchmarks/gpu/measured)."""
_THREADS = 4
"""CPU threads that a decoder needs to parse headers as fast as a GPU decodes."""


def decoder_count(threads: int, *, hardware_decoder: bool) -> int:
    """Decoders side by side for ``threads`` CPU threads; they share one network.

    The decoder circuit gets one: with one an H100's results were the same bytes for batches of 1, 7
    and 64, with three an H200's were not (benchmarks/gpu/measured).
    """
    return 1 if hardware_decoder else max(1, min(_MOST, threads // _THREADS))


def told(threads: int, *, hardware_decoder: bool) -> str:
    """What is taken, and why, in one line.

    The decoder circuit is no default: its pixels differ from the CUDA decoder's by a level or two,
    and that no image's depend on its neighbours was seen on one model of GPU alone.
    """
    if hardware_decoder:
        return (
            "1 on the GPU's decoder circuit, as asked for: with more of them results were seen to "
            "depend on batches"
        )
    count = decoder_count(threads, hardware_decoder=False)
    each = f"{count} side by side" if count > 1 else "1"
    why = f"one for {_THREADS} CPU threads, of {threads}, at most {_MOST}"
    return f"{each} on its CUDA cores: {why}; the decoder circuit only where it is asked for"
