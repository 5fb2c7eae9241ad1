// The share of blasts that a stratified sample gives by itself, trusting no network.
// The formulas stand in docs/statistics.md ("A share from a sample alone"); review/sample.py has the same.
"use strict";
window.bloodcell = window.bloodcell || {};

(() => {
  const TAIL = 0.025;
  const HALVINGS = 60;

  // Chance of hits or fewer of trials, each with chance q.
  function chanceOfAtMost(hits, trials, q) {
    let term = Math.pow(1 - q, trials);
    let sum = term;
    for (let i = 1; i <= hits; i += 1) {
      term *= ((trials - i + 1) / i) * (q / (1 - q));
      sum += term;
    }
    return Math.min(sum, 1);
  }

  // Where a function that falls from above the tail to below it crosses it.
  function crossing(falls) {
    let [low, high] = [0, 1];
    for (let i = 0; i < HALVINGS; i += 1) {
      const middle = (low + high) / 2;
      if (falls(middle) > TAIL) low = middle;
      else high = middle;
    }
    return (low + high) / 2;
  }

  // Exact 95 % interval of a binomial share (Clopper & Pearson 1934).
  function clopperPearson(hits, trials) {
    const high = hits === trials ? 1 : crossing((q) => chanceOfAtMost(hits, trials, q));
    const misses = trials - hits;
    const low = hits === 0 ? 0 : 1 - crossing((q) => chanceOfAtMost(misses, trials, q));
    return [low, high];
  }

  // sample: arrays cells, seen, blasts, others by stratum; known, knownBlasts. Shares of 0 to 1,
  // null if no leukocyte is left.
  bloodcell.sampleShare = (sample) => {
    let [total, hits, below, above, unknown] = [sample.known, sample.knownBlasts, 0, 0, 0];
    sample.cells.forEach((cells, h) => {
      const [seen, blasts] = [sample.seen[h], sample.blasts[h]];
      const counted = blasts + sample.others[h];
      const unseen = ((cells - seen) * (counted + 0.5)) / (seen + 0.5);
      const all = counted + unseen;
      const share = counted > 0 ? blasts / counted : 0.5;
      total += all;
      hits += all * share;
      if (counted === 0) {
        unknown += unseen / 2;
        return;
      }
      const [low, high] = clopperPearson(blasts, counted);
      below += all * unseen * (share - low) ** 2;
      above += all * unseen * (high - share) ** 2;
    });
    if (!(total > 0)) return null;
    const centre = hits / total;
    return {
      share: centre,
      low: Math.max(0, centre - Math.sqrt(unknown ** 2 + below) / total),
      high: Math.min(1, centre + Math.sqrt(unknown ** 2 + above) / total),
    };
  };
})();
