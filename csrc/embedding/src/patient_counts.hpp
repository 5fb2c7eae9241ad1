// Patients by name, each with an accumulator of its own; one mutex for all.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "bloodcell.h"
#include "bloodcell/accumulator.hpp"
#include "model.hpp"

namespace bloodcell {

// A report without the caller's struct_size, and how many cells were called each class.
struct PatientReport {
    bloodcell_report report;
    std::vector<std::int64_t> class_counts;
};

class PatientCounts {
public:
    explicit PatientCounts(std::shared_ptr<const Model> model) : model_(std::move(model)) {}

    // See bloodcell.h. Each throws Failure and has changed nothing then.
    void add(const std::string& patient, const bloodcell_cell* cells, const float* probabilities,
             std::size_t count);
    void reject(const std::string& patient, std::int32_t reason, std::int64_t count);
    // accept: takes the report, and may throw; the patient then stays.
    template <typename Accept>
    void report(const std::string& patient, bool is_last, const Accept& accept) {
        const std::lock_guard<std::mutex> lock(mutex_);
        const auto found = known(patient);
        accept(report_of(found->second));
        if (is_last) finish(found);
    }

private:
    struct Patient {
        Accumulator accumulator;
        std::int64_t unstained;
        std::int64_t unidentified;
        // By reason, of cells without pixels; the accumulator has those that an add rejected.
        std::array<std::int64_t, BLOODCELL_REASONS> rejected;

        std::int64_t cells() const;
    };
    using Patients = std::map<std::string, std::unique_ptr<Patient>>;  // null: finished

    Patient fresh() const;
    Patients::iterator known(const std::string& patient);
    void check_open(const std::string& patient) const;
    void take(const std::string& patient, const Patient& part);
    PatientReport report_of(const std::unique_ptr<Patient>& patient) const;
    void check_scored(const bloodcell_cell& cell, const float* probabilities) const;
    static void finish(Patients::iterator patient) { patient->second.reset(); }

    std::shared_ptr<const Model> model_;
    mutable std::mutex mutex_;
    Patients patients_;
};

}  // namespace bloodcell
