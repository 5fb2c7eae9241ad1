// Answers on their way out: applied by a server, or saved as a file for all patients.
"use strict";

(() => {
  const FORMAT = "bloodcell answers 1";
  const { data, drafts, reader, standingNow, stored } = window.bloodcell;

  // With what the browser keeps for this tab; undefined where it keeps nothing.
  function session(work) {
    try {
      return work(window.sessionStorage);
    } catch {
      return undefined;
    }
  }

  // The token that `bloodcell review serve` gives in the page's address; it leaves the address.
  function token() {
    const given = new URLSearchParams(window.location.hash.slice(1)).get("token");
    session((storage) => {
      if (!given) return;
      storage.setItem("bloodcell token", given);
      window.history.replaceState(null, "", window.location.pathname);
    });
    const isServed = window.location.protocol !== "file:";
    return isServed ? session((storage) => storage.getItem("bloodcell token")) ?? given : null;
  }

  const served = token();
  // Whether the page opens anew because its answers were applied; said once.
  const cameBack = session((storage) => storage.getItem("bloodcell applied")) === "yes";
  session((storage) => storage.removeItem("bloodcell applied"));
  // Where the page was then is not where its next cells are.
  window.history.scrollRestoration = cameBack ? "manual" : "auto";
  const saveText = served ? "Apply answers" : "Save answers";

  // A new tab has no session yet: links hand the token on, as the first address did.
  function handOnToken() {
    for (const link of document.querySelectorAll('a[href$=".html"]')) link.hash = `token=${served}`;
  }

  // What is to go out: what no file holds yet, else once more what waits in a file.
  async function outgoing() {
    const standing = await standingNow();
    const isStale = (patient) => drafts.isStale(patient, standing);
    const isSaved = (patient) => drafts.of(patient).saved;
    const fresh = drafts.patients().filter((patient) => !isSaved(patient));
    const again = drafts.patients().filter((patient) => isSaved(patient) && !isStale(patient));
    const signedBefore = fresh.filter((patient) => isStale(patient) && drafts.of(patient).sign);
    signedBefore.forEach(drafts.unsign);
    return { patients: fresh.length ? fresh : again, signedBefore };
  }

  function file(reviewer, names) {
    const patients = Object.create(null); // a patient may be called __proto__
    for (const patient of names) {
      const draft = drafts.of(patient);
      const answers = Object.entries(draft.answers).map(([row, code]) => ({ row: Number(row), class: code }));
      patients[patient] = { answers, sign: draft.sign, comment: draft.comment, seen: draft.on ?? 0 };
    }
    return { format: FORMAT, run: data.run, plan: data.plan, reviewer, patients };
  }

  function download(text, reviewer, patients) {
    const link = document.createElement("a");
    const by = reviewer.replace(/[^A-Za-z0-9]+/g, "-").replace(/^-|-$/g, "");
    link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    link.download = `answers-${data.run.slice(0, 8)}${by ? `-${by}` : ""}.json`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    patients.forEach(drafts.markSaved);
    return `Saved as ${link.download}: apply it with “bloodcell review apply”, then open this page again. The next file holds only what is answered from now on.`;
  }

  async function reply(text) {
    const path = data.page ? "../answers" : "answers";
    const headers = { "Content-Type": "application/json", "X-Token": served };
    try {
      return await fetch(path, { method: "POST", headers, body: text });
    } catch {
      throw new Error("no server answers; start “bloodcell review serve” again. The answers are kept");
    }
  }

  async function post(text, reviewer, patients) {
    const sent = new Map(patients.map((patient) => [patient, JSON.stringify(drafts.of(patient))]));
    const answer = await reply(text);
    const said = await answer.text();
    if (answer.status === 404) {
      throw new Error("the server was started anew; open the address that it printed. The answers are kept");
    }
    if (!answer.ok) throw new Error(said.trim() || `status ${answer.status}`);
    // What was answered meanwhile, in another tab, stays.
    patients.filter((patient) => JSON.stringify(drafts.of(patient)) === sent.get(patient)).forEach(drafts.forget);
    const whyNotShown = JSON.parse(said).report;
    if (whyNotShown) return `Applied: ${whyNotShown}`;
    session((storage) => storage.setItem("bloodcell applied", "yes"));
    window.location.reload();
    return "Applied.";
  }

  // Saves what is new; the promise says what became of it.
  async function save(reviewer) {
    if (!drafts.patients().length) return "Nothing is answered yet.";
    const { patients, signedBefore } = await outgoing();
    // The reader decides again, with what is left of the draft, before anything goes out.
    if (signedBefore.length) {
      return `Not saved: answers of ${signedBefore.join(", ")} were applied after you signed. Open the page again and sign what it shows now.`;
    }
    if (!patients.length) return "Nothing new is answered.";
    const text = `${JSON.stringify(file(reviewer, patients), null, 1)}\n`;
    try {
      return await (served ? post : download)(text, reviewer, patients);
    } catch (error) {
      return `Not saved: ${error.message}`;
    }
  }

  // The field for the reviewer's name, its buttons, and what they say.
  function wire({ reviewer, button, said, forget, changed }) {
    reviewer.value = reader();
    if (cameBack) said.textContent = "Applied.";
    reviewer.addEventListener("change", () => {
      const name = reviewer.value.trim();
      const isOthers = reader() && name !== reader() && drafts.patients().length > 0;
      if (isOthers && !window.confirm(`This browser keeps answers that ${reader()} has not applied. Are they ${name || "nobody"}'s?`)) {
        reviewer.value = reader();
        return;
      }
      stored.set("bloodcell reviewer", name);
      changed();
    });
    // Another tab may change who reads: what this one saves is then theirs.
    window.addEventListener("storage", ({ key }) => {
      if (key !== null && key !== "bloodcell reviewer") return;
      reviewer.value = reader();
      changed();
    });
    button.textContent = saveText;
    button.addEventListener("click", async () => {
      said.textContent = await save(reader());
      if (served && !reader() && drafts.patients().length) reviewer.focus();
      changed();
    });
    forget.addEventListener("click", () => {
      if (!window.confirm("Forget all answers of this run that this browser keeps?")) return;
      drafts.patients().forEach(drafts.forget);
      said.textContent = "The draft is forgotten.";
      changed(true);
    });
  }

  if (served) handOnToken();
  Object.assign(window.bloodcell, { cameBack, isServed: Boolean(served), saveText, wire });
})();
