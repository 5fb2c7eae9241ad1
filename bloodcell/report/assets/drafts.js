// Drafts: what a reader answered of each patient, kept in this browser until it is applied.
"use strict";
window.bloodcell = window.bloodcell || {};

(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const prefix = `bloodcell ${data.run} `;
  const memory = new Map(); // where the browser keeps nothing
  // on: how the patient stood when the draft was begun or signed, as data.standing says it.
  // saved: whether a file holds all of it. An answer or comment that is null takes back the reader's own.
  const empty = () => ({ answers: {}, sign: false, comment: "", on: null, saved: false });

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

  // Who reads, as typed, and the remark of theirs that stands.
  const reader = () => get("bloodcell reviewer") ?? "";
  const ownRemark = () => new Map(data.remarks).get(reader()) ?? "";

  function write(patient, draft) {
    const isEmpty = !Object.keys(draft.answers).length && !draft.sign && draft.comment === "";
    if (isEmpty) remove(prefix + patient);
    else set(prefix + patient, JSON.stringify(draft));
    return isEmpty ? empty() : draft;
  }

  const drafts = {
    of(patient) {
      const text = get(prefix + patient);
      return text ? { ...empty(), ...JSON.parse(text) } : empty();
    },
    // Of what is stored now, for another tab of the same patient writes there too.
    change(patient, work) {
      const draft = drafts.of(patient);
      work(draft);
      draft.on ??= data.standing;
      draft.saved = false;
      return write(patient, draft);
    },
    // The page's own draft, brought up to what was applied since: a signature holds for what its
    // reader saw, and what counts already is not said again.
    settle() {
      const draft = drafts.of(data.patient);
      if ((draft.on ?? 0) === data.standing) return draft;
      for (const [row, code] of Object.entries(draft.answers)) {
        const readings = data.readings[row] ?? [];
        const isOwn = ([who]) => who === reader();
        const isSaid = code === null
          ? !readings.some(isOwn)
          : readings.some((one) => one[1] === code && (draft.saved || isOwn(one)));
        if (isSaid) delete draft.answers[row];
      }
      if (draft.saved || (draft.comment ?? "") === ownRemark()) draft.comment = "";
      return write(data.patient, { ...draft, sign: false, on: data.standing });
    },
    // standing: see standingNow. Another signature than of what stands now is none.
    isStale: (patient, standing) =>
      standing !== null && (drafts.of(patient).on ?? 0) !== (standing.get(patient) ?? 0),
    unsign: (patient) => write(patient, { ...drafts.of(patient), sign: false }),
    markSaved: (patient) => write(patient, { ...drafts.of(patient), saved: true }),
    patients() {
      return keys().filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length)).sort();
    },
    forget: (patient) => remove(prefix + patient),
    // Calls back when another tab has changed the drafts of a patient, or of all.
    watch(changed) {
      window.addEventListener("storage", ({ key }) => {
        if (key === null || key.startsWith(prefix)) changed(key === null ? null : key.slice(prefix.length));
      });
    },
  };

  // By patient, the number of the last answers that were applied, as the report's folder says it
  // now: a page stays open while others are applied. Null if that cannot be had.
  function standingNow() {
    return new Promise((resolve) => {
      const script = document.createElement("script");
      script.src = `${data.page ? "../" : ""}standing.js?${Date.now()}`;
      script.addEventListener("load", () => resolve(window.bloodcell.standing));
      script.addEventListener("error", () => resolve(null));
      document.head.append(script);
    });
  }

  Object.assign(window.bloodcell, { data, drafts, ownRemark, reader, standingNow, stored: { set } });
})();
