"""JPEGs of every kind."""

import base64

from PIL import Image

from helpers.pictures.table import (
    PILLOW,
    UNSUPPORTED,
    Table,
    by_pillow,
    exif,
    ink,
    pillow,
    smooth,
)

# Pillow writes none: `jpegtran -arithmetic`, and with -progressive, of its own quality 40.
_ARITHMETIC = """
/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABQODxIPDRQSEBIXFRQYHjIhHhwcHj0sLiQySUBMS0dARkVQWnNiUFVtVkVGZIhl
bXd7gYKBTmCNl4x9lnN+gXz/2wBDARUXFx4aHjshITt8U0ZTfHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8
fHx8fHx8fHx8fHx8fHz/yQARCAAgACADASIAAhEBAxEB/8wACgAQEAUBEBEF/9oADAMBAAIRAxEAPwD+5I70gjB+u/Qv9Dob
r4ZYxis2uUKB+jcglDxVo1xn8/RcyHTxRuIbBXBltGmaEA9l1zB2ISNbaLkQlLkCDNT4H+sWIrx4Evx1IP/Z
"""
_ARITHMETIC_PROGRESSIVE = """
/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABQODxIPDRQSEBIXFRQYHjIhHhwcHj0sLiQySUBMS0dARkVQWnNiUFVtVkVGZIhl
bXd7gYKBTmCNl4x9lnN+gXz/2wBDARUXFx4aHjshITt8U0ZTfHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8
fHx8fHx8fHx8fHx8fHz/ygARCAAgACADASIAAhEBAxEB/8wABgAQARD/2gAMAwEAAhADEAAAAf3JX9I81ldbaoDRCc6afccY
/8wABBAF/9oACAEBAAEFAhGsJx7tbHj/zAAEEQX/2gAIAQMBAT8BGljBVLHffZ2A/8wABBEF/9oACAECAQE/AT3otZZ8QWD/
zAAEEAX/2gAIAQEABj8CsP/MAAQQBf/aAAgBAQABPyEr5xYGUpiDckHw/9oADAMBAAIAAwAAABDEU+b/zAAEEQX/2gAIAQMB
AT8Q6jKc3J0d/8wABBEF/9oACAECAQE/EMIj/wARS6D/zAAEEAX/2gAIAQEAAT8QUIlXqCDTR3qScPXxnF5A/9k=
"""


def jpegs() -> Table:
    """Those that DALI decodes first."""
    table = Table("JPEG")

    def as_pillow(name: str, data: bytes) -> None:
        # Decoders differ by a few levels in the inverse transform and in upsampling.
        table.add(name, data, by_pillow(data), tolerance=4)

    table.kind("baseline or progressive, any chroma subsampling, restart markers")
    for subsampling, name in enumerate(("444", "422", "420")):
        as_pillow(name, pillow(smooth, "JPEG", quality=92, subsampling=subsampling))
    as_pillow("progressive", pillow(smooth, "JPEG", progressive=True))
    as_pillow("restarts", pillow(smooth, "JPEG", restart_marker_blocks=1))
    table.kind("gray")
    as_pillow("gray", pillow(smooth[..., 0], "JPEG"))
    as_pillow("progressive_gray", pillow(smooth[..., 0], "JPEG", progressive=True))
    table.kind("stored as RGB")
    as_pillow("stored_as_rgb", pillow(smooth, "JPEG", keep_rgb=True))
    table.kind("EXIF orientation")
    for orientation in range(1, 9):
        as_pillow(f"exif_{orientation}", pillow(smooth, "JPEG", exif=exif(orientation)))
    table.kind("CMYK or YCCK with Adobe's marker")
    adobe = pillow(ink, "JPEG", quality=95)
    at = adobe.index(b"Adobe")
    as_pillow("cmyk", adobe)
    as_pillow("ycck", adobe[: at + 11] + b"\x02" + adobe[at + 12 :])
    _rewritten(table)
    table.kind("CMYK without Adobe's marker: inverted or not, decoders differ", UNSUPPORTED)
    table.add("cmyk_unmarked", adobe[: at - 4] + adobe[at + 12 :])
    table.kind("12 bits, lossless, hierarchical", UNSUPPORTED)
    plain = pillow(smooth, "JPEG")
    frame = plain.index(b"\xff\xc0")
    for name, code, precision in (("12_bit", 1, 12), ("lossless", 3, 8), ("hierarchical", 5, 8)):
        data = bytearray(plain)
        data[frame + 1], data[frame + 4] = 0xC0 + code, precision
        table.add(name, bytes(data))
    return table


def _rewritten(table: Table) -> None:
    table.kind("stray bytes between segments, as Photoshop has left them", PILLOW)
    turned = pillow(Image.fromarray(smooth), "JPEG", exif=exif(6))
    for name, marker in (("exif", 0xE1), ("tables", 0xDB), ("frame", 0xC0), ("scan", 0xDA)):
        at = turned.index(bytes([0xFF, marker]))
        for what, stray in (("zero", b"\0"), ("text", b"junk" * 9), ("stuffed", b"\xff\0\xff\0")):
            # Right behind the first marker nothing may stray, or it is no JPEG.
            if at > 2:
                data = turned[:at] + stray + turned[at:]
                table.add(f"stray_{what}_before_{name}", data, by_pillow(turned), tolerance=4)
    table.kind("arithmetic codes", PILLOW)
    for name, text in (("", _ARITHMETIC), ("_progressive", _ARITHMETIC_PROGRESSIVE)):
        data = base64.b64decode(text)
        table.add(f"arithmetic{name}", data, by_pillow(pillow(smooth, "JPEG", quality=40)), 4)
