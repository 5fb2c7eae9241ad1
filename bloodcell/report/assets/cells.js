// The cells of a patient: what is known of each, its picture, and what readers made of it.
"use strict";

(() => {
  const { data, drafts } = window.bloodcell;
  const byRow = new Map(data.cells.map((cell, rank) => [cell.row, { ...cell, rank }]));
  const classAt = new Map(data.classes.map((one, place) => [one.code, place]));
  const pictures = new Map();
  const draft = drafts.of(data.patient);
  const [undone, done] = [[], []];

  // What cells count as by the answers that were applied, by row.
  const applied = new Map(Object.entries(data.applied).map(([row, code]) => [Number(row), code]));
  const planned = [...byRow.values()].filter((cell) => cell.order).sort((a, b) => a.order - b.order);

  const drafted = (row) => draft.answers[row];
  const placeOf = (row) => classAt.get(drafted(row)) ?? byRow.get(row).class;
  // What the counts take a cell for: the draft's class, else the applied one, else null.
  const answered = (row) => classAt.get(drafted(row) ?? applied.get(row)) ?? null;

  function put(row, code) {
    if (code === undefined) delete draft.answers[row];
    else draft.answers[row] = code;
    drafts.keep(data.patient, draft);
  }

  function answer(row, code) {
    const before = drafted(row);
    if (before === code) return;
    done.push({ row, before, after: code });
    undone.length = 0;
    put(row, code);
  }

  function step(from, to, key) {
    const change = from.pop();
    if (!change) return null;
    to.push(change);
    put(change.row, change[key]);
    return change.row;
  }

  // Cells by class as corrected, in the order of data.classes.
  function counts() {
    const n = data.classes.map((one) => one.n);
    for (const [row, cell] of byRow) {
      const seen = answered(row);
      if (seen !== null) {
        n[cell.class] -= 1;
        n[seen] += 1;
      }
    }
    return n;
  }

  // What estimate.js takes, from all answers.
  function sample() {
    const zeros = () => data.strata.map(() => 0);
    const s = { cells: [...data.strata], seen: zeros(), blasts: zeros(), others: zeros(), known: 0, knownBlasts: 0 };
    for (const [row, cell] of byRow) {
      const seen = data.classes[answered(row)];
      if (!seen) continue;
      if (cell.order) {
        s.seen[cell.stratum] += 1;
        if (seen.blast) s.blasts[cell.stratum] += 1;
        else if (seen.counted) s.others[cell.stratum] += 1;
      } else {
        if (data.classes[cell.class].counted) s.cells[cell.stratum] -= 1;
        if (seen.counted) s.known += 1;
        if (seen.blast) s.knownBlasts += 1;
      }
    }
    return s;
  }

  // Called by the file of pictures, once it is loaded.
  window.bloodcell.images = (uris) => {
    for (const [row, uri] of Object.entries(uris)) pictures.set(Number(row), uri);
    document.querySelectorAll("img[data-row]").forEach(showPicture);
  };

  function showPicture(image) {
    const uri = pictures.get(Number(image.dataset.row));
    if (uri) image.src = uri;
    image.closest(".cell, .picture")?.classList.toggle("no-picture", !uri);
  }

  function loadPictures() {
    const script = document.createElement("script");
    script.src = `../images/${data.page}.js`;
    script.addEventListener("error", () => window.bloodcell.images({}));
    document.head.append(script);
  }

  // An <img> of a cell.
  function picture(row, alternative) {
    const image = document.createElement("img");
    image.dataset.row = row;
    image.alt = alternative;
    image.decoding = "async";
    image.draggable = false;
    if (pictures.size) setTimeout(() => showPicture(image));
    return image;
  }

  window.bloodcell.cells = {
    all: [...byRow.values()],
    round: planned.filter((cell) => !applied.has(cell.row)), // the planned cells that wait
    before: planned.filter((cell) => applied.has(cell.row)), // those of earlier rounds
    of: (row) => byRow.get(row),
    draft,
    drafted,
    placeOf,
    answered,
    answer,
    undo: () => step(done, undone, "before"),
    redo: () => step(undone, done, "after"),
    canUndo: () => done.length > 0,
    canRedo: () => undone.length > 0,
    keep: () => drafts.keep(data.patient, draft),
    counts,
    sample,
    picture,
    loadPictures,
  };
})();
