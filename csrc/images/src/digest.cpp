#include "bloodcell/digest.hpp"

#include <algorithm>
#include <iterator>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace bloodcell {

Digest digest_of(const std::uint8_t* bytes, std::size_t size) noexcept {
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes, size));
    Digest digest;
    static_assert(sizeof(canonical.digest) == sizeof(digest));
    std::copy(std::begin(canonical.digest), std::end(canonical.digest), digest.begin());
    return digest;
}

}  // namespace bloodcell
