#include "bloodcell/read.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <system_error>

namespace bloodcell {
namespace {

class File {
public:
    explicit File(const char* path) noexcept {
        // O_NONBLOCK: opening a FIFO that nobody writes to would wait for ever.
        do {
            descriptor_ = ::open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
        } while (descriptor_ < 0 && errno == EINTR);
    }
    ~File() {
        if (descriptor_ >= 0) ::close(descriptor_);
    }
    File(const File&) = delete;
    File& operator=(const File&) = delete;

    bool is_open() const noexcept { return descriptor_ >= 0; }
    int descriptor() const noexcept { return descriptor_; }

private:
    int descriptor_ = -1;
};

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

// Reads up to `size` bytes into `target`; less if the file has shrunk since its size was asked.
Reason read_up_to(const File& file, std::uint8_t* target, std::size_t size, std::size_t& done) {
    done = 0;
    while (done < size) {
        const ssize_t got = ::read(file.descriptor(), target + done, size - done);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return reason_of_error(errno);
        if (got == 0) break;
        done += static_cast<std::size_t>(got);
    }
    return Reason::none;
}

// Leaves the bytes of a good file in the buffer, and nothing of a bad one.
Reason read_one(const char* path, const Limits& limits, ByteBuffer& buffer) {
    const File file(path);
    if (!file.is_open()) return reason_of_error(errno);
    struct stat status {};
    if (::fstat(file.descriptor(), &status) != 0) return reason_of_error(errno);
    if (!S_ISREG(status.st_mode)) return Reason::unreadable;
    const auto size = static_cast<std::uint64_t>(status.st_size);
    if (size > limits.max_file_bytes) return Reason::too_large;

    std::uint8_t* const target = buffer.make_room(static_cast<std::size_t>(size));
    std::size_t done = 0;
    const Reason failure = read_up_to(file, target, static_cast<std::size_t>(size), done);
    if (failure != Reason::none) return failure;
    const Reason reason = inspect(target, done, limits).reason;
    if (reason == Reason::none) buffer.take(done);
    return reason;
}

// The column's path below the root, as a C string; the scratch string is reused for all files.
bool join(const std::string& root, std::string_view path, std::string& joined) {
    // No file has such a name; open() would take the part before the NUL for the whole.
    if (path.empty() || path.find('\0') != std::string_view::npos) return false;
    joined.clear();
    if (path.front() != '/' && !root.empty()) {
        joined = root;
        if (joined.back() != '/') joined += '/';
    }
    joined += path;
    return true;
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
    EncodedBatch batch;
    batch.offsets.reserve(paths.count + 1);
    batch.reasons.reserve(paths.count);
    batch.offsets.push_back(0);
    std::string joined;
    for (std::size_t i = 0; i < paths.count; ++i) {
        const Reason reason = join(root, paths[i], joined)
                                  ? read_one(joined.c_str(), limits, batch.buffer)
                                  : Reason::missing;
        batch.offsets.push_back(static_cast<std::int64_t>(batch.buffer.size()));
        batch.reasons.push_back(static_cast<std::uint8_t>(reason));
    }
    return batch;
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
