// A patient's page at work: the large picture, the keyboard, and what answers change.
"use strict";

(() => {
  const { data, cells, gallery, isServed, saveText } = window.bloodcell;
  const { describe, element, neighbour } = gallery;
  const large = document.getElementById("large");
  const desk = document.getElementById("desk");
  const byLetter = new Map(data.classes.map((one) => [one.letter.toLowerCase(), one]));
  let sequence = []; // rows that the large picture goes through
  let current = null; // its row
  let isBlind = false; // whether what the network says stays unsaid until answered

  // A quarter is rounded down, as Python does, so that page and tables say the same.
  function percent(share) {
    const value = 100 * share;
    return (value % 1 === 0.25 ? value - 0.05 : value).toFixed(1);
  }

  // --- answers

  function answer(row, code) {
    cells.answer(row, code);
    changed(row);
  }

  function changed(row) {
    if (row === null) return;
    gallery.refresh(row);
    update();
  }

  function update() {
    gallery.count();
    updateCounts();
    updateShare();
    updateDesk();
    if (large.open) showLarge();
  }

  function updateCounts() {
    const counts = cells.counts();
    const table = document.getElementById("counts");
    const denominator = counts.reduce((sum, n, i) => sum + (data.classes[i].counted ? n : 0), 0);
    const isCorrected = Object.keys(cells.draft.answers).length > 0;
    data.classes.forEach((one, i) => {
      const row = table.querySelector(`tr[data-code="${CSS.escape(one.code)}"]`);
      const cell = row.querySelector(".corrected");
      cell.dataset.given ??= cell.textContent;
      const share = one.counted && denominator ? ` (${percent(counts[i] / denominator)} %)` : "";
      cell.textContent = isCorrected ? `${counts[i].toLocaleString("en")}${share}` : cell.dataset.given;
      row.classList.toggle("changed", isCorrected && counts[i] !== one.n);
    });
    const has = isCorrected || [...table.querySelectorAll("tr[data-code] .corrected")].some((c) => c.dataset.given);
    table.querySelector(".total .corrected").textContent = isCorrected ? denominator.toLocaleString("en") : "";
    table.classList.toggle("has-corrected", has);
  }

  function updateShare() {
    const sample = cells.sample();
    const seen = sample.seen.reduce((a, b) => a + b, 0);
    const estimate = seen ? window.bloodcell.sampleShare(sample) : null;
    const live = document.getElementById("live");
    live.hidden = !estimate;
    const text = estimate ? [percent(estimate.share), `${percent(estimate.low)} to ${percent(estimate.high)}`] : ["", ""];
    document.getElementById("live-share").textContent = text[0];
    document.getElementById("live-interval").textContent = text[1];
    document.getElementById("live-seen").textContent = seen;
    desk.querySelector(".estimate").textContent = estimate ? `Cells seen alone: ${text[0]} % (${text[1]})` : "";
  }

  // --- the large picture

  window.bloodcell.enlarge = (row, from) => {
    const group = from.parentElement;
    sequence = [...group.children].map((b) => Number(b.dataset.row));
    isBlind = from.dataset.blind === "yes";
    current = row;
    if (!large.open) large.showModal();
    showLarge();
  };

  function showLarge() {
    const cell = cells.of(current);
    const at = sequence.indexOf(current);
    const called = cells.drafted(current) === undefined ? null : data.classes[cells.placeOf(current)];
    const network = `network: ${data.classes[cell.class].name}, blast probability ${cell.blast.toFixed(2)}${cell.unidentified ? ", unidentified: more likely something else" : ""}`;
    large.replaceChildren(
      element("p", { className: "at" }, element("strong", { textContent: `${at + 1} of ${sequence.length}` }), ` ${isBlind && !called ? "" : network}`),
      element("div", { className: "picture" }, cells.picture(current, `Cell of row ${current}, ${describe(cell, isBlind)}`)),
      legend((code) => decide(code), called),
      element("p", { className: "path", textContent: `row ${cell.row}: ${cell.path}` }),
      element("p", { className: "keys" }, action("← before", () => go(-1)), action("next →", () => go(1)), action("Undo", undo), action("Redo", redo), action("Close", () => large.close())),
    );
    large.focus();
  }

  function decide(code) {
    answer(current, code);
    go(1);
  }

  function go(by) {
    const next = sequence[sequence.indexOf(current) + by];
    if (next === undefined) return;
    current = next;
    showLarge();
  }

  function legend(choose, called) {
    const list = element("div", { className: "legend", role: "group", ariaLabel: "Classes and their keys" });
    for (const one of data.classes) {
      const made = element("button", { type: "button", tabIndex: -1 }, element("kbd", { textContent: one.letter }), ` ${one.name}`);
      made.setAttribute("aria-pressed", String(called === one));
      made.addEventListener("click", () => choose(one.code));
      list.append(made);
    }
    return list;
  }

  function action(text, work) {
    const made = element("button", { type: "button", textContent: text });
    made.addEventListener("click", work);
    return made;
  }

  // --- undo, keyboard

  const undo = () => changed(cells.undo());
  const redo = () => changed(cells.redo());

  function onKey(event) {
    const key = event.key.toLowerCase();
    const isTyping = event.target.closest("input:not([type=checkbox]), textarea, select");
    if (isTyping) return;
    if ((event.ctrlKey || event.metaKey) && (key === "z" || key === "y")) {
      event.preventDefault();
      return key === "y" || event.shiftKey ? redo() : undo();
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (large.open) onKeyInLarge(event, key);
    else if (event.target.closest(".cell")) onKeyInGallery(event, key, event.target.closest(".cell"));
  }

  function onKeyInLarge(event, key) {
    const one = byLetter.get(key);
    if (one) decide(one.code);
    else if (key === "arrowleft") go(-1);
    else if (key === "arrowright") go(1);
    else if (key === "backspace" || key === "delete") answer(current, undefined);
    else return;
    event.preventDefault();
  }

  function onKeyInGallery(event, key, made) {
    const one = byLetter.get(key);
    const row = Number(made.dataset.row);
    if (one || key === "backspace" || key === "delete") {
      const next = neighbour(made, "ArrowRight") ?? made;
      answer(row, one?.code);
      (made.dataset.blind || made.parentElement !== next.parentElement || one ? next : made).focus();
    } else if (event.key.startsWith("Arrow")) neighbour(made, event.key)?.focus();
    else return;
    event.preventDefault();
  }

  // --- the desk: how far the reading is, undo, signing, saving

  function buildDesk() {
    const sign = element("input", { type: "checkbox", checked: cells.draft.sign, id: "sign" });
    const comment = element("input", { value: cells.draft.comment, id: "comment", maxLength: 2000, autocomplete: "off" });
    const reviewer = element("input", { id: "reviewer", autocomplete: "off" });
    const save = element("button", { type: "button", id: "save-button" });
    const forget = element("button", { type: "button", id: "clear-button", textContent: "Forget draft" });
    const said = element("span", { id: "save-said", role: "status" });
    sign.addEventListener("change", () => keep(() => (cells.draft.sign = sign.checked)));
    comment.addEventListener("input", () => keep(() => (cells.draft.comment = comment.value)));
    desk.append(
      element("div", { className: "state" },
        element("span", { id: "progress", role: "status" }), element("span", { className: "estimate" }),
        Object.assign(action("Undo", undo), { id: "undo" }), Object.assign(action("Redo", redo), { id: "redo" })),
      element("div", { className: "saving" },
        element("label", { className: "check" }, sign, " Sign this patient"),
        element("label", {}, "Comment ", comment), element("label", {}, "Reviewer ", reviewer), save, forget, said),
      element("p", { className: "help", textContent: "Choose a cell and press the letter of its class; arrows move, Enter enlarges, Backspace takes an answer back, Ctrl+Z undoes." }),
    );
    desk.hidden = false;
    window.bloodcell.wire({ reviewer, button: save, said, forget, changed: (isForgotten) => isForgotten && window.location.reload() });
  }

  function keep(change) {
    change();
    cells.keep();
    updateDesk();
  }

  function updateDesk() {
    const { round, before, draft } = cells;
    const done = round.filter((cell) => cells.drafted(cell.row) !== undefined).length;
    const besides = Object.keys(draft.answers).filter((row) => !cells.of(Number(row))?.order).length;
    document.getElementById("progress").textContent = [
      round.length ? `${done} of ${round.length} in this round` : "no cell waits",
      before.length ? `${before.length} before` : "",
      besides ? `${besides} besides` : "",
    ].filter(Boolean).join(", ");
    const asksForMore = isServed && done > 0 && done === round.length && !draft.sign;
    document.getElementById("save-button").textContent = asksForMore ? "Apply and get the next cells" : saveText;
    document.getElementById("undo").disabled = !cells.canUndo();
    document.getElementById("redo").disabled = !cells.canRedo();
  }

  document.addEventListener("keydown", onKey);
  document.addEventListener("focusin", (event) => {
    if (event.target.matches?.(".cell")) gallery.rove(event.target);
  });
  large.addEventListener("close", () => {
    const own = gallery.buttonsOf(current);
    (isBlind ? own[0] : own.at(-1))?.focus();
  });
  buildDesk();
  gallery.build();
  update();
  cells.loadPictures();
})();
