// A patient's page at work: the large picture, the keyboard, and what answers change.
"use strict";

(() => {
  const { data, cameBack, cells, desk, drafts, gallery, reader } = window.bloodcell;
  const { action, answerTo, describe, element, neighbour } = gallery;
  const large = document.getElementById("large");
  // What is said of the picture stays one element, so that screen readers tell of each change.
  const at = element("p", { className: "at", role: "status" });
  const shown = element("div", { className: "shown" });
  const byKey = new Map(cells.choices.map((one) => [one.letter.toLowerCase(), one]));
  let sequence = []; // rows that the large picture goes through
  let current = null; // its row
  let isBlind = false; // whether what the network says stays unsaid until answered
  let note = ""; // what the last key came to, where that is not seen
  let isPast = false; // whether the last of the sequence was answered: no key answers it again

  // As bands.py has it, so that page and tables say the same: more digits where one would say
  // another band or its bound.
  function percent(share) {
    const value = 100 * share;
    const place = (number) => [5, 10, 20].map((line) => Math.sign(number - line)).join();
    for (let digits = 1; digits < 15; digits += 1) {
      // A quarter is rounded down, as Python does.
      const text = (digits === 1 && value % 1 === 0.25 ? value - 0.05 : value).toFixed(digits);
      if (place(Number(text)) === place(value)) return text;
    }
    return String(value);
  }

  // --- answers

  function answer(row, code) {
    tell("");
    cells.answer(row, code);
    changed(row);
  }

  function takeBack(row) {
    const why = reader()
      ? "Another reader's answer stays: answer differently, both are kept."
      : "Type your name as reviewer first: only your own answers can be taken back.";
    tell(cells.takeBack(row) ? "" : why);
    changed(row);
  }

  function tell(text) {
    desk.say(text, note);
    note = text;
  }

  function changed(row) {
    gallery.refresh(row);
    update();
  }

  function update() {
    gallery.count();
    updateCounts();
    updateShare();
    desk.update();
    if (large.open) show();
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
    const total = table.querySelector(".total .corrected");
    total.dataset.given ??= total.textContent;
    total.textContent = isCorrected ? denominator.toLocaleString("en") : total.dataset.given;
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
    desk.estimate(estimate ? `Cells seen alone: ${text[0]} % (${text[1]})` : "");
  }

  // --- the large picture

  window.bloodcell.enlarge = (row, from) => {
    const group = from.parentElement;
    sequence = [...group.children].map((b) => Number(b.dataset.row));
    isBlind = from.dataset.blind === "yes";
    [current, isPast] = [row, false];
    tell("");
    if (!large.open) large.showModal();
    show();
  };

  function show() {
    if (isPast) showEnd();
    else showLarge();
    large.focus();
  }

  function showLarge() {
    const cell = cells.of(current);
    const place = sequence.indexOf(current);
    const told = cells.told(current, isBlind);
    const network = `network: ${data.classes[cell.class].name}, blast probability ${cell.blast.toFixed(2)}${cell.unidentified ? ", unidentified: more likely something else" : ""}`;
    const said = [note, answerTo(current, isBlind), isBlind && told === undefined ? "" : network].filter(Boolean).join("; ");
    at.className = "at";
    at.replaceChildren(element("strong", { textContent: `${place + 1} of ${sequence.length}` }), ` ${said}`);
    shown.replaceChildren(
      element("div", { className: "picture" }, cells.picture(current, `Cell of row ${current}, ${describe(cell, isBlind)}`)),
      legend(told),
      element("p", { className: "path", textContent: `row ${cell.row}: ${cell.path}` }),
      keys(),
    );
  }

  const isAllAnswered = () => sequence.every(cells.isAnswered);

  // In place of the last picture once that is answered: what comes next is no cell.
  function showEnd() {
    const answered = sequence.filter(cells.isAnswered).length;
    const [count, next] = isAllAnswered()
      ? [sequence.length === 1 ? "The one cell is answered" : `All ${sequence.length} are answered`, desk.whatNext()]
      : [`${answered} of ${sequence.length} are answered`, "this was the last one; “← before” goes back to the others"];
    at.className = "end";
    at.replaceChildren(element("strong", { textContent: count }), `: ${next}.`);
    shown.replaceChildren(keys());
  }

  const keys = () =>
    element("p", { className: "keys" }, action("← before", () => go(-1)), action("next →", () => go(1)), action("Undo", undo), action("Redo", redo), action("Close", () => large.close()));

  function decide(code) {
    answer(current, code);
    isPast = current === sequence.at(-1);
    if (isPast) show();
    else go(1);
  }

  function go(by) {
    const next = sequence[sequence.indexOf(current) + (isPast ? by + 1 : by)];
    if (next === undefined) return;
    [current, isPast] = [next, false];
    tell("");
    show();
  }

  function legend(told) {
    const list = element("div", { className: "legend", role: "group", ariaLabel: "Classes and their keys" });
    for (const one of cells.choices) {
      const made = element("button", { type: "button", tabIndex: -1 }, element("kbd", { textContent: one.letter }), ` ${one.name}`);
      made.setAttribute("aria-pressed", String(told === one.code));
      made.addEventListener("click", () => decide(one.code));
      list.append(made);
    }
    return list;
  }

  // --- undo, keyboard

  // From behind the last cell it goes back to the one that it changes.
  function again(row) {
    if (row === null) return;
    tell("");
    if (isPast && sequence.includes(row)) [current, isPast] = [row, false];
    changed(row);
  }

  const undo = () => again(cells.undo());
  const redo = () => again(cells.redo());

  function reread() {
    cells.reread();
    gallery.refresh(...cells.all.map((cell) => cell.row));
    update();
  }

  function onKey(event) {
    const key = event.key.toLowerCase();
    const isTyping = event.target.closest("input:not([type=checkbox]), textarea, select");
    if (isTyping) return;
    if ((event.ctrlKey || event.metaKey) && (key === "z" || key === "y")) {
      event.preventDefault();
      return key === "y" || event.shiftKey ? redo() : undo();
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    // A key that is held answers one cell, not as many as it repeats.
    if (event.repeat && (byKey.has(key) || isErasing(key))) return event.preventDefault();
    if (large.open) onKeyInLarge(event, key);
    else if (event.target.closest(".cell")) onKeyInGallery(event, key, event.target.closest(".cell"));
  }

  const isErasing = (key) => key === "backspace" || key === "delete";

  function onKeyInLarge(event, key) {
    const one = isPast ? undefined : byKey.get(key);
    if (one) decide(one.code);
    else if (key === "arrowleft") go(-1);
    else if (key === "arrowright") go(1);
    else if (!isPast && isErasing(key)) takeBack(current);
    else return;
    event.preventDefault();
  }

  function onKeyInGallery(event, key, made) {
    const one = byKey.get(key);
    const row = Number(made.dataset.row);
    if (one || isErasing(key)) {
      const next = neighbour(made, "ArrowRight") ?? made;
      if (one) answer(row, one.code);
      else takeBack(row);
      (made.dataset.blind || made.parentElement !== next.parentElement || one ? next : made).focus();
    } else if (event.key.startsWith("Arrow")) neighbour(made, event.key)?.focus();
    else return;
    event.preventDefault();
  }

  document.addEventListener("keydown", onKey);
  document.addEventListener("focusin", (event) => {
    if (event.target.matches?.(".cell")) gallery.rove(event.target);
  });
  large.addEventListener("close", () => {
    if (isPast && isAllAnswered()) return desk.focus();
    const own = gallery.buttonsOf(current);
    (isBlind ? own[0] : own.at(-1))?.focus();
  });
  large.append(at, shown);
  desk.build({ undo, redo, reread });
  gallery.build();
  update();
  if (cameBack && cells.round.length) gallery.buttonsOf(cells.round[0].row)[0].focus();
  drafts.watch((patient) => {
    if (patient === null || patient === data.patient) reread();
  });
  cells.loadPictures();
})();
