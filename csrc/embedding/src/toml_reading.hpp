// Entries of a TOML file, each what it must be or refused by its name.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#define TOML_HEADER_ONLY 0
#define TOML_ENABLE_FORMATTERS 0
#include <toml.hpp>

namespace bloodcell {

// Where it stands in the file, for messages: "calibration.temperature".
struct Entry {
    const toml::node& node;
    std::string name;
};

// Throws Failure naming `file` if the text is no TOML.
toml::table parsed_toml(std::string_view text, const std::string& file);

// Each throws Failure naming the entry if it is missing or of another kind.
Entry entry_of(const toml::table& table, std::string_view key, const std::string& inside = "");
const toml::table& table_of(const Entry& entry);
const toml::array& array_of(const Entry& entry);
std::string text_of(const Entry& entry);
std::vector<std::string> texts_of(const Entry& entry);
bool truth_of(const Entry& entry);
// A finite number, whole or not; a truth value is none.
double number_of(const Entry& entry);
double positive_of(const Entry& entry);
std::vector<double> numbers_of(const Entry& entry, std::size_t count);

// The Failure that says what was expected.
[[noreturn]] void refuse(const Entry& entry, const std::string& expected);

// Throws Failure unless the table has exactly these entries.
void check_keys(const toml::table& table, const std::string& name,
                const std::vector<std::string>& expected);

}  // namespace bloodcell
