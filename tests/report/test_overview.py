"""The overview in a browser: sorted, filtered, a page at a time."""

from typing import Any

import numpy as np
from helpers.report_pages import HOSTILE_NAMES, overview, page_path, rows
from playwright.sync_api import Page, expect

from bloodcell.run import Run


def names(page: Page) -> list[str]:
    return page.locator("#table tbody tr:visible a").all_text_contents()


def test_the_table_is_sorted_by_any_column(page: Page, ward: Run) -> None:
    page.goto(overview(ward))
    given = ward.patients.to_pylist()
    page.get_by_role("button", name="Sort by naive %").click()
    page.get_by_role("button", name="Sort by naive %").click()
    naive = [row["blast_percent_naive"] for row in given]
    most = max(value for value in naive if value is not None)
    assert rows(page).first.get_attribute("data-naive") == str(most)
    page.get_by_role("button", name="Sort by Patient").click()
    by_name = [name for name in names(page) if name.startswith("p0")]
    assert by_name == sorted(by_name)
    assert page.locator("th[aria-sort]").count() == 1


def test_the_patient_of_most_unidentified_cells_comes_first_if_asked_for(
    page: Page, ward: Run
) -> None:
    page.goto(overview(ward))
    of_patient = {row["patient"]: row for row in ward.patients.to_pylist()}
    parts = [row["unidentified"] / row["scored"] for row in of_patient.values()]
    assert min(parts) == 0 < max(parts)
    page.get_by_role("button", name="Sort by Unidentified").click()
    page.get_by_role("button", name="Sort by Unidentified").click()
    first = rows(page).first
    assert float(first.get_attribute("data-unidentified") or 0) == 100 * max(parts)
    row = of_patient[first.locator("a").inner_text()]
    assert row["unidentified"] / row["scored"] == max(parts)
    expect(first.locator("[data-label=Unidentified]")).to_have_text(
        f"{row['unidentified']} ({100 * max(parts):.1f} %)"
    )


def test_a_hundred_patients_are_a_page(page: Page, ward: Run) -> None:
    page.goto(overview(ward))
    assert rows(page).count() == 100
    page.get_by_role("button", name="Next").click()
    assert rows(page).count() == ward.patients.num_rows - 100
    page.get_by_role("button", name="Before").click()
    assert rows(page).count() == 100


def test_patients_are_filtered(page: Page, ward: Run) -> None:
    page.goto(overview(ward))
    table = ward.patients.to_pylist()
    for field, value, expected in (
        ("valid", "no", [p for p in table if p["blast_percent"] is None]),
        ("rejected", "1", [p for p in table if p["rejected"] > 0.01 * p["cells"]]),
        ("status", "final", []),
        ("band", "3", [p for p in table if most_likely(p) == 3 and p["blast_percent"] >= 20]),
    ):  # fmt: skip
        page.locator(f"[name={field}]").select_option(value)
        assert sorted(names(page)) == sorted(p["patient"] for p in expected)
        page.get_by_role("button", name="All").click()
        expect(rows(page)).to_have_count(100)
    page.locator("[name=name]").fill("WHOLE")
    assert names(page) == ["whole"]
    page.locator("[name=name]").fill("nobody")
    expect(page.get_by_text("No patient is like that.")).to_be_visible()


def most_likely(patient: dict[str, Any]) -> int | None:
    """Place of the band."""
    bands = ["band_under_5", "band_5_9", "band_10_19", "band_20_up"]
    if patient["blast_percent"] is None:
        return None
    return int(np.argmax([patient[band] for band in bands]))


def test_a_band_that_the_share_is_outside_of_is_not_told_of_too_wide_an_interval(
    page: Page, ward: Run
) -> None:
    page.goto(overview(ward))
    of_patient = {row["patient"]: row for row in ward.patients.to_pylist()}
    told = 0
    for row in rows(page).all():
        patient = of_patient[row.locator("a").text_content()]
        if most_likely(patient) is None:
            continue
        own = sum(patient["blast_percent"] >= line for line in (5, 10, 20))
        is_open = own != most_likely(patient) and not patient["sufficient"]
        told += is_open
        band = row.locator("td.band").text_content() or ""
        assert ("open: the interval is too wide" in band) == is_open
    assert told > 0


def test_look_first_leaves_those_with_planned_cells(page: Page, ward: Run) -> None:
    page.goto(overview(ward))
    page.get_by_label("look first only").check()
    looks = [int(row.get_attribute("data-look") or 0) for row in rows(page).all()]
    assert looks
    assert min(looks) > 0


def test_hostile_names_are_shown_as_text(page: Page, ward: Run) -> None:
    page.goto(overview(ward))
    shown = page.locator("#table tbody a").all_text_contents()
    assert set(HOSTILE_NAMES) <= set(shown)
    assert page.title() == "Blast counts by patient"
    for name in HOSTILE_NAMES:
        page.goto(page_path(ward, name).as_uri())
        assert page.title().startswith(name.strip("\u2028"))
        assert (page.locator("h1").text_content() or "").startswith(name)
    page.locator("#comment").fill(HOSTILE_NAMES[0])
    page.reload()
    assert page.locator("#comment").input_value() == HOSTILE_NAMES[0]
