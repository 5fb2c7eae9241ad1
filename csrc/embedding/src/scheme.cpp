#include "scheme.hpp"

#include <algorithm>
#include <set>

#include "failure.hpp"
#include "toml_reading.hpp"

namespace bloodcell {

namespace {

bool is_one_of(const std::string& value, const std::vector<std::string>& known) {
    return std::find(known.begin(), known.end(), value) != known.end();
}

CellClass class_of(const toml::table& table) {
    CellClass read{text_of(entry_of(table, "code", "class")),
                   text_of(entry_of(table, "name", "class")),
                   text_of(entry_of(table, "role", "class")),
                   {}};
    for (const auto& [key, node] : table) {
        if (key == "blast_equivalent") {
            read.blast_equivalent = texts_of({node, "class " + read.code + ": blast_equivalent"});
        } else if (key != "code" && key != "name" && key != "role") {
            throw bad_model("class " + read.code + " has the entry '" + std::string(key.str()) +
                            "', which means nothing");
        }
    }
    if (!is_one_of(read.role, {"blast", "leukocyte", "erythroid", "excluded", "unidentified"})) {
        throw bad_model("class " + read.code + " has the role '" + read.role + "', which is none");
    }
    for (const std::string& profile : read.blast_equivalent) {
        if (profile != "aml" && profile != "apl") {
            throw bad_model("class " + read.code + ": blast_equivalent lists aml or apl, not '" +
                            profile + "'");
        }
    }
    return read;
}

}  // namespace

std::vector<std::string> Scheme::codes() const {
    std::vector<std::string> codes;
    for (const CellClass& one : classes) codes.push_back(one.code);
    return codes;
}

Scheme read_scheme(std::string_view text, const std::string& file, const std::string& name) {
    const toml::table table = parsed_toml(text, file);
    try {
        Scheme scheme{name, {}};
        std::set<std::string> codes;
        for (const toml::node& node : array_of(entry_of(table, "class"))) {
            scheme.classes.push_back(class_of(table_of({node, "class"})));
            if (!codes.insert(scheme.classes.back().code).second) {
                throw bad_model("two classes have the code " + scheme.classes.back().code);
            }
        }
        if (scheme.classes.empty() || scheme.classes.size() > 255) {
            throw bad_model("1 to 255 classes are expected");
        }
        return scheme;
    } catch (const Failure& failure) {
        throw bad_model(file + ": " + failure.what());
    }
}

std::vector<ClassRole> roles_of(const Scheme& scheme, const Counting& counting) {
    std::vector<ClassRole> roles;
    bool has_equivalent = counting.blast_equivalents == "none";
    for (const CellClass& one : scheme.classes) {
        const bool is_equivalent = is_one_of(counting.blast_equivalents, one.blast_equivalent);
        has_equivalent = has_equivalent || is_equivalent;
        const bool is_blast = one.role == "blast" || is_equivalent;
        roles.push_back({is_blast, is_blast || one.role == "leukocyte" ||
                                       (one.role == "erythroid" && counting.profile == "marrow")});
    }
    if (!has_equivalent) {
        throw bad_argument("scheme '" + scheme.name +
                           "' has no class that is a blast equivalent in " +
                           counting.blast_equivalents + ": use \"none\"");
    }
    return roles;
}

}  // namespace bloodcell
