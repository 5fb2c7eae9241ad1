// Three classes in most of this: 0 a blast, 1 another leukocyte, 2 an artefact.
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "bloodcell/accumulator.hpp"
#include "check.hpp"

using namespace bloodcell;
using Patients = std::vector<std::int32_t>;
using Rows = std::vector<std::int64_t>;
using Probabilities = std::vector<float>;
using Counts = std::vector<std::int64_t>;

namespace {

const std::vector<ClassRole> roles = {{true, true}, {false, true}, {false, false}};

void add(Accumulator& a, const Patients& patients, const Rows& rows, const Probabilities& p) {
    a.add(patients.data(), rows.data(), p.data(), patients.size());
}

Accumulator two_patients() {
    Accumulator a(2, roles, 2);
    add(a, {1, 0, 1, 1}, {10, 11, 12, 13},
        {0.75f, 0.25f, 0.00f,    // a blast, log-odds log 3 = 1.099: bin 36, [1.00, 1.25)
         0.00f, 0.00f, 1.00f,    // an artefact: in no histogram
         0.50f, 0.50f, 0.00f,    // a tie goes to the blast; log-odds 0: bin 32
         0.25f, 0.75f, 0.00f});  // log-odds -1.099: bin 27, [-1.25, -1.00)
    return a;
}

void test_counts() {
    const Accumulator a = two_patients();
    CHECK((a.class_counts() == Counts{0, 0, 1, /**/ 2, 1, 0}));
    CHECK(a.scored(0) == 1 && a.scored(1) == 3);
    for (std::size_t bin = 0; bin < blast_bins; ++bin) {
        const bool filled = bin == 27 || bin == 32 || bin == 36;
        CHECK(a.blast_histogram()[bin] == 0);
        CHECK(a.blast_histogram()[blast_bins + bin] == (filled ? 1 : 0));
    }
}

void test_most_suspicious_first_then_smallest_row() {
    const std::vector<Suspect> kept = two_patients().suspects();
    CHECK(kept[0].row == -1 && kept[0].blast_probability == 0);
    CHECK(kept[2].row == 10 && kept[2].blast_probability == 49152);
    CHECK(kept[3].row == 12 && kept[3].blast_probability == 32768);

    Accumulator ties(1, roles, 2);
    add(ties, {0, 0, 0}, {9, 7, 8}, {0, 1, 0, 0, 1, 0, 0, 1, 0});
    CHECK(ties.suspects()[0].row == 7 && ties.suspects()[1].row == 8);
}

void test_bin_thresholds() {
    const std::vector<std::uint32_t> first = {0, 29, 37, 47, 60, 77};
    for (std::size_t k = 0; k < first.size(); ++k) {
        CHECK(smallest_in_blast_bin(k) == first[k]);
    }
    CHECK(smallest_in_blast_bin(32) == 32768);
    CHECK(smallest_in_blast_bin(63) == 65508);
    for (std::uint32_t q = 1; q < probability_one; ++q) {
        const double log_odds = std::log(q / (65536.0 - q));
        const std::size_t bin = blast_bin_table()[q];
        CHECK(bin == 0 || log_odds >= blast_bin_edge(bin));
        CHECK(bin == blast_bins - 1 || log_odds < blast_bin_edge(bin + 1));
    }
    CHECK(blast_bin_table()[0] == 0 && blast_bin_table()[probability_one] == 63);
}

// Every number of classes and of cells that the loops by four could trip over.
void test_sizes_around_four() {
    for (std::size_t classes = 1; classes <= 10; ++classes) {
        std::vector<ClassRole> all(classes, ClassRole{false, true});
        all[0].blast = true;
        for (std::size_t cells = 0; cells <= 9; ++cells) {
            Probabilities p(cells * classes, 0.0f);
            for (std::size_t i = 0; i < cells; ++i) {
                p[i * classes + (3 * i) % classes] = 1.0f;
            }
            std::vector<CellCall> calls(cells);
            CHECK(!CellCaller(all).call(p.data(), cells, calls.data()));
            for (std::size_t i = 0; i < cells; ++i) {
                const std::size_t expected = (3 * i) % classes;
                CHECK(called_class(calls[i]) == expected);
                CHECK(blast_probability(calls[i]) == (expected == 0 ? probability_one : 0));
            }
        }
    }
}

void test_rounding_and_cap() {
    const std::vector<ClassRole> blasts = {{true, true}, {true, true}};
    const float unit = 1.0f / 65536;
    // Each cell alone, since with two classes cells are called one by one.
    const Probabilities p = {0.49f * unit, 0.51f * unit,  // 0 + 1: class 1
                             0.9f,         0.9f,          // 1.8: capped at 1, a tie
                             -0.0f,        0.5f * unit};  // -0 is 0; a half goes to the even 0
    std::vector<CellCall> calls(3);
    CHECK(!CellCaller(blasts).call(p.data(), 3, calls.data()));
    CHECK(called_class(calls[0]) == 1 && blast_probability(calls[0]) == 1);
    CHECK(called_class(calls[1]) == 0 && blast_probability(calls[1]) == 65536);
    CHECK(called_class(calls[2]) == 0 && blast_probability(calls[2]) == 0);
}

void test_refused_calls_change_nothing() {
    Accumulator a = two_patients();
    const std::string before = a.to_bytes();
    const auto add_two = [&](std::int32_t patient, std::int64_t row, float p) {
        return refusal([&] { add(a, {0, patient}, {5, row}, {1, 0, 0, 0, p, 0}); });
    };
    const float nan = std::numeric_limits<float>::quiet_NaN();
    CHECK(add_two(2, 6, 1) == "cell 1: patient index 2, expected 0 to 1");
    CHECK(add_two(-1, 6, 1) == "cell 1: patient index -1, expected 0 to 1");
    CHECK(add_two(0, -6, 1) == "cell 1: row -6, expected 0 or more");
    CHECK(add_two(0, 6, 1.5f) == "cell 1 (row 6): probability of class 1 is 1.5, expected 0 to 1");
    CHECK(!add_two(0, 6, -1e-30f).empty() && !add_two(0, 6, std::nextafter(1.0f, 2.0f)).empty());
    CHECK(!add_two(0, 6, nan).empty() && !add_two(0, 6, -nan).empty());
    const Patients patients = {0, 1};
    for (const int reason : {0, 11, 255}) {
        const std::vector<std::uint8_t> reasons = {1, static_cast<std::uint8_t>(reason)};
        CHECK(refusal([&] { a.reject(patients.data(), reasons.data(), 2); }) ==
              "cell 1: reason " + std::to_string(reason) + ", expected 1 to 10");
    }
    CHECK(a.to_bytes() == before);
}

// Enough cells to be counted in blocks.
void test_large_calls() {
    constexpr std::size_t cells = 600'000;
    Patients patients;
    Rows rows;
    Probabilities p;
    for (std::size_t i = 0; i < cells; ++i) {
        patients.push_back(static_cast<std::int32_t>(i % 2));
        rows.push_back(static_cast<std::int64_t>(cells - i));
        const float blast = static_cast<float>(i * 7919 % 1025) / 1024;
        p.insert(p.end(), {blast, 1 - blast, 0});
    }
    Accumulator at_once = two_patients();
    at_once.add(patients.data(), rows.data(), p.data(), cells);
    Accumulator in_pieces = two_patients();
    for (std::size_t i = 0; i < cells; i += 1000) {
        in_pieces.add(&patients[i], &rows[i], &p[3 * i], 1000);
    }
    const std::string before = at_once.to_bytes();
    CHECK(before == in_pieces.to_bytes());

    p[3 * 599'999] = 2;
    rows[400'000] = -1;
    CHECK(refusal([&] { add(at_once, patients, rows, p); }) ==
          "cell 400000: row -1, expected 0 or more");
    rows[400'000] = 1;
    CHECK(refusal([&] { add(at_once, patients, rows, p); }) ==
          "cell 599999 (row 1): probability of class 0 is 2, expected 0 to 1");
    CHECK(at_once.to_bytes() == before);
}

void test_merge_is_addition() {
    Accumulator left(2, roles, 2);
    Accumulator right(2, roles, 2);
    add(right, {1, 0}, {10, 11}, {0.75f, 0.25f, 0, 0, 0, 1});
    add(left, {1, 1}, {13, 12}, {0.25f, 0.75f, 0, 0.5f, 0.5f, 0});
    Accumulator other_way = right;
    other_way.merge(left);
    left.merge(right);
    CHECK(left.to_bytes() == two_patients().to_bytes());
    CHECK(other_way.to_bytes() == left.to_bytes());

    left.merge(left);
    CHECK(left.scored(1) == 6);
    CHECK(left.suspects()[2].row == 10 && left.suspects()[3].row == 10);
    Accumulator wider(2, roles, 3);
    CHECK(refusal([&] { left.merge(wider); }) ==
          "expected 2 suspicious cells per patient, found 3");
}

void test_bytes() {
    Accumulator a = two_patients();
    const Patients patients = {0, 0};
    const std::vector<std::uint8_t> reasons = {1, 10};
    a.reject(patients.data(), reasons.data(), 2);
    CHECK(a.rejected()[1] == 1 && a.rejected()[10] == 1);
    const std::string bytes = a.to_bytes();
    CHECK(Accumulator::from_bytes(bytes).to_bytes() == bytes);
    for (std::size_t length = 0; length < bytes.size(); ++length) {
        // A copy of that length on the heap, for the sanitizer to see a read beyond it.
        const std::vector<char> part(bytes.begin(),
                                     bytes.begin() + static_cast<std::ptrdiff_t>(length));
        CHECK(!refusal([&] { Accumulator::from_bytes({part.data(), length}); }).empty());
    }
    std::string huge = bytes.substr(0, 32);
    huge.replace(12, 4, "\xff\xff\xff\x7f");  // 2^31 - 1 patients in 32 bytes
    CHECK(!refusal([&] { Accumulator::from_bytes(huge); }).empty());
}

void test_construction() {
    CHECK(!refusal([] { Accumulator(-1, roles); }).empty());
    CHECK(!refusal([] { Accumulator(1, {}); }).empty());
    CHECK(!refusal([] { Accumulator(1, std::vector<ClassRole>(256)); }).empty());
    CHECK(!refusal([] { Accumulator(1, roles, 0); }).empty());
    CHECK(refusal([] { Accumulator(1, {{true, false}}); }) ==
          "class 0 is a blast class, expected it to be a leukocyte class too");
    CHECK(Accumulator(0, roles).to_bytes().size() == 32 + 3);
}

}  // namespace

int main() {
    test_counts();
    test_most_suspicious_first_then_smallest_row();
    test_bin_thresholds();
    test_sizes_around_four();
    test_rounding_and_cap();
    test_refused_calls_change_nothing();
    test_large_calls();
    test_merge_is_addition();
    test_bytes();
    test_construction();
    return check_result();
}
