#include "follow_codes.hpp"

#include <algorithm>
#include <cstring>
#include <system_error>
#include <thread>
#include <vector>

namespace bloodcell {
namespace {

// More than a batch of a CPU has, and milliseconds of work: a thread starts in some 50 us.
constexpr std::size_t images_a_thread = 32;
constexpr std::size_t most_threads = 8;

class Threads {
public:
    ~Threads() {
        for (std::thread& one : threads_) one.join();
    }
    // False if the system has none to give.
    template <typename Work>
    bool start(Work work) {
        try {
            threads_.emplace_back(work);
            return true;
        } catch (const std::system_error&) {
            return false;
        }
    }

private:
    std::vector<std::thread> threads_;
};

bool is_jpeg(const std::uint8_t* data, std::size_t size) noexcept {
    return size > 2 && data[0] == 0xFF && data[1] == 0xD8;
}

void gate_jpegs(EncodedBatch& batch, const Limits& limits, std::size_t begin,
                std::size_t end) noexcept {
    for (std::size_t i = begin; i < end; ++i) {
        const std::uint8_t* const data = batch.buffer.data() + batch.offsets[i];
        const auto size = static_cast<std::size_t>(batch.offsets[i + 1] - batch.offsets[i]);
        if (batch.reasons[i] != 0 || !is_jpeg(data, size)) continue;
        batch.reasons[i] = static_cast<std::uint8_t>(inspect(data, size, limits).reason);
    }
}

void drop_rejected(EncodedBatch& batch) noexcept {
    std::int64_t begin = 0, kept = 0;
    for (std::size_t i = 0; i < batch.reasons.size(); ++i) {
        const std::int64_t end = batch.offsets[i + 1];
        const std::int64_t size = batch.reasons[i] == 0 ? end - begin : 0;
        std::uint8_t* const data = batch.buffer.data();
        if (size > 0 && begin != kept) {
            std::memmove(data + kept, data + begin, static_cast<std::size_t>(size));
        }
        begin = end;
        kept += size;
        batch.offsets[i + 1] = kept;
    }
    batch.buffer.cut(static_cast<std::size_t>(kept));
}

}  // namespace

void follow_codes(EncodedBatch& batch, const Limits& limits) {
    const std::size_t count = batch.reasons.size();
    const std::size_t cores = std::max(1U, std::thread::hardware_concurrency());
    const std::size_t parts =
        std::clamp<std::size_t>(count / images_a_thread, 1, std::min(cores, most_threads));
    {
        Threads threads;
        for (std::size_t part = 1; part < parts; ++part) {
            const auto work = [&batch, &limits, begin = count * part / parts,
                               end = count * (part + 1) / parts] {
                gate_jpegs(batch, limits, begin, end);
            };
            if (!threads.start(work)) work();
        }
        gate_jpegs(batch, limits, 0, count / parts);
    }
    drop_rejected(batch);
}

}  // namespace bloodcell
