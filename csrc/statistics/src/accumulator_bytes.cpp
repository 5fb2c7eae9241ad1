// The accumulator as bytes: a header, one flag byte a class, then its arrays, all little-endian.
#include <algorithm>
#include <stdexcept>
#include <string>

#include "bloodcell/accumulator.hpp"

namespace bloodcell {
namespace {

constexpr std::string_view magic = "bcaccum\n";  // the line end catches transfers as text
constexpr std::uint32_t format_version = 1;
constexpr std::size_t header_bytes = 8 + 6 * 4;
constexpr unsigned blast_flag = 1;
constexpr unsigned leukocyte_flag = 2;

[[noreturn]] void refuse(const std::string& what) {
    throw std::invalid_argument("not the bytes of an accumulator: " + what);
}

std::string expected_found(const char* what, std::uint64_t expected, std::uint64_t actual) {
    return "expected " + std::string(what) + " " + std::to_string(expected) + ", found " +
           std::to_string(actual);
}

template <typename Integer>
void write(std::string& out, Integer value) {
    char bytes[sizeof(Integer)];
    for (std::size_t i = 0; i < sizeof(Integer); ++i) {
        bytes[i] = static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i));
    }
    out.append(bytes, sizeof(Integer));
}

// The caller has made sure that the bytes are there.
class Reader {
public:
    explicit Reader(std::string_view bytes) : bytes_(bytes) {}

    template <typename Integer>
    Integer next() {
        std::uint64_t value = 0;
        for (std::size_t i = 0; i < sizeof(Integer); ++i) {
            value |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes_[i])) << (8 * i);
        }
        bytes_.remove_prefix(sizeof(Integer));
        return static_cast<Integer>(value);
    }

    std::string_view text(std::size_t length) {
        const std::string_view result = bytes_.substr(0, length);
        bytes_.remove_prefix(length);
        return result;
    }

private:
    std::string_view bytes_;
};

struct Dimensions {
    std::uint32_t patients = 0;
    std::uint32_t classes = 0;
    std::uint32_t suspicious = 0;

    // At most 2^31 patients of under 1 MiB each: far from overflow.
    std::uint64_t total_bytes() const {
        const std::uint64_t counts = std::uint64_t{classes} + blast_bins + reason_count;
        return header_bytes + classes +
               patients * (8 * counts + (4 + 8) * std::uint64_t{suspicious});
    }
};

void expect(const char* what, std::uint64_t expected, std::uint64_t actual) {
    if (actual != expected) {
        refuse(expected_found(what, expected, actual));
    }
}

void expect_at_most(const char* what, std::uint64_t limit, std::uint64_t actual) {
    if (actual > limit) {
        refuse(expected_found((std::string(what) + " up to").c_str(), limit, actual));
    }
}

Dimensions read_header(Reader& reader, std::size_t length) {
    if (length < header_bytes || reader.text(magic.size()) != magic) {
        refuse("expected " + std::to_string(header_bytes) +
               " bytes or more with the right start, found " + std::to_string(length) + " bytes");
    }
    expect("version", format_version, reader.next<std::uint32_t>());
    Dimensions d;
    d.patients = reader.next<std::uint32_t>();
    d.classes = reader.next<std::uint32_t>();
    d.suspicious = reader.next<std::uint32_t>();
    expect("number of bins", blast_bins, reader.next<std::uint32_t>());
    expect("number of reasons", reason_count, reader.next<std::uint32_t>());
    expect_at_most("patients", INT32_MAX, d.patients);
    expect_at_most("classes", Accumulator::max_classes, d.classes);
    expect_at_most("suspicious cells", Accumulator::max_suspicious, d.suspicious);
    // Nothing of a claimed size is allocated before this holds.
    expect("length", d.total_bytes(), length);
    return d;
}

std::vector<ClassRole> read_roles(Reader& reader, std::size_t classes) {
    std::vector<ClassRole> roles;
    for (std::size_t c = 0; c < classes; ++c) {
        const unsigned flags = reader.next<std::uint8_t>();
        expect_at_most("class flags", blast_flag | leukocyte_flag, flags);
        roles.push_back({(flags & blast_flag) != 0, (flags & leukocyte_flag) != 0});
    }
    return roles;
}

