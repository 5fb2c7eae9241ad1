// The table of patients: sorted, filtered and shown a page at a time.
"use strict";

(() => {
  const ON_A_PAGE = 100;
  const { data, drafts } = window.bloodcell;
  const table = document.getElementById("table");
  const body = table.tBodies[0];
  const filters = document.getElementById("filters");
  const pager = document.getElementById("pager");
  const rows = [...body.rows];
  const nameOf = (row) => data.patients[Number(row.dataset.patient)];
  let page = 0;
  let matching = rows;

  function matches(row) {
    const chosen = Object.fromEntries(new FormData(filters));
    const { band, valid, status, look, rejected } = row.dataset;
    return (
      nameOf(row).toLowerCase().includes(chosen.name.trim().toLowerCase()) &&
      (!chosen.band || chosen.band === band) &&
      (!chosen.valid || chosen.valid === valid) &&
      (!chosen.status || chosen.status === status) &&
      (!chosen.rejected || Number(rejected) > Number(chosen.rejected)) &&
      (!chosen.look || Number(look) > 0)
    );
  }

  function show() {
    matching = [...body.rows].filter((row) => {
      row.hidden = !matches(row);
      return !row.hidden;
    });
    const pages = Math.max(1, Math.ceil(matching.length / ON_A_PAGE));
    page = Math.min(page, pages - 1);
    matching.forEach((row, i) => {
      row.classList.toggle("paged-out", Math.floor(i / ON_A_PAGE) !== page);
    });
    document.getElementById("empty").hidden = matching.length > 0;
    showPager(pages);
  }

  function showPager(pages) {
    const first = page * ON_A_PAGE;
    const last = Math.min(first + ON_A_PAGE, matching.length);
    const said = document.createElement("span");
    const of = matching.length === rows.length ? "" : ` that match, of ${rows.length}`;
    said.textContent = matching.length ? `${first + 1} to ${last} of ${matching.length}${of}` : "";
    pager.replaceChildren(
      turn("← Before", page > 0, -1),
      said,
      turn("Next →", page + 1 < pages, 1),
    );
    pager.hidden = rows.length <= ON_A_PAGE && matching.length === rows.length;
  }

  function turn(text, isPossible, by) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = text;
    button.disabled = !isPossible;
    button.addEventListener("click", () => {
      page += by;
      show();
    });
    return button;
  }

  function valueOf(row, by) {
    if (by === "name") return nameOf(row);
    return row.dataset[by] === "" ? -Infinity : Number(row.dataset[by]);
  }

  const names = new Intl.Collator("en", { numeric: true });
  const compare = (a, b) => (typeof a === "string" ? names.compare(a, b) : a - b || 0);

  function sort(heading) {
    const falls = heading.getAttribute("aria-sort") === "ascending";
    const sign = falls ? -1 : 1;
    table.querySelectorAll("th[aria-sort]").forEach((th) => th.removeAttribute("aria-sort"));
    heading.setAttribute("aria-sort", falls ? "descending" : "ascending");
    const by = heading.dataset.sort;
    const sorted = [...body.rows].map((row) => [valueOf(row, by), row]);
    sorted.sort(([a], [b]) => sign * (a === b ? 0 : compare(a, b)));
    body.append(...sorted.map(([, row]) => row));
    page = 0;
    show();
  }

  for (const heading of table.querySelectorAll("th[data-sort]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.setAttribute("aria-label", `Sort by ${heading.textContent.trim()}`);
    heading.addEventListener("click", () => sort(heading));
    heading.append(button);
  }

  // What this browser keeps of a patient; null if nothing, or if it was applied from a file since.
  function stateOf(patient) {
    const draft = drafts.of(patient);
    const isStale = drafts.isStale(patient, window.bloodcell.standing);
    if (draft.saved) return isStale ? null : "Saved, not applied yet";
    return draft.sign && !isStale ? "Draft, to sign" : "Draft";
  }

  function showDrafts() {
    const states = new Map(drafts.patients().map((patient) => [patient, stateOf(patient)]));
    for (const row of rows) {
      row.querySelector(".draft")?.remove();
      const state = states.get(nameOf(row));
      if (!state) continue;
      const span = document.createElement("span");
      span.className = "badge draft";
      span.textContent = state;
      row.cells[0].append(" ", span);
    }
    document.getElementById("save").hidden = !states.size && !document.getElementById("save-said").textContent;
  }

  filters.hidden = false;
  filters.addEventListener("input", () => {
    page = 0;
    show();
  });
  filters.addEventListener("submit", (event) => event.preventDefault());
  filters.addEventListener("reset", () => setTimeout(show));
  window.bloodcell.wire({
    reviewer: document.getElementById("reviewer"),
    button: document.getElementById("save-button"),
    said: document.getElementById("save-said"),
    forget: document.getElementById("clear-button"),
    changed: showDrafts,
  });
  window.addEventListener("pageshow", showDrafts);
  drafts.watch(showDrafts);
  show();
})();
