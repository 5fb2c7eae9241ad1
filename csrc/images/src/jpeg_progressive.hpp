// Whether the codes of a progressive JPEG's scans hold; internal to csrc/src.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "jpeg_entropy.hpp"

namespace bloodcell::formats {

// What a progressive scan brings of a block's coefficients (T.81, G.1.1.1).
struct JpegBand {
    unsigned first = 0, last = 0;      // coefficients in zigzag order; 0 is the average
    unsigned bits_to_come_before = 0;  // 0: nothing was there, else it brings one bit more
    unsigned bits_to_come = 0;

    bool refines() const noexcept { return bits_to_come_before != 0; }
};

// What the scans so far have brought: of a scan that refines, it decides which bits stand there.
class JpegProgress {
public:
    static constexpr std::size_t not_followed = SIZE_MAX;

    // Like `end_of_codes`; also 0 if no such scan may come now: libjpeg refuses it, warns of it or,
    // where a band that is whole begins anew, takes it. `not_followed` if there is no memory for
    // it.
    std::size_t end_of_codes(Bytes file, std::size_t begin, const JpegScan& scan,
                             const JpegBand& band) noexcept;

    // Whether all bits of a component's coefficients came.
    bool is_whole(unsigned component) const noexcept;

private:
    static constexpr std::int8_t unseen = -1;
    struct Component {
        Component() noexcept { bits_to_come.fill(unseen); }
        std::array<std::int8_t, 64> bits_to_come;
        // One bit a coefficient, one word a block; none before the first scan of the rest.
        std::unique_ptr<std::uint64_t[]> is_known;
    };

    static bool may_come(const Component& component, const JpegBand& band) noexcept;

    std::array<Component, jpeg_most_components> components_;
};

}  // namespace bloodcell::formats