// The sum of a patient's counts; refuses negative ones and sums beyond Accumulator::max_cells.
std::int64_t checked_sum(const std::int64_t* counts, std::size_t n, std::size_t patient) {
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < n; ++i) {
        if (counts[i] < 0 || counts[i] > Accumulator::max_cells - sum) {
            refuse("patient " + std::to_string(patient) + ": count " + std::to_string(counts[i]) +
                   " is negative or too large");
        }
        sum += counts[i];
    }
    return sum;
}

bool is_cell(const Suspect& s) { return s.row >= 0 && s.blast_probability <= probability_one; }
bool is_absent(const Suspect& s) { return s.row == -1 && s.blast_probability == 0; }

// The suspects must be the most suspicious cells of the histogram: sorted, as many of each bin,
// from the top, as it has, until they are all placed, and absent after that.
bool agree(const Suspect* suspects, std::size_t kept, const std::int64_t* histogram) {
    const BlastBinTable& bins = blast_bin_table();
    const Suspect* const end = suspects + kept;
    const Suspect* next = suspects;
    for (std::size_t bin = blast_bins; bin-- > 0;) {
        for (std::int64_t left = histogram[bin]; left > 0 && next != end; --left, ++next) {
            if (!is_cell(*next) || bins[next->blast_probability] != bin) {
                return false;
            }
        }
    }
    return std::all_of(next, end, is_absent) && std::is_sorted(suspects, end, more_suspicious);
}

}  // namespace

std::string Accumulator::to_bytes() const {
    std::string out;
    const Dimensions d{static_cast<std::uint32_t>(patients_), static_cast<std::uint32_t>(classes()),
                       static_cast<std::uint32_t>(kept_)};
    out.reserve(d.total_bytes());
    out.append(magic);
    for (const std::uint32_t word :
         {format_version, d.patients, d.classes, d.suspicious,
          static_cast<std::uint32_t>(blast_bins), static_cast<std::uint32_t>(reason_count)}) {
        write(out, word);
    }
    for (const ClassRole& role : roles_) {
        out.push_back(static_cast<char>((role.blast ? blast_flag : 0) |
                                        (role.leukocyte ? leukocyte_flag : 0)));
    }
    for (const auto* counts : {&class_counts_, &blast_histogram_, &rejected_}) {
        for (const std::int64_t count : *counts) {
            write(out, count);
        }
    }
    for (const Suspect& suspect : suspects_) {
        write(out, suspect.blast_probability);
        write(out, suspect.row);
    }
    return out;
}

Accumulator Accumulator::from_bytes(std::string_view bytes) {
    Reader reader(bytes);
    const Dimensions d = read_header(reader, bytes.size());
    Accumulator result(static_cast<int>(d.patients), read_roles(reader, d.classes),
                       static_cast<int>(d.suspicious));
    for (auto* counts : {&result.class_counts_, &result.blast_histogram_, &result.rejected_}) {
        for (std::int64_t& count : *counts) {
            count = reader.next<std::int64_t>();
        }
    }
    for (Suspect& suspect : result.suspects_) {
        suspect.blast_probability = reader.next<std::uint32_t>();
        suspect.row = reader.next<std::int64_t>();
    }
    for (std::size_t patient = 0; patient < result.patients_; ++patient) {
        result.check_patient(patient);
    }
    return result;
}

void Accumulator::check_patient(std::size_t patient) const {
    checked_sum(class_counts_.data() + patient * classes(), classes(), patient);
    const std::int64_t* const histogram = blast_histogram_.data() + patient * blast_bins;
    const std::int64_t* const rejected = rejected_.data() + patient * reason_count;
    const std::int64_t binned = checked_sum(histogram, blast_bins, patient);
    checked_sum(rejected, reason_count, patient);
    const std::string of_patient = "patient " + std::to_string(patient) + ": ";
    if (binned != leukocytes(patient)) {
        refuse(of_patient + "expected as many cells in the histogram as leukocytes, " +
               std::to_string(leukocytes(patient)) + ", found " + std::to_string(binned));
    }
    if (rejected[0] != 0) {
        refuse(of_patient + "expected no cells rejected for no reason, found " +
               std::to_string(rejected[0]));
    }
    if (!agree(suspects_.data() + patient * kept_, kept_, histogram)) {
        refuse(of_patient + "expected the most suspicious cells of the histogram, found others");
    }
}

}  // namespace bloodcell
