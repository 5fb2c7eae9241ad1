#include "toml_reading.hpp"

#include <cmath>

#include "failure.hpp"

namespace bloodcell {

toml::table parsed_toml(std::string_view text, const std::string& file) {
    try {
        return toml::parse(text);
    } catch (const toml::parse_error& error) {
        throw bad_model(file + " is not valid TOML: " + std::string(error.description()) +
                        " (line " + std::to_string(error.source().begin.line) + ")");
    }
}

void refuse(const Entry& entry, const std::string& expected) {
    throw bad_model("has a wrong entry: " + entry.name + ": " + expected + " expected");
}

Entry entry_of(const toml::table& table, std::string_view key, const std::string& inside) {
    const std::string name = (inside.empty() ? "" : inside + ".") + std::string(key);
    const toml::node* const node = table.get(key);
    if (node == nullptr) throw bad_model("lacks the entry '" + name + "'");
    return {*node, name};
}

const toml::table& table_of(const Entry& entry) {
    if (!entry.node.is_table()) refuse(entry, "a table is");
    return *entry.node.as_table();
}

const toml::array& array_of(const Entry& entry) {
    if (!entry.node.is_array()) refuse(entry, "a list is");
    return *entry.node.as_array();
}

std::string text_of(const Entry& entry) {
    if (!entry.node.is_string()) refuse(entry, "a text is");
    return entry.node.as_string()->get();
}

std::vector<std::string> texts_of(const Entry& entry) {
    std::vector<std::string> texts;
    for (const toml::node& node : array_of(entry)) texts.push_back(text_of({node, entry.name}));
    return texts;
}

bool truth_of(const Entry& entry) {
    if (!entry.node.is_boolean()) refuse(entry, "true or false is");
    return entry.node.as_boolean()->get();
}

double number_of(const Entry& entry) {
    if (!entry.node.is_number()) refuse(entry, "a number is");
    const double number = *entry.node.value<double>();
    if (!std::isfinite(number)) refuse(entry, "a finite number is");
    return number;
}

double positive_of(const Entry& entry) {
    const double number = number_of(entry);
    if (!(number > 0)) refuse(entry, "a number above 0 is");
    return number;
}

std::vector<double> numbers_of(const Entry& entry, std::size_t count) {
    std::vector<double> numbers;
    for (const toml::node& node : array_of(entry)) numbers.push_back(number_of({node, entry.name}));
    if (numbers.size() != count) refuse(entry, std::to_string(count) + " numbers are");
    return numbers;
}

void check_keys(const toml::table& table, const std::string& name,
                const std::vector<std::string>& expected) {
    for (const std::string& key : expected) {
        if (!table.contains(key)) throw bad_model("lacks the entry '" + name + "." + key + "'");
    }
    for (const auto& [key, node] : table) {
        bool is_known = false;
        for (const std::string& one : expected) is_known = is_known || one == key.str();
        if (!is_known) {
            throw bad_model("has the entry '" + name + "." + std::string(key.str()) +
                            "', which this version does not know");
        }
    }
}

}  // namespace bloodcell
