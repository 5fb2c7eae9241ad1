#include "bloodcell/read.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <optional>
#include <system_error>

#include "follow_codes.hpp"

namespace bloodcell {
namespace {

class Descriptor {
public:
    explicit Descriptor(const char* path) noexcept {
        // O_NONBLOCK: opening a FIFO that nobody writes to would wait for ever.
        do {
            number_ = ::open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
        } while (number_ < 0 && errno == EINTR);
        if (number_ < 0) error_ = errno;
    }
    ~Descriptor() {
        if (number_ >= 0) ::close(number_);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;

    int number() const noexcept { return number_; }
    int error() const noexcept { return error_; }  // why open() failed; 0 if it did not

private:
    int number_ = -1;
    int error_ = 0;
};

// Whether an error may be that of the whole file system: a share that went away, a disk unplugged.
bool may_be_of_file_system(int error) {
    switch (error) {
        case EIO:
        case ESTALE:
        case ENOTCONN:
        case ECONNABORTED:
        case ECONNREFUSED:
        case ECONNRESET:
        case EHOSTDOWN:
        case EHOSTUNREACH:
        case ENETDOWN:
        case ENETRESET:
        case ENETUNREACH:
        case ENOLINK:
        case EREMOTEIO:
        case ESHUTDOWN:
        case ETIMEDOUT: return true;
        default: return false;
    }
}

// Throws for shortages, see read.hpp.
Reason reason_of_error(int error) {
    switch (error) {
        case ENOENT:
        case ENOTDIR: return Reason::missing;
        case EMFILE:
        case ENFILE:
        case ENOMEM: throw std::system_error(error, std::generic_category(), "reading images");
        default: return Reason::unreadable;
    }
}

// The path below the root; empty, which no file is called, if none can have such a name.
std::string join(const std::string& root, std::string_view path) {
    // open() would take the part before a NUL for the whole.
    if (path.empty() || path.find('\0') != std::string_view::npos) return {};
    std::string joined;
    if (path.front() != '/' && !root.empty()) {
        joined = root;
        if (joined.back() != '/') joined += '/';
    }
    return joined += path;
}

// A regular file open for reading, or the reason why there is none. Throws for shortages.
class File {
public:
    File(const std::string& root, std::string_view path) : descriptor_(join(root, path).c_str()) {
        struct stat status{};
        if (descriptor_.error() != 0) {
            reason_ = fail(descriptor_.error());
        } else if (::fstat(descriptor_.number(), &status) != 0) {
            reason_ = fail(errno);
        } else if (!S_ISREG(status.st_mode)) {
            reason_ = Reason::unreadable;
        } else {
            size_ = static_cast<std::uint64_t>(status.st_size);
        }
    }

    // What the system said last of this file, if it may hold for all files; else 0.
    int error_of_file_system() const noexcept { return may_be_of_file_system(error_) ? error_ : 0; }
    bool is_readable_at(std::uint64_t offset) const noexcept {
        std::uint8_t byte = 0;
        if (reason_ != Reason::none) return false;
        // What was read before lies in memory, and could be read with the disk gone.
        ::posix_fadvise(descriptor_.number(), 0, 0, POSIX_FADV_DONTNEED);
        return ::pread(descriptor_.number(), &byte, 1, static_cast<off_t>(offset)) >= 0;
    }

    Reason reason() const noexcept { return reason_; }
    std::uint64_t size() const noexcept { return size_; }

    // Reads `size` bytes from `offset` on. Truncated if the file has shrunk since it was opened.
    Reason read(std::uint64_t offset, std::uint8_t* target, std::size_t size) {
        error_ = 0;  // a shard is read many times
        std::size_t done = 0;
        while (done < size) {
            const auto from = static_cast<off_t>(offset + done);
            const ssize_t got = ::pread(descriptor_.number(), target + done, size - done, from);
            if (got < 0 && errno == EINTR) continue;
            if (got < 0) return fail(errno);
            if (got == 0) return Reason::truncated;
            done += static_cast<std::size_t>(got);
        }
        return Reason::none;
    }

private:
    Reason fail(int error) {
        error_ = error;
        return reason_of_error(error);
    }

