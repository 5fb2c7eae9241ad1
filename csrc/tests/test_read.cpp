// Reading a batch: what the file system can offer in place of an image or a shard. That a shortage
// of file descriptors throws is tested from Python: the vptr sanitizer itself needs one to look.
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <system_error>
#include <vector>

#include "bloodcell/read.hpp"
#include "check.hpp"

namespace {

namespace fs = std::filesystem;
using bloodcell::Digest;
using bloodcell::EncodedBatch;
using bloodcell::Reason;

// The smallest BMP that passes: 16 x 16, 24 bits, no palette.
std::string image(char fill) {
    const std::array<unsigned char, 54> head = {'B', 'M', 0,  0, 0,  0, 0, 0, 0,  0,
                                                54,  0,   0,  0, 40, 0, 0, 0, 16, 0,
                                                0,   0,   16, 0, 0,  0, 1, 0, 24, 0};
    return std::string(head.begin(), head.end()) + std::string(16 * 16 * 3, fill);
}

class Folder {
public:
    Folder() {
        std::string name = (fs::temp_directory_path() / "bloodcell-XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr) {
            throw std::system_error(errno, std::generic_category(), name);
        }
        root_ = name;
    }
    ~Folder() { fs::remove_all(root_); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;

    fs::path write(const std::string& name, const std::string& content) const {
        std::ofstream(root_ / name, std::ios::binary) << content;
        return root_ / name;
    }
    const fs::path& root() const { return root_; }

private:
    fs::path root_;
};

// Names as a string column.
struct Names {
    explicit Names(const std::vector<std::string>& names) {
        for (const std::string& name : names) {
            bytes += name;
            offsets.push_back(static_cast<std::int64_t>(bytes.size()));
        }
    }
    bloodcell::StringColumn column() const {
        return {offsets.data(), bytes.data(), offsets.size() - 1};
    }

