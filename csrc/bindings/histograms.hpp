// Patients' histograms of log-odds, and what is computed of each alone.
#pragma once

#include <algorithm>
#include <future>
#include <string>
#include <vector>

#include "arrays.hpp"
#include "bloodcell/blast_bins.hpp"

// int64 (P, 64), as of `Accumulator.blast_histogram`. O(cells): negative counts are refused.
inline const std::int64_t* checked_histograms(const pybind11::object& histogram) {
    constexpr auto bins = static_cast<pybind11::ssize_t>(bloodcell::blast_bins);
    const auto* counts = view<std::int64_t>("histogram", histogram, {-1, bins});
    const auto end = counts + length_of(histogram) * bins;
    const auto* bad = std::find_if(counts, end, [](std::int64_t n) { return n < 0; });
    if (bad != end) {
        throw pybind11::value_error("histogram: expected counts of 0 or more, found " +
                                    std::to_string(*bad));
    }
    return counts;
}

// `of` each patient's histogram, or `of_nobody` where that is empty. Each patient's numbers depend
// on his own histogram only, so threads cannot change them.
template <typename Result, typename Of>
pybind11::array_t<Result> by_patient(const pybind11::object& histogram, int threads,
                                     const Result& of_nobody, const Of& of) {
    if (threads < 1) throw pybind11::value_error("threads: expected 1 or more");
    const std::int64_t* const counts = checked_histograms(histogram);
    const auto patients = static_cast<std::size_t>(length_of(histogram));
    pybind11::array_t<Result> result(length_of(histogram));
    Result* const out = result.mutable_data();
    const auto parts = std::clamp<std::size_t>(static_cast<std::size_t>(threads), 1,
                                               std::max<std::size_t>(patients, 1));
    const auto work = [&](std::size_t part) {
        for (std::size_t i = patients * part / parts; i < patients * (part + 1) / parts; ++i) {
            const auto* own = counts + i * bloodcell::blast_bins;
            const bool is_empty =
                std::all_of(own, own + bloodcell::blast_bins, [](auto n) { return n == 0; });
            out[i] = is_empty ? of_nobody : of(own);
        }
    };
    // Safe without the GIL: plain memory, which the caller's references keep in place; nobody else
    // has seen the result yet.
    const pybind11::gil_scoped_release release;
    std::vector<std::future<void>> others;
    for (std::size_t part = 1; part < parts; ++part) {
        others.push_back(std::async(std::launch::async, work, part));
    }
    work(0);
    for (auto& other : others) other.get();
    return result;
}
