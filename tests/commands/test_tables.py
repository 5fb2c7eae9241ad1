"""Tables on terminals of any width: nothing that tells patients or numbers apart is cut."""

import pytest

from bloodcell.printed import tables

HEADER = ("patient", "cells", "rejected", "denominator", "called blast", "blasts, naive %", "95 %")
NAMES = [f"2026-11-25_Ward7_MGG_0012345_left_arm_smear_{number}" for number in (1, 2)]
ROWS = [(name, 12345, 0, 12000, 5123, "41.7", "38.3 to 45.1") for name in NAMES]


def printed(
    columns: int, capsys: pytest.CaptureFixture[str], rows: list[tuple[object, ...]]
) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "_columns_of_terminal", lambda: columns)
        tables.print_table(HEADER, rows)
    return capsys.readouterr().out


@pytest.mark.parametrize("columns", [200, 120, 80, 60, 40])
def test_nothing_is_cut(columns: int, capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(columns, capsys, ROWS)
    for cell in (*NAMES, "12345", "12000", "5123", "41.7", "38.3 to 45.1"):
        assert cell in text
    figures = [line for line in text.splitlines() if not any(name in line for name in NAMES)]
    assert columns >= 120 or all(len(line) <= columns for line in figures)


def test_headings_wrap_before_names_get_lines_of_their_own(
    capsys: pytest.CaptureFixture[str],
) -> None:
    short = [(name[-1], *row) for name, (_, *row) in zip(NAMES, ROWS, strict=True)]
    assert printed(80, capsys, short).splitlines() == [
        "                                       called  blasts,",
        "patient  cells  rejected  denominator   blast  naive %          95 %",
        "1        12345         0        12000    5123     41.7  38.3 to 45.1",
        "2        12345         0        12000    5123     41.7  38.3 to 45.1",
    ]
    assert printed(80, capsys, ROWS).splitlines()[-2:] == [
        NAMES[1],
        "12345         0        12000          5123             41.7  38.3 to 45.1",
    ]


def test_wide_letters_count_as_two(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(200, capsys, [("\u674e", *ROWS[0][1:]), ("ab", *ROWS[0][1:])]).splitlines()
    assert lines[1].replace("\u674e", "ab") == lines[2]


def test_a_name_moves_no_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(200, capsys, [("a\x1b[2J\nb", *ROWS[0][1:])])
    assert "a\\x1b[2J\\nb" in text
    assert "\x1b" not in text