    Descriptor descriptor_;
    int error_ = 0;
    Reason reason_ = Reason::none;
    std::uint64_t size_ = 0;
};

Limits without_codes(Limits limits) {
    limits.follows_codes = false;
    return limits;
}

// Leaves the bytes of a good image, which fill(target) writes, in the buffer, and nothing of a bad
// one. Codes of JPEGs are followed later, of the whole batch.
template <typename Fill>
Reason take_image(std::uint64_t size, const Limits& limits, ByteBuffer& buffer, Digest& digest,
                  const Fill& fill) {
    if (size > limits.max_file_bytes) return Reason::too_large;
    const auto count = static_cast<std::size_t>(size);
    std::uint8_t* const target = buffer.make_room(count);
    const Reason failure = fill(target);
    if (failure != Reason::none) return failure;
    if (count > 0) digest = digest_of(target, count);
    const Reason reason = inspect(target, count, without_codes(limits)).reason;
    if (reason == Reason::none) buffer.take(count);
    return reason;
}

Reason read_image(File& file, std::uint64_t offset, std::uint64_t size, const Limits& limits,
                  ByteBuffer& buffer, Digest& digest) {
    return take_image(size, limits, buffer, digest, [&](std::uint8_t* target) {
        return file.read(offset, target, static_cast<std::size_t>(size));
    });
}

Reason read_whole(File& file, const Limits& limits, ByteBuffer& buffer, Digest& digest) {
    if (file.reason() != Reason::none) return file.reason();
    return read_image(file, 0, file.size(), limits, buffer, digest);
}

Reason read_range(File& shard, std::int64_t offset, std::int64_t size, const Limits& limits,
                  ByteBuffer& buffer, Digest& digest) {
    if (shard.reason() != Reason::none) return shard.reason();
    if (offset < 0 || size < 0) return Reason::unreadable;
    const auto from = static_cast<std::uint64_t>(offset);
    const auto count = static_cast<std::uint64_t>(size);
    if (from > shard.size() || count > shard.size() - from) return Reason::truncated;
    return read_image(shard, from, count, limits, buffer, digest);
}

// Throws if `error` is that of the whole file system: if no other image of the batch, first those
// that come later and are in no cache yet, can be read either.
template <typename IsReadable>
void refuse_file_system(int error, std::size_t at, std::size_t count, const IsReadable& readable) {
    if (error == 0) return;
    for (std::size_t i = at + 1; i < count; ++i) {
        if (readable(i)) return;
    }
    for (std::size_t i = at + 1 < count ? 0 : at; i-- > 0;) {
        if (readable(i)) return;
    }
    throw std::system_error(error, std::generic_category(), "reading images");
}

// A batch of what read(i, buffer, digest) says of each image i, appends to the buffer, and digests.
template <typename Read>
EncodedBatch read_each(std::size_t count, const Limits& limits, const Read& read) {
    EncodedBatch batch;
    batch.offsets.reserve(count + 1);
    batch.reasons.reserve(count);
    batch.digests.resize(count);  // of zeros
    batch.offsets.push_back(0);
    for (std::size_t i = 0; i < count; ++i) {
        const Reason reason = read(i, batch.buffer, batch.digests[i]);
        batch.offsets.push_back(static_cast<std::int64_t>(batch.buffer.size()));
        batch.reasons.push_back(static_cast<std::uint8_t>(reason));
    }
    follow_codes(batch, limits);
    return batch;
}

}  // namespace

std::uint8_t* ByteBuffer::make_room(std::size_t count) {
    const std::size_t needed = size_ + count;
    if (needed > capacity_ || data_ == nullptr) {
        const std::size_t capacity = std::max({needed, 2 * capacity_, std::size_t{1} << 16});
        void* grown = std::realloc(data_.get(), capacity);
        if (grown == nullptr) throw std::bad_alloc();
        // realloc has freed or reused the old block, so it is let go rather than freed.
        static_cast<void>(data_.release());
        data_.reset(static_cast<std::uint8_t*>(grown));
        capacity_ = capacity;
    }
    return data_.get() + size_;
}

EncodedBatch read_files(const std::string& root, const StringColumn& paths, const Limits& limits) {
    const auto readable = [&](std::size_t i) { return File(root, paths[i]).is_readable_at(0); };
    return read_each(paths.count, limits, [&](std::size_t i, ByteBuffer& buffer, Digest& digest) {
        File file(root, paths[i]);
        const Reason reason = read_whole(file, limits, buffer, digest);
        refuse_file_system(file.error_of_file_system(), i, paths.count, readable);
        return reason;
    });
}

EncodedBatch read_ranges(const std::string& root, const StringColumn& shards,
                         const ByteRanges& ranges, const Limits& limits) {
    const auto readable = [&](std::size_t i) {
        const auto offset = static_cast<std::uint64_t>(std::max<std::int64_t>(ranges.offset[i], 0));
        return File(root, shards[i]).is_readable_at(offset);
    };
    std::optional<File> shard;
    return read_each(shards.count, limits, [&](std::size_t i, ByteBuffer& buffer, Digest& digest) {
        if (i == 0 || shards[i] != shards[i - 1]) shard.emplace(root, shards[i]);
        const Reason reason =
            read_range(*shard, ranges.offset[i], ranges.size[i], limits, buffer, digest);
        refuse_file_system(shard->error_of_file_system(), i, shards.count, readable);
        return reason;
    });
}

EncodedBatch read_memory(const std::vector<Bytes>& images, const Limits& limits) {
    return read_each(images.size(), limits, [&](std::size_t i, ByteBuffer& buffer, Digest& digest) {
        const Bytes& image = images[i];
        return take_image(image.size, limits, buffer, digest, [&](std::uint8_t* target) {
            if (image.size > 0) std::memcpy(target, image.data, image.size);
            return Reason::none;
        });
    });
}

std::vector<std::uint8_t> gate_encoded(const std::uint8_t* buffer, const std::int64_t* offsets,
                                       std::size_t count, const Limits& limits) {
    std::vector<std::uint8_t> reasons(count);
    for (std::size_t i = 0; i < count; ++i) {
        const auto size = static_cast<std::size_t>(offsets[i + 1] - offsets[i]);
        const std::uint8_t* data = size == 0 ? nullptr : buffer + offsets[i];
        reasons[i] = static_cast<std::uint8_t>(inspect(data, size, limits).reason);
    }
    return reasons;
}

}  // namespace bloodcell
