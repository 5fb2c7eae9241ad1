#include "tiff_directory.hpp"

#include <algorithm>

namespace bloodcell::formats::tiff {
namespace {

constexpr std::array<std::uint16_t, field_count> tags = {254, 255, 256, 257, 258, 259, 262, 266,
                                                         270, 273, 277, 278, 279, 284, 317, 320,
                                                         322, 323, 324, 325, 338, 339};

// libtiff takes a directory with more entries for garbage.
constexpr std::uint64_t most_entries = 4096;
constexpr std::uint64_t most_description_bytes = 65536;

std::uint64_t size_of_type(std::uint64_t type) noexcept {
    switch (type) {
        case 1: return 1;   // BYTE
        case 3: return 2;   // SHORT
        case 4: return 4;   // LONG
        case 13: return 4;  // IFD
        case 16: return 8;  // LONG8
        default: return 0;
    }
}

}  // namespace

Reason Directory::read(std::uint64_t at) noexcept {
    const std::uint64_t count_size = file_.is_big_tiff ? 8 : 2;
    const std::uint64_t entry_size = file_.is_big_tiff ? 20 : 12;
    const std::uint64_t next_size = file_.is_big_tiff ? 8 : 4;
    if (!file_.bytes.has(at, count_size)) return Reason::truncated;
    const std::uint64_t count = file_.number(at, count_size);
    if (count == 0 || count > most_entries) return Reason::corrupt;
    at += count_size;
    for (std::uint64_t i = 0; i < count; ++i, at += entry_size) {
        if (!file_.bytes.has(at, entry_size)) return Reason::truncated;
        read_entry(at);
    }
    // Some writers end the file with the last entry.
    if (file_.bytes.has(at, next_size)) next_ = file_.number(at, next_size);
    return Reason::none;
}

void Directory::read_entry(std::uint64_t at) noexcept {
    const auto* tag = std::find(tags.begin(), tags.end(), file_.number(at, 2));
    if (tag == tags.end()) return;
    const auto field = static_cast<std::size_t>(tag - tags.begin());
    const std::uint64_t word = file_.is_big_tiff ? 8 : 4;  // bytes of a count and of an offset
    const std::uint64_t type = file_.number(at + 2, 2);
    Entry entry;
    entry.value_size = field == image_description ? 1 : size_of_type(type);
    entry.count = file_.number(at + 4, word);
    const std::uint64_t value_at = at + 4 + word;
    // Values that fit stand in the entry itself.
    const bool is_inline = entry.value_size != 0 && entry.count <= word / entry.value_size;
    entry.at = is_inline ? value_at : file_.number(value_at, word);
    is_ambiguous_ = is_ambiguous_ || entries_[field].count != 0;
    entries_[field] = entry;
}

Reason Directory::check_values() const noexcept {
    for (std::size_t i = 0; i < field_count; ++i) {
        const auto field = static_cast<Field>(i);
        // No decoder minds a description that is not there.
        if (!has(field) || field == image_description) continue;
        if (value_size(field) == 0) return Reason::corrupt;
        if (!is_readable(field)) return Reason::truncated;
    }
    return Reason::none;
}

bool Directory::is_readable(Field field) const noexcept {
    const Entry& entry = entries_[field];
    return entry.count != 0 && entry.value_size != 0 && entry.count <= file_.bytes.size &&
           file_.bytes.has(entry.at, entry.count * entry.value_size);
}

bool Directory::is_uniform(Field field, std::uint64_t expected, std::uint64_t most) const noexcept {
    const std::uint64_t checked = std::min(count(field), most);
    for (std::uint64_t i = 0; i < checked; ++i) {
        if (value(field, i) != expected) return false;
    }
    return true;
}

std::string_view Directory::description() const noexcept {
    if (!is_readable(image_description)) return {};
    const Entry& entry = entries_[image_description];
    const std::uint64_t length = std::min(entry.count, most_description_bytes);
    return {reinterpret_cast<const char*>(file_.bytes.data + entry.at),
            static_cast<std::size_t>(length)};
}

}  // namespace bloodcell::formats::tiff