    std::vector<std::int64_t> offsets = {0};
    std::string bytes;
};

EncodedBatch read(const std::string& root, const std::vector<std::string>& names,
                  const bloodcell::Limits& limits = {}) {
    return bloodcell::read_files(root, Names(names).column(), limits);
}

struct Range {
    std::string shard;
    std::int64_t offset;
    std::int64_t size;
};

EncodedBatch read_shards(const std::string& root, const std::vector<Range>& ranges,
                         const bloodcell::Limits& limits = {}) {
    std::vector<std::string> shards;
    std::vector<std::int64_t> offset, size;
    for (const Range& range : ranges) {
        shards.push_back(range.shard);
        offset.push_back(range.offset);
        size.push_back(range.size);
    }
    return bloodcell::read_ranges(root, Names(shards).column(), {offset.data(), size.data()},
                                  limits);
}

std::string image_at(const EncodedBatch& batch, std::size_t i) {
    const std::uint8_t* data = batch.buffer.data();
    return {data + batch.offsets[i], data + batch.offsets[i + 1]};
}

Reason reason_at(const EncodedBatch& batch, std::size_t i) {
    return static_cast<Reason>(batch.reasons[i]);
}

Digest digest_of(const std::string& bytes) {
    return bloodcell::digest_of(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
}

void good_and_bad_side_by_side() {
    const Folder folder;
    folder.write("a", image('a'));
    folder.write("cut", image('x').substr(0, 700));
    folder.write("empty", "");
    folder.write("note", "a text of some length");
    const std::string absolute = folder.write("b", image('b')).string();
    const EncodedBatch batch =
        read(folder.root().string(), {"a", "cut", "gone", "empty", "note", absolute, "a"});
    const std::vector<Reason> expected = {Reason::none,  Reason::truncated,    Reason::missing,
                                          Reason::empty, Reason::not_an_image, Reason::none,
                                          Reason::none};
    CHECK(batch.reasons.size() == expected.size() && batch.offsets.size() == expected.size() + 1);
    for (std::size_t i = 0; i < expected.size(); ++i) CHECK(reason_at(batch, i) == expected[i]);
    CHECK(image_at(batch, 0) == image('a') && image_at(batch, 6) == image('a'));
    CHECK(image_at(batch, 5) == image('b'));
    for (const std::size_t i : {1U, 2U, 3U, 4U}) CHECK(image_at(batch, i).empty());
    CHECK(batch.buffer.size() == 3 * image('a').size());
}

// Whatever was read has a digest, also what the gate rejects; what was not has none.
void digests_of_what_was_read() {
    const Folder folder;
    const std::string cut = image('x').substr(0, 700);
    folder.write("a", image('a'));
    folder.write("large", image('b') + "behind");
    folder.write("cut", cut);
    folder.write("empty", "");
    bloodcell::Limits limits;
    limits.max_file_bytes = image('a').size();
    const std::string root = folder.root().string();
    const std::vector<Digest> expected = {digest_of(cut), {}, digest_of(image('a')), {}, {}};
    CHECK(read(root, {"cut", "gone", "a", "empty", "large"}, limits).digests == expected);
    const auto size = static_cast<std::int64_t>(image('b').size());
    const std::vector<Digest> in_shards = {digest_of(image('b')), {}, {}, digest_of(cut)};
    const std::vector<Range> ranges = {
        {"large", 0, size}, {"large", 8, size}, {"large", -1, size}, {"cut", 0, 700}};
    CHECK(read_shards(root, ranges, limits).digests == in_shards);
}

void things_that_are_no_files() {
    const Folder folder;
    folder.write("file", image('a'));
    fs::create_directory(folder.root() / "directory");
    fs::create_symlink("nowhere", folder.root() / "dangling");
    fs::create_symlink("loop", folder.root() / "loop");
    fs::create_symlink("file", folder.root() / "link");
    CHECK(::mkfifo((folder.root() / "fifo").c_str(), 0600) == 0);
    const std::string with_nul("file\0.jpg", 9);
    const EncodedBatch batch = read(folder.root().string() + "/",
                                    {"directory", "dangling", "loop", "link", "fifo", "file/below",
                                     "", with_nul, "/dev/null", std::string(5000, 'n')});
    const std::vector<Reason> expected = {
        Reason::unreadable, Reason::missing,   Reason::unreadable, Reason::none,
        Reason::unreadable, Reason::missing,   Reason::missing,    Reason::missing,
        Reason::unreadable, Reason::unreadable};
    for (std::size_t i = 0; i < expected.size(); ++i) CHECK(reason_at(batch, i) == expected[i]);
}

void large_files_are_not_read() {
    const Folder folder;
    const fs::path path = folder.write("large", image('a'));
    // Sparse: a terabyte that takes no disk, and would take a terabyte of memory.
    CHECK(::truncate(path.c_str(), off_t{1} << 40) == 0);
    CHECK(reason_at(read(folder.root().string(), {"large"}), 0) == Reason::too_large);
    bloodcell::Limits limits;
    folder.write("small", image('a'));
    limits.max_file_bytes = image('a').size();
    CHECK(reason_at(read(folder.root().string(), {"small"}, limits), 0) == Reason::none);
    limits.max_file_bytes -= 1;
    CHECK(reason_at(read(folder.root().string(), {"small"}, limits), 0) == Reason::too_large);
}

// Many images, so that the buffer has to grow and move.
void the_buffer_grows() {
    const Folder folder;
    std::vector<std::string> names;
    for (int i = 0; i < 500; ++i) {
        names.push_back(std::to_string(i));
        folder.write(names.back(), image(static_cast<char>(i)));
    }
    const EncodedBatch batch = read(folder.root().string(), names);
    for (std::size_t i = 0; i < names.size(); ++i) {
        CHECK(image_at(batch, i) == image(static_cast<char>(i)));
    }
}

void ranges_of_shards() {
    const Folder folder;
    const auto size = static_cast<std::int64_t>(image('a').size());
    folder.write("ab", "head" + image('a') + image('b'));
    folder.write("c", image('c'));
    fs::create_directory(folder.root() / "directory");
    constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
    // The third ends a byte early, the fourth lacks a byte at the end of the shard.
    const std::vector<Range> ranges = {{"ab", 4 + size, size}, {"ab", 4, size}, {"ab", 4, size - 1},
                                       {"ab", 5 + size, size}, {"c", 0, size},  {"gone", 0, size},
                                       {"directory", 0, size}, {"ab", 4, 0},    {"ab", 0, size},
                                       {"ab", -1, size},       {"ab", 4, -1},   {"ab", most, most},
                                       {"", 0, size},          {"ab", 4, size}};
    const EncodedBatch batch = read_shards(folder.root().string(), ranges);
    const std::vector<Reason> expected = {
        Reason::none,         Reason::none,       Reason::truncated,  Reason::truncated,
        Reason::none,         Reason::missing,    Reason::unreadable, Reason::empty,
        Reason::not_an_image, Reason::unreadable, Reason::unreadable, Reason::truncated,
        Reason::missing,      Reason::none};
    CHECK(batch.reasons.size() == expected.size() && batch.offsets.size() == expected.size() + 1);
    for (std::size_t i = 0; i < expected.size(); ++i) CHECK(reason_at(batch, i) == expected[i]);
    CHECK(image_at(batch, 0) == image('b') && image_at(batch, 1) == image('a'));
    CHECK(image_at(batch, 4) == image('c') && image_at(batch, 13) == image('a'));
    CHECK(batch.buffer.size() == 4 * image('a').size());
}

void large_ranges_are_not_read() {
    const Folder folder;
    const auto size = static_cast<std::int64_t>(image('a').size());
    const fs::path path = folder.write("shard", image('a'));
    CHECK(::truncate(path.c_str(), off_t{1} << 40) == 0);
    bloodcell::Limits limits;
    limits.max_file_bytes = image('a').size();
    const std::vector<Range> ranges = {
        {"shard", 0, std::int64_t{1} << 40}, {"shard", 0, size}, {"shard", 0, size + 1}};
    const EncodedBatch batch = read_shards(folder.root().string(), ranges, limits);
    CHECK(reason_at(batch, 0) == Reason::too_large && reason_at(batch, 2) == Reason::too_large);
    CHECK(image_at(batch, 1) == image('a'));
}

// The same of each as in a file, with the limit on what is taken at all.
void images_from_memory() {
    const std::string cut = image('x').substr(0, 700), large = image('b') + "behind";
    const std::vector<std::string> given = {image('a'), cut,       "", "a text of some length",
                                            large,      image('a')};
    const Folder folder;
    std::vector<std::string> names;
    std::vector<bloodcell::Bytes> views;
    for (const std::string& one : given) {
        names.push_back(std::to_string(names.size()));
        folder.write(names.back(), one);
        views.push_back({reinterpret_cast<const std::uint8_t*>(one.data()), one.size()});
    }
    views[2].data = nullptr;
    bloodcell::Limits limits;
    limits.max_file_bytes = image('a').size();
    const EncodedBatch expected = read(folder.root().string(), names, limits);
    const EncodedBatch batch = bloodcell::read_memory(views, limits);
    CHECK(batch.reasons == expected.reasons && batch.offsets == expected.offsets);
    CHECK(batch.digests == expected.digests && batch.digests[4] == Digest{});
    CHECK(reason_at(batch, 4) == Reason::too_large && image_at(batch, 5) == image('a'));
}

void images_in_memory() {
    const std::string bytes = image('a') + image('b');
    const auto size = static_cast<std::int64_t>(image('a').size());
    const std::vector<std::int64_t> offsets = {0, size, size, 2 * size - 1, 2 * size - 1};
    const std::vector<std::uint8_t> reasons = bloodcell::gate_encoded(
        reinterpret_cast<const std::uint8_t*>(bytes.data()), offsets.data(), 4, {});
    CHECK(static_cast<Reason>(reasons[0]) == Reason::none);
    CHECK(static_cast<Reason>(reasons[1]) == Reason::empty);
    CHECK(static_cast<Reason>(reasons[2]) == Reason::truncated);
    CHECK(static_cast<Reason>(reasons[3]) == Reason::empty);
}

void an_empty_batch() {
    for (const EncodedBatch& batch :
         {read("/", {}), read_shards("/", {}), bloodcell::read_memory({}, {})}) {
        CHECK(batch.offsets.size() == 1 && batch.offsets[0] == 0 && batch.reasons.empty());
        CHECK(batch.digests.empty());
    }
}

}  // namespace

int main() {
    good_and_bad_side_by_side();
    digests_of_what_was_read();
    things_that_are_no_files();
    large_files_are_not_read();
    the_buffer_grows();
    ranges_of_shards();
    large_ranges_are_not_read();
    images_from_memory();
    images_in_memory();
    an_empty_batch();
    return check_result();
}
