// The desk below a patient's page: how far the reading is, undo, signing, the remark, saving.
"use strict";

(() => {
  const { data, cells, gallery, isServed, ownRemark, saveText, wire } = window.bloodcell;
  const { action, element } = gallery;
  const desk = document.getElementById("desk");
  const sign = element("input", { type: "checkbox", id: "sign" });
  const comment = element("input", { id: "comment", maxLength: 2000, autocomplete: "off" });

  function build({ undo, redo, reread }) {
    const reviewer = element("input", { id: "reviewer", autocomplete: "off" });
    const save = element("button", { type: "button", id: "save-button" });
    const forget = element("button", { type: "button", id: "clear-button", textContent: "Forget draft" });
    const said = element("span", { id: "save-said", role: "status" });
    sign.addEventListener("change", () => keep((draft) => Object.assign(draft, { sign: sign.checked, on: data.standing })));
    comment.addEventListener("input", () => keep((draft) => (draft.comment = remarkOf(comment.value))));
    desk.append(
      element("div", { className: "state" },
        element("span", { id: "progress", role: "status" }), element("span", { className: "estimate" }),
        Object.assign(action("Undo", undo), { id: "undo" }), Object.assign(action("Redo", redo), { id: "redo" })),
      element("div", { className: "saving" },
        element("label", { className: "check" }, sign, " Sign this patient"),
        element("label", {}, "Comment ", comment), element("label", {}, "Reviewer ", reviewer), save, forget, said),
      element("p", { className: "help", textContent: "Choose a cell and press the letter of its class, or - if you cannot tell; arrows move, Enter enlarges, Backspace takes an answer of yours back, Ctrl+Z undoes." }),
    );
    desk.hidden = false;
    wire({ reviewer, button: save, said, forget, changed: (isForgotten) => (isForgotten ? window.location.reload() : reread()) });
  }

  // The field shows the reader's own remark: as it is, it says nothing new; emptied, it takes it back.
  function remarkOf(text) {
    if (text === ownRemark()) return "";
    return text || null;
  }

  function keep(change) {
    cells.change(change);
    update();
  }

  function update() {
    const { round, before, draft } = cells;
    const besides = Object.entries(draft.answers).filter(([row, code]) => code && !cells.of(Number(row))?.order).length;
    document.getElementById("progress").textContent = [
      round.length ? `${answeredOf(round)} of ${round.length} in this round` : "no cell waits",
      before.length ? `${before.length} before` : "",
      besides ? `${besides} besides` : "",
      cells.cannotTell() ? `${cells.cannotTell()} cannot be told` : "",
      draft.saved ? "saved, not applied yet" : "",
    ].filter(Boolean).join(", ");
    document.getElementById("save-button").textContent = asksForMore() ? "Apply and get the next cells" : saveText;
    document.getElementById("undo").disabled = !cells.canUndo();
    document.getElementById("redo").disabled = !cells.canRedo();
    sign.checked = draft.sign;
    const remark = draft.comment === null ? "" : draft.comment || ownRemark();
    // Writing the same text anew would move the caret.
    if (comment.value !== remark) comment.value = remark;
  }

  const answeredOf = (round) => round.filter((cell) => cells.drafted(cell.row) !== undefined).length;
  const isRoundDone = () => cells.round.length > 0 && answeredOf(cells.round) === cells.round.length;
  const asksForMore = () => isServed && isRoundDone() && !cells.draft.sign;

  window.bloodcell.desk = {
    build,
    focus: () => sign.focus(),
    // An empty text takes back only the one before it, not what was said of saving since.
    say(text, before) {
      const said = document.getElementById("save-said");
      if (text || said.textContent === before) said.textContent = text;
    },
    estimate: (text) => (desk.querySelector(".estimate").textContent = text),
    update,
    whatNext: () => (isServed ? "close, then apply the answers" : "close, then save the answers"),
  };
})();
