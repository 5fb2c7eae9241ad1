// Which classes there are and what each counts as; bloodcell/scheme.py is the same in Python.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "bloodcell/cell_calls.hpp"

namespace bloodcell {

struct CellClass {
    std::string code;
    std::string name;
    std::string role;  // blast, leukocyte, erythroid, excluded, unidentified
    std::vector<std::string> blast_equivalent;  // aml, apl
};

struct Scheme {
    std::string name;
    std::vector<CellClass> classes;

    std::vector<std::string> codes() const;
};

// What is counted; docs/statistics.md.
struct Counting {
    std::string profile;            // blood or marrow
    std::string blast_equivalents;  // none, aml or apl
    double interval_width;          // points
};

// The text of a scheme that comes with bloodcell; null if none is called so.
const char* shipped_scheme(std::string_view name);

// text: of the file `file`. Throws Failure naming the file and its fault.
Scheme read_scheme(std::string_view text, const std::string& file, const std::string& name);

// The roles of the classes as `counting` has them. Throws Failure (INVALID_ARGUMENT) if the scheme
// marks no equivalent of the kind that is asked for.
std::vector<ClassRole> roles_of(const Scheme& scheme, const Counting& counting);

}  // namespace bloodcell
