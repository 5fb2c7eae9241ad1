// The share of blasts that a stratified sample gives by itself, trusting no network.
// The formulas stand in docs/statistics.md ("A share from a sample alone"); review/sample.py has the same.
"use strict";
window.bloodcell = window.bloodcell || {};

(() => {
  const TAIL = 0.025;
  const HALVINGS = 60;

  // Chance of hits or fewer of trials, each with chance q.
  function chanceOfAtMost(hits, trials, q) {
    // In logarithms: the first of some hundred terms is less than any number.
    const logOdds = Math.log(q) - Math.log1p(-q);
    let logTerm = trials * Math.log1p(-q);
    let sum = Math.exp(logTerm);
    for (let i = 1; i <= hits; i += 1) {
      logTerm += Math.log((trials - i + 1) / i) + logOdds;
      sum += Math.exp(logTerm);
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

  // How many of the cells not seen are leukocytes, and the variance of that: as unseen_leukocytes.cpp.
  const PATIENT = { leukocytes: 11.5, others: 0.8 };
  const STRATUM_CELLS = 8.4;

  const sum = (numbers) => numbers.reduce((before, one) => before + one, 0);

  function unseenLeukocytes(sample) {
    const leukocytes = PATIENT.leukocytes + sum(sample.blasts) + sum(sample.others);
    const part = leukocytes / (PATIENT.leukocytes + PATIENT.others + sum(sample.seen));
    return sample.cells.map((cells, h) => {
      const unseen = cells - sample.seen[h];
      const all = STRATUM_CELLS + sample.seen[h];
      const own = (STRATUM_CELLS * part + sample.blasts[h] + sample.others[h]) / all;
      return {
        mean: unseen * own,
        variance: (unseen * own * (1 - own) * (all + unseen)) / (all + 1),
      };
    });
  }

  // sample: arrays cells, seen, blasts, others by stratum; known, knownBlasts. Shares of 0 to 1,
  // null if no leukocyte is left.
  bloodcell.sampleShare = (sample) => {
    let [total, hits, below, above, unknown] = [sample.known, sample.knownBlasts, 0, 0, 0];
    const unseen = unseenLeukocytes(sample);
    const shares = sample.blasts.map((blasts, h) => {
      const counted = blasts + sample.others[h];
      return counted > 0 ? blasts / counted : 0.5;
    });
    unseen.forEach(({ mean }, h) => {
      const counted = sample.blasts[h] + sample.others[h];
      const all = counted + mean;
      total += all;
      hits += all * shares[h];
      if (counted === 0) {
        unknown += mean / 2;
        return;
      }
      const [low, high] = clopperPearson(sample.blasts[h], counted);
      below += all * mean * (shares[h] - low) ** 2;
      above += all * mean * (high - shares[h]) ** 2;
    });
    if (!(total > 0)) return null;
    const centre = hits / total;
    const leaving = unseen.map(({ variance }, h) => variance * (1.96 * (shares[h] - centre)) ** 2);
    const both = sum(leaving);
    return {
      share: centre,
      low: Math.max(0, centre - (unknown + Math.sqrt(both + below)) / total),
      high: Math.min(1, centre + (unknown + Math.sqrt(both + above)) / total),
    };
  };
})();
