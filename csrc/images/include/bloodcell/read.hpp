// Reads a batch of images into one buffer, takes their digests and puts each through the header
// gate.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bloodcell/digest.hpp"
#include "bloodcell/gate.hpp"
#include "bloodcell/reason.hpp"

namespace bloodcell {

// A string column as Arrow stores it; borrowed. Item i is bytes[offsets[i]] to bytes[offsets[i+1]].
// Whoever makes one has checked that the offsets ascend and stay within `bytes`.
struct StringColumn {
    const std::int64_t* offsets;  // [count + 1]
    const char* bytes;
    std::size_t count;

    std::string_view operator[](std::size_t i) const noexcept {
        return {bytes + offsets[i], static_cast<std::size_t>(offsets[i + 1] - offsets[i])};
    }
};

// Bytes that grow without being set to zero first, which a std::vector would do.
class ByteBuffer {
public:
    std::uint8_t* data() const noexcept { return data_.get(); }
    std::size_t size() const noexcept { return size_; }

    // Makes room for `count` bytes behind the end, and returns where they begin. What was there
    // may move. Throws std::bad_alloc.
    std::uint8_t* make_room(std::size_t count);
    // Takes `count` of the bytes that make_room() has made room for.
    void take(std::size_t count) noexcept { size_ += count; }
    // Lets go of what is behind the first `size` bytes.
    void cut(std::size_t size) noexcept { size_ = size; }

private:
    struct Free {
        void operator()(std::uint8_t* data) const noexcept { std::free(data); }
    };
    std::unique_ptr<std::uint8_t, Free> data_;
    std::size_t size_ = 0;
    std::size_t capacity_ = 0;
};

struct EncodedBatch {
    ByteBuffer buffer;
    // [N + 1]; image i is buffer[offsets[i]] to buffer[offsets[i + 1]], no bytes if rejected.
    std::vector<std::int64_t> offsets;
    std::vector<std::uint8_t> reasons;  // [N], of Reason
    // [N], of all bytes of the image, also if the gate rejects it; zeros if they were not read.
    std::vector<Digest> digests;
};

// Reads and gates files of one image each; blocks on the disk. Relative paths are below `root`.
//
// A bad file only ever gets a reason. What is the machine's fault and not the file's throws, so
// that neither passes for bad cells: std::system_error when file descriptors or kernel memory run
// out, or when a file system fails (EIO, ESTALE, ENOTCONN and their like) and no other image of the
// batch can be read either; std::bad_alloc. Of a large batch several threads follow the codes of
// JPEGs, see follow_codes.hpp.
EncodedBatch read_files(const std::string& root, const StringColumn& paths, const Limits& limits);

// Where images lie in their shards, one range a cell; borrowed. A negative number stands for an
// image that does not lie in one piece.
struct ByteRanges {
    const std::int64_t* offset;
    const std::int64_t* size;
};

// Reads and gates images that lie in shards, files that hold many: image i is ranges[i] of the
// shard shards[i], which is opened once for all of its cells that follow one another. Like
// read_files; a range that is not all there is truncated, a negative one unreadable.
EncodedBatch read_ranges(const std::string& root, const StringColumn& shards,
                         const ByteRanges& ranges, const Limits& limits);

// The bytes of one image in memory; borrowed. `data` may be null if `size` is 0.
struct Bytes {
    const std::uint8_t* data;
    std::size_t size;
};

// Takes a batch of images that are in memory as read_files takes those of files: gate, digests and
// limits are the same. Throws std::bad_alloc.
EncodedBatch read_memory(const std::vector<Bytes>& images, const Limits& limits);

// Gates images that are in memory already: image i is buffer[offsets[i]] to buffer[offsets[i+1]].
std::vector<std::uint8_t> gate_encoded(const std::uint8_t* buffer, const std::int64_t* offsets,
                                       std::size_t count, const Limits& limits);

}  // namespace bloodcell
