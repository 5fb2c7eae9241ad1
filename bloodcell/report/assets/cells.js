// The cells of a patient: what is known of each, its picture, and what readers made of it.
"use strict";

(() => {
  const { data, drafts } = window.bloodcell;
  const byRow = new Map(data.cells.map((cell, rank) => [cell.row, { ...cell, rank }]));
  const classAt = new Map(data.classes.map((one, place) => [one.code, place]));
  const pictures = new Map();
  let draft = drafts.settle();
  const [undone, done] = [[], []];

  // What cells count as by the answers that were applied, by row.
  const applied = new Map(Object.entries(data.applied).map(([row, code]) => [Number(row), code]));
  const planned = [...byRow.values()].filter((cell) => cell.order).sort((a, b) => a.order - b.order);

  const drafted = (row) => draft.answers[row];
  // What the counts take a cell for: the draft's class, else the applied one, else null.
  const answered = (row) => classAt.get(drafted(row) ?? applied.get(row)) ?? null;
  const placeOf = (row) => answered(row) ?? byRow.get(row).class;
  const isDisputed = (row) => data.disputed.includes(row);
  // Whose answers the class rests on that a cell counts as.
  const readersOf = (row) =>
    Object.entries(data.readings[row] ?? {}).filter(([, code]) => code === applied.get(row)).map(([who]) => who);
  // What a page that is blind to the network says: of a third reading not what the others said.
  const told = (row, isBlind) =>
    isBlind && isDisputed(row) && drafted(row) === undefined ? null : answered(row);

  function change(work) {
    draft = drafts.change(data.patient, work);
  }

  function put(row, code) {
    change(({ answers }) => {
      if (code === undefined) delete answers[row];
      else answers[row] = code;
    });
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
    get draft() {
      return draft;
    },
    // After another tab has written.
    reread: () => (draft = drafts.of(data.patient)),
    change,
    drafted,
    placeOf,
    answered,
    isDisputed,
    readersOf,
    told,
    answer,
    undo: () => step(done, undone, "before"),
    redo: () => step(undone, done, "after"),
    canUndo: () => done.length > 0,
    canRedo: () => undone.length > 0,
    counts,
    sample,
    picture,
    loadPictures,
  };
})();
