// What a reader has answered: kept in this browser as a draft, saved as one file for all patients.
"use strict";
window.bloodcell = window.bloodcell || {};

(() => {
  const FORMAT = "bloodcell answers 1";
  const data = JSON.parse(document.getElementById("data").textContent);
  const prefix = `bloodcell ${data.run} `;
  const memory = new Map(); // where the browser keeps nothing
  const empty = () => ({ answers: {}, sign: false, comment: "" });

  function kept(work, otherwise) {
    try {
      return work(window.localStorage);
    } catch {
      return otherwise(memory);
    }
  }

  const get = (key) => kept((s) => s.getItem(key), (m) => m.get(key) ?? null);
  const set = (key, text) => kept((s) => s.setItem(key, text), (m) => m.set(key, text));
  const remove = (key) => kept((s) => s.removeItem(key), (m) => m.delete(key));
  const keys = () =>
    kept((s) => Array.from({ length: s.length }, (_, i) => s.key(i)), (m) => [...m.keys()]);

  // The token that `bloodcell review serve` gives in the page's address; it leaves the address.
  function token() {
    const given = new URLSearchParams(window.location.hash.slice(1)).get("token");
    try {
      if (given) {
        window.sessionStorage.setItem("bloodcell token", given);
        window.history.replaceState(null, "", window.location.pathname);
      }
      return window.location.protocol === "file:" ? null : window.sessionStorage.getItem("bloodcell token");
    } catch {
      return given;
    }
  }

  const served = token();
  const saveText = served ? "Apply answers" : "Save answers";

  const drafts = {
    of(patient) {
      const text = get(prefix + patient);
      return text ? { ...empty(), ...JSON.parse(text) } : empty();
    },
    keep(patient, draft) {
      const isEmpty = !Object.keys(draft.answers).length && !draft.sign && !draft.comment;
      if (isEmpty) remove(prefix + patient);
      else set(prefix + patient, JSON.stringify(draft));
    },
    patients() {
      return keys().filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length)).sort();
    },
    forget() {
      drafts.patients().forEach((patient) => remove(prefix + patient));
    },
  };

  // The file of answers, of all patients that have a draft.
  function file(reviewer) {
    const patients = Object.create(null); // a patient may be called __proto__
    for (const patient of drafts.patients()) {
      const draft = drafts.of(patient);
      const answers = Object.entries(draft.answers).map(([row, code]) => ({ row: Number(row), class: code }));
      patients[patient] = { answers, sign: draft.sign, comment: draft.comment };
    }
    return { format: FORMAT, run: data.run, plan: data.plan, reviewer, patients };
  }

  function download(text, reviewer) {
    const link = document.createElement("a");
    const by = reviewer.replace(/[^A-Za-z0-9]+/g, "-").replace(/^-|-$/g, "");
    link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    link.download = `answers-${data.run.slice(0, 8)}${by ? `-${by}` : ""}.json`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    return `Saved as ${link.download}: apply it with “bloodcell review apply”, then open this page again.`;
  }

  async function post(text) {
    const path = data.page ? "../answers" : "answers";
    const headers = { "Content-Type": "application/json", "X-Token": served };
    const reply = await fetch(path, { method: "POST", headers, body: text });
    const said = await reply.text();
    if (!reply.ok) throw new Error(said.trim() || `status ${reply.status}`);
    drafts.forget();
    const whyNotShown = JSON.parse(said).report;
    if (!whyNotShown) window.location.reload();
    return whyNotShown ? `Applied: ${whyNotShown}` : "Applied.";
  }

  // Saves all drafts; the promise says what became of them.
  async function save(reviewer) {
    if (!drafts.patients().length) return "Nothing is answered yet.";
    const text = `${JSON.stringify(file(reviewer), null, 1)}\n`;
    try {
      return served ? await post(text) : download(text, reviewer);
    } catch (error) {
      return `Not saved: ${error.message}`;
    }
  }

  // The field for the reviewer's name, its buttons, and what they say.
  function wire({ reviewer, button, said, forget, changed }) {
    reviewer.value = get("bloodcell reviewer") ?? "";
    reviewer.addEventListener("change", () => set("bloodcell reviewer", reviewer.value.trim()));
    button.textContent = saveText;
    button.addEventListener("click", async () => {
      said.textContent = await save(reviewer.value.trim());
      changed();
    });
    forget.addEventListener("click", () => {
      if (!window.confirm("Forget all answers of this run that this browser keeps?")) return;
      drafts.forget();
      said.textContent = "The draft is forgotten.";
      changed(true);
    });
  }

  Object.assign(window.bloodcell, { data, drafts, isServed: Boolean(served), saveText, wire });
})();
