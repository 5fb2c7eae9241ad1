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

  function describe(cell, blind) {
    const called = data.classes[cells.placeOf(cell.row)].name;
    const answer = cells.drafted(cell.row);
    if (answer !== undefined) return `answered: ${called}`;
    if (blind) return "not answered yet";
    return `called ${called}, blast probability ${cell.blast.toFixed(2)}${cell.unidentified ? ", unidentified" : ""}`;
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

  function label(made) {
    const cell = cells.of(Number(made.dataset.row));
    const blind = made.dataset.blind === "yes";
    const answer = cells.drafted(cell.row);
    const now = data.classes[cells.placeOf(cell.row)];
    const applied = answer === undefined && cells.answered(cell.row) !== null;
    const network = `${cell.blast.toFixed(2)}${cell.unidentified ? " ?" : ""}`;
    const said = answer !== undefined ? `✓ ${now.name}` : applied ? "answered" : blind ? `${cell.order || ""}` : network;
    made.querySelector(".caption").textContent = said;
    made.classList.toggle("answered", answer !== undefined || applied);
    made.classList.toggle("moved", answer !== undefined && cells.placeOf(cell.row) !== cell.class);
    made.classList.toggle("disputed", data.disputed.includes(cell.row));
    made.setAttribute("aria-label", `${blind && cell.order ? `Cell ${cell.order} to look at` : `Cell of row ${cell.row}`}, ${describe(cell, blind)}`);
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
    for (const cell of cells.all) sections[cells.placeOf(cell.row)].box.append(button(cell, false));
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
    const isMoved = (b) => b.classList.contains("moved");
    const rank = (b) => (isMoved(b) ? -1 : cells.of(Number(b.dataset.row)).rank);
    const others = [...box.children].filter((other) => other !== made);
    const next = isMoved(made) ? others[0] : others.find((other) => rank(other) > rank(made));
    box.insertBefore(made, next ?? null);
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

  // After an answer or its undoing.
  function refresh(row) {
    buttons.get(row).forEach(label);
    place(row);
    rove();
  }

  window.bloodcell.gallery = {
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
