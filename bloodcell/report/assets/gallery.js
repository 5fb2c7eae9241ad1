// The cells of a patient as buttons: those of the plan, and the gallery by class.
"use strict";

(() => {
  const { data, cells } = window.bloodcell;
  const buttons = new Map(); // row: its buttons, in the plan and in the gallery
  const sections = [];

  function element(name, properties = {}, ...children) {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  }

  function action(text, work) {
    const made = element("button", { type: "button", textContent: text });
    made.addEventListener("click", work);
    return made;
  }

  // For those who hear it; and beside the large picture what answers made of a cell.
  function answerTo(row, isBlind) {
    const told = cells.told(row, isBlind);
    const isTakenBack = cells.drafted(row) === null;
    if (told === undefined) return isTakenBack ? "your answer is taken back" : cells.isAnswered(row) ? "answered" : "";
    const name = cells.nameOf(told);
    if (cells.drafted(row)) return `answered: ${name}`;
    const readings = cells.readings(row);
    const who = readings.every(([, code]) => code === told)
      ? `, said ${readings.map(([reader]) => reader).join(", ")}`
      : ` (${readings.map(([reader, code]) => `${reader}: ${cells.nameOf(code)}`).join(", ")})`;
    return `${isTakenBack ? "your answer is taken back; " : ""}${cells.isClass(told) ? `counts as ${name}` : name}${who}`;
  }

  function describe(cell, isBlind) {
    const answer = answerTo(cell.row, isBlind);
    if (answer) return answer;
    if (isBlind) return "not answered yet";
    return `called ${data.classes[cell.class].name}, blast probability ${cell.blast.toFixed(2)}${cell.unidentified ? ", unidentified" : ""}`;
  }

  function button(cell, blind) {
    const caption = element("span", { className: "caption" });
    const made = element("button", { type: "button", className: "cell" },
      element("span", { className: "frame" }, cells.picture(cell.row, "")), caption);
    made.dataset.row = cell.row;
    made.dataset.blind = blind ? "yes" : "";
    made.addEventListener("click", () => window.bloodcell.enlarge(cell.row, made));
    if (!buttons.has(cell.row)) buttons.set(cell.row, []);
    buttons.get(cell.row).push(made);
    label(made);
    return made;
  }

  function captionOf(cell, isBlind) {
    const told = cells.told(cell.row, isBlind);
    if (told !== undefined) return `✓ ${cells.nameOf(told)}`;
    if (cells.drafted(cell.row) === null) return "taken back";
    if (cells.isAnswered(cell.row)) return "answered";
    if (isBlind) return `${cell.order || ""}`;
    return `${cell.blast.toFixed(2)}${cell.unidentified ? " ?" : ""}`;
  }

  const isMoved = (cell) => cells.placeOf(cell.row) !== cell.class;

  function label(made) {
    const cell = cells.of(Number(made.dataset.row));
    const isBlind = made.dataset.blind === "yes";
    made.querySelector(".caption").textContent = captionOf(cell, isBlind);
    made.classList.toggle("answered", cells.isAnswered(cell.row));
    made.classList.toggle("moved", isMoved(cell) && cells.told(cell.row, isBlind) !== undefined);
    made.classList.toggle("disputed", cells.isDisputed(cell.row));
    made.setAttribute("aria-label", `${isBlind && cell.order ? `Cell ${cell.order} to look at` : `Cell of row ${cell.row}`}, ${describe(cell, isBlind)}`);
  }

  function buildGallery() {
    const planned = document.getElementById("planned");
    planned.append(...cells.round.map((cell) => button(cell, true)));
    if (cells.before.length) planned.after(...group("Answered in earlier rounds", "before", cells.before));
    if (data.disputed.length) {
      const disputed = group("Third reading: readers disagree on these", "third", data.disputed.map(cells.of));
      planned.before(...disputed);
      if (cells.round.length) planned.before(element("h3", { textContent: "This round" }));
    }
    for (const one of data.classes) {
      const box = element("div", { className: "cells" });
      const title = element("h3");
      const section = element("section", {}, title, box);
      section.dataset.code = one.code;
      sections.push({ one, section, title, box });
      document.getElementById("gallery").append(section);
    }
    const [moved, others] = [cells.all.filter(isMoved), cells.all.filter((cell) => !isMoved(cell))];
    for (const cell of [...moved, ...others]) sections[cells.placeOf(cell.row)].box.append(button(cell, false));
    sections.forEach(titleOf);
    rove();
  }

  // A heading and the cells below it; what the network says of them stays unsaid.
  function group(title, id, own) {
    const box = element("div", { className: "cells", id });
    box.append(...own.map((cell) => button(cell, true)));
    return [element("h3", { textContent: title }), box];
  }

  function titleOf({ one, section, title, box }) {
    const n = cells.counts()[data.classes.indexOf(one)];
    title.replaceChildren(
      element("kbd", { textContent: one.letter }),
      ` ${one.name} `,
      element("span", { className: "quiet", textContent: box.children.length < n ? `${box.children.length} of ${n}` : `${n}` }),
    );
    section.hidden = box.children.length === 0;
  }

  // Into the section of its class: corrected cells first, the others in their old order.
  function place(row) {
    const made = buttons.get(row).at(-1);
    const { box } = sections[cells.placeOf(row)];
    const rank = (cell) => (isMoved(cell) ? -1 : cell.rank);
    const own = rank(cells.of(row));
    const others = [...box.children].filter((other) => other !== made);
    const next = own < 0 ? others[0] : others.find((other) => rank(cells.of(Number(other.dataset.row))) > own);
    // A button that is moved, though it be to its own place, loses the focus.
    if (made.parentElement !== box || made.nextElementSibling !== (next ?? null)) box.insertBefore(made, next ?? null);
  }

  // One cell of each group can be reached by the tab key, the others by arrows.
  function rove(focused) {
    for (const group of document.querySelectorAll(".cells")) {
      const own = [...group.children];
      const chosen = own.includes(focused) ? focused : own.find((b) => b.tabIndex === 0) ?? own[0];
      own.forEach((b) => (b.tabIndex = b === chosen ? 0 : -1));
    }
  }

  function neighbour(made, key) {
    const own = [...made.parentElement.children];
    const all = [...document.querySelectorAll(".cell")].filter((b) => b.offsetParent);
    if (key === "ArrowLeft") return own[own.indexOf(made) - 1] ?? all[all.indexOf(made) - 1];
    if (key === "ArrowRight") return own[own.indexOf(made) + 1] ?? all[all.indexOf(made) + 1];
    const here = made.getBoundingClientRect();
    const isBeyond = (b) => (key === "ArrowUp" ? b.bottom <= here.top + 2 : b.top >= here.bottom - 2);
    const distance = (b) => 4 * Math.abs(b.top - here.top) + Math.abs(b.left - here.left);
    return all
      .map((b) => [b, b.getBoundingClientRect()])
      .filter(([, box]) => isBeyond(box))
      .sort(([, a], [, b]) => distance(a) - distance(b))[0]?.[0];
  }

  // After an answer or its undoing; of all cells after another tab's.
  function refresh(...rows) {
    for (const row of rows) {
      const caption = () => buttons.get(row).at(-1).querySelector(".caption").textContent;
      const before = caption();
      buttons.get(row).forEach(label);
      if (caption() !== before) place(row);
    }
    rove();
  }

  window.bloodcell.gallery = {
    action,
    answerTo,
    build: buildGallery,
    buttonsOf: (row) => buttons.get(row) ?? [],
    count: () => sections.forEach(titleOf),
    describe,
    element,
    neighbour,
    refresh,
    rove,
  };
})();
