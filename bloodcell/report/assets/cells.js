// The cells of a patient: what is known of each, its picture, and what readers made of it.
"use strict";

(() => {
  const { data, drafts, reader } = window.bloodcell;
  const CANNOT_TELL = "cannot_tell";
  // What a key answers; the last one also where a class may have any letter.
  const choices = [...data.classes, { code: CANNOT_TELL, letter: "-", name: "cannot tell" }];
  const byRow = new Map(data.cells.map((cell, rank) => [cell.row, { ...cell, rank }]));
  const classAt = new Map(data.classes.map((one, place) => [one.code, place]));
  const pictures = new Map();
  let draft = drafts.settle();
  const [undone, done] = [[], []];

  // What cells count as by the answers that were applied, by row.
  const applied = new Map(Object.entries(data.applied).map(([row, code]) => [Number(row), code]));
  const planned = [...byRow.values()].filter((cell) => cell.order).sort((a, b) => a.order - b.order);

  const nameOf = (code) => choices.find((one) => one.code === code).name;
  // By row: a code; null takes back what this reader said before.
  const drafted = (row) => draft.answers[row];
  const readingsOfAll = (row) => data.readings[row] ?? [];
  const isOwn = (row) => readingsOfAll(row).some(([who]) => who === reader());
  // Reader and code of each that stands, without what the draft takes back.
  const readings = (row) =>
    readingsOfAll(row).filter(([who]) => drafted(row) !== null || who !== reader());
  // What readings leave a cell as: settled_class of bloodcell/review/agreement.py, else the latest.
  function standing(row) {
    const codes = readings(row).map(([, code]) => code);
    const times = (code) => codes.filter((one) => one === code).length;
    const most = Math.max(...codes.map(times));
    const first = [...new Set(codes)].filter((code) => times(code) === most);
    return first.length === 1 ? first[0] : codes.at(-1);
  }
  // What is said of a cell: the draft's answer, else the applied one, else undefined.
  function said(row) {
    return drafted(row) ?? (drafted(row) === null ? standing(row) : applied.get(row));
  }
  const isAnswered = (row) => said(row) !== undefined;
  // The class that the counts take a cell for, null if they leave it to the network.
  const answered = (row) => classAt.get(said(row)) ?? null;
  const placeOf = (row) => answered(row) ?? byRow.get(row).class;
  const isDisputed = (row) => data.disputed.includes(row);
  // What a page that is blind to the network says: of a third reading not what the others said.
  const told = (row, isBlind) =>
    isBlind && isDisputed(row) && !drafted(row) ? undefined : said(row);

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

  // Takes back the draft's answer, else the reader's own that was applied; false if another reader's is in the way.
  function takeBack(row) {
    if (drafted(row) !== undefined) answer(row, undefined);
    else if (isOwn(row)) answer(row, null);
    else return !isAnswered(row);
    return true;
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
    choices,
    of: (row) => byRow.get(row),
    get draft() {
      return draft;
    },
    // After another tab has written.
    reread: () => (draft = drafts.of(data.patient)),
    change,
    drafted,
    placeOf,
    readings,
    isAnswered,
    isClass: (code) => classAt.has(code),
    cannotTell: () => [...byRow.keys()].filter((row) => said(row) === CANNOT_TELL).length,
    isDisputed,
    nameOf,
    told,
    answer,
    takeBack,
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
