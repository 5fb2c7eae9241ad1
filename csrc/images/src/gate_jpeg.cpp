// JPEG: the markers from SOI to EOI (ITU-T T.81, annex B).
#include <algorithm>
#include <cstring>

#include "jpeg_entropy.hpp"
#include "jpeg_progressive.hpp"
#include "jpeg_tables.hpp"

namespace bloodcell::formats {
namespace {

enum Marker : std::uint8_t {
    SOF0 = 0xC0,
    SOF2 = 0xC2,
    SOF9 = 0xC9,
    SOF10 = 0xCA,
    DHT = 0xC4,
    DAC = 0xCC,
    SOF15 = 0xCF,
    RST0 = 0xD0,
    RST7 = 0xD7,
    SOI = 0xD8,
    EOI = 0xD9,
    SOS = 0xDA,
    DQT = 0xDB,
    DRI = 0xDD,
    DHP = 0xDE,
    EXP = 0xDF,
    APP14 = 0xEE,
    JPG0 = 0xF0,
    JPG13 = 0xFD,
};

struct FrameComponent {
    std::uint8_t number = 0;
    std::uint8_t quantization_slot = 0;
    unsigned horizontal = 1, vertical = 1;  // sampling factors
    bool is_scanned = false;
};

unsigned divided_up(unsigned dividend, unsigned divisor) noexcept {
    return (dividend + divisor - 1) / divisor;
}

class JpegWalk {
public:
    JpegWalk(Bytes file, const Limits& limits, ImageHeader& header) noexcept
        : file_(file), limits_(limits), header_(header) {}

    Reason run() noexcept;

private:
    void skip_stray_bytes() noexcept;
    bool is_complete() const noexcept;
    Reason segment(std::uint8_t marker) noexcept;
    Reason frame(std::uint8_t marker, std::uint64_t length) noexcept;
    Reason scan(std::uint64_t length) noexcept;
    bool add_component(std::size_t at, bool has_averages, bool has_rest, JpegScan& scan) noexcept;
    bool set_units(JpegScan& scan) const noexcept;
    JpegBand band_at(std::size_t at) const noexcept;
    Reason skip_entropy_coded() noexcept;
    bool is_adobe(std::uint64_t length) const noexcept;

    Bytes file_;
    const Limits& limits_;
    ImageHeader& header_;
    std::size_t at_ = 2;  // behind SOI
    std::array<FrameComponent, jpeg_most_components> frame_{};
    unsigned components_ = 0;
    std::uint32_t restart_interval_ = 0;
    JpegTables tables_;
    JpegProgress progress_;
    bool progressive_ = false;
    bool arithmetic_ = false;
    bool adobe_ = false;
    bool refused_ = false;  // by libjpeg, but what else there is to say is said first
};

Reason JpegWalk::run() noexcept {
    // A marker must come at once: nothing else tells a JPEG from bytes that begin like one.
    if (at_ < file_.size && file_.data[at_] != 0xFF) return Reason::corrupt;
    for (;;) {
        skip_stray_bytes();
        // A marker may be preceded by any number of fill bytes.
        while (at_ < file_.size && file_.data[at_] == 0xFF) ++at_;
        if (at_ == file_.size) return Reason::truncated;
        const std::uint8_t marker = file_.data[at_++];
        if (marker == EOI) return is_complete() && !refused_ ? Reason::none : Reason::corrupt;
        const Reason reason = segment(marker);
        if (reason != Reason::none) return reason;
    }
}

// Photoshop and others left bytes behind segments that were shorter than what they had written.
// libjpeg steps over them to the next marker, and so does every viewer; DALI's parser does not.
void JpegWalk::skip_stray_bytes() noexcept {
    while (at_ < file_.size) {
        if (file_.data[at_] != 0xFF) {
            at_ += 1;
        } else if (file_.has(at_, 2) && file_.data[at_ + 1] == 0) {
            at_ += 2;
        } else {
            return;
        }
        header_.needs_rewriting = true;
    }
}

// Whether there is a frame, and each of its components was in a scan, or in all that refine it.
bool JpegWalk::is_complete() const noexcept {
    const bool is_followed = progressive_ && !arithmetic_ && limits_.follows_codes;
    for (unsigned i = 0; i < components_; ++i) {
        if (!(is_followed ? progress_.is_whole(i) : frame_[i].is_scanned)) return false;
    }
    return components_ != 0;
}

// Takes one segment, `at_` standing on its length. Segments are stepped over by their length and
// never searched: an EXIF thumbnail is a whole JPEG with an EOI of its own.
Reason JpegWalk::segment(std::uint8_t marker) noexcept {
    // Reserved markers, and those without a length, which have no place between segments.
    if (marker < SOF0 || (marker >= RST0 && marker <= SOI)) return Reason::corrupt;
    if (marker >= JPG0 && marker <= JPG13) return Reason::unsupported;  // JPEG-LS and such
    if (!file_.has(at_, 2)) return Reason::truncated;
    const std::uint64_t length = file_.big_endian(at_, 2);
    if (length < 2) return Reason::corrupt;
    if (!file_.has(at_, length)) return Reason::truncated;

    Reason reason = Reason::none;
    if (marker >= SOF0 && marker <= SOF15 && marker != DHT && marker != DAC) {
        reason = frame(marker, length);
    } else if (marker == DHP || marker == EXP) {
        reason = Reason::unsupported;  // hierarchical
    } else if (marker == APP14) {
        adobe_ = adobe_ || is_adobe(length);
    } else if (marker == DQT) {
        refused_ = !tables_.define_quantization({file_.data + at_ + 2, length - 2}) || refused_;
    } else if (marker == DHT) {
        refused_ = !tables_.define_huffman({file_.data + at_ + 2, length - 2}) || refused_;
    } else if (marker == DRI) {
        refused_ = refused_ || length != 4;
        if (length >= 4) restart_interval_ = static_cast<unsigned>(file_.big_endian(at_ + 2, 2));
    } else if (marker == SOS) {
        return scan(length);
    }
    at_ += static_cast<std::size_t>(length);
    return reason;
}

Reason JpegWalk::frame(std::uint8_t marker, std::uint64_t length) noexcept {
    if (components_ != 0 || length < 8) return Reason::corrupt;
    const unsigned precision = file_.data[at_ + 2];
    components_ = file_.data[at_ + 7];
    if (components_ == 0 || length != 8 + 3 * components_) return Reason::corrupt;
    // A height of 0 promises a DNL marker later, which no decoder here reads: corrupt.
    const Reason sides =
        set_sides(header_, file_.big_endian(at_ + 5, 2), file_.big_endian(at_ + 3, 2), limits_);
    if (sides != Reason::none) return sides;
    // Behind SOF2 come lossless and hierarchical coding, and all of them with arithmetic codes.
    arithmetic_ = marker == SOF9 || marker == SOF10;
    progressive_ = marker == SOF2 || marker == SOF10;
    if ((marker > SOF2 && !arithmetic_) || precision != 8) return Reason::unsupported;
    header_.needs_rewriting = header_.needs_rewriting || arithmetic_;
    if (components_ == 2 || components_ > 4) return Reason::unsupported;
    for (unsigned i = 0; i < components_; ++i) {
        const std::uint8_t* const listed = file_.data + at_ + 8 + 3 * i;
        const unsigned horizontal = listed[1] >> 4, vertical = listed[1] & 15U;
        if (horizontal < 1 || horizontal > 4 || vertical < 1 || vertical > 4) {
            return Reason::corrupt;
        }
        frame_[i] = {listed[0], listed[2], horizontal, vertical};
    }
    return Reason::none;
}

Reason JpegWalk::scan(std::uint64_t length) noexcept {
    if (components_ == 0 || length < 6) return Reason::corrupt;
    const unsigned scan_components = file_.data[at_ + 2];
    if (scan_components < 1 || scan_components > components_) return Reason::corrupt;
    if (length != 6 + 2 * scan_components) return Reason::corrupt;
    // Without Adobe's marker nobody knows whether CMYK is stored inverted; decoders differ.
    if (components_ == 4 && !adobe_) return Reason::unsupported;
    // A progressive scan is of averages or of the rest; what refines averages has no codes.
    const JpegBand band = band_at(at_ + 3 + 2 * scan_components);
    const bool has_averages = !progressive_ || (band.first == 0 && !band.refines());
    const bool has_rest = !progressive_ || band.first != 0;
    JpegScan codes;
    codes.restart_interval = restart_interval_;
    for (unsigned i = 0; i < scan_components; ++i) {
        const bool is_added = add_component(at_ + 3 + 2 * i, has_averages, has_rest, codes);
        refused_ = refused_ || !is_added;
    }
    at_ += static_cast<std::size_t>(length);
    if (refused_ || arithmetic_ || !limits_.follows_codes) return skip_entropy_coded();
    std::size_t end = 0;
    if (set_units(codes)) {
        end = progressive_ ? progress_.end_of_codes(file_, at_, codes, band)
                           : end_of_codes(file_, at_, codes);
    }
    if (end == JpegProgress::not_followed) return skip_entropy_coded();
    if (end == 0) {
        refused_ = true;
        return skip_entropy_coded();
    }
    at_ = end;
    return Reason::none;
}

// The component of a scan that is named at `at`, with the tables that it needs.
bool JpegWalk::add_component(std::size_t at, bool has_averages, bool has_rest,
                             JpegScan& scan) noexcept {
    const unsigned averages = file_.data[at + 1] >> 4, rest = file_.data[at + 1] & 15U;
    for (unsigned i = 0; i < components_; ++i) {
        FrameComponent& component = frame_[i];
        // Once each, unless scans refine each other; numbers may be the same.
        if (component.number != file_.data[at] || (component.is_scanned && !progressive_)) continue;
        component.is_scanned = true;
        if (!tables_.has_quantization(component.quantization_slot)) return false;
        JpegScan::Component& added = scan.components[scan.component_count++];
        added.place = i;
        added.horizontal = component.horizontal;
        added.vertical = component.vertical;
        added.average_step = tables_.average_step(component.quantization_slot);
        added.averages = tables_.huffman(0, averages);
        added.rest = tables_.huffman(1, rest);
        return arithmetic_ || ((!has_averages || added.averages != nullptr) &&
                               (!has_rest || added.rest != nullptr));
    }
    return false;
}

// How many blocks there must be. False if one unit has more than the standard allows.
bool JpegWalk::set_units(JpegScan& scan) const noexcept {
    constexpr unsigned block_side = 8, most_blocks_in_unit = 10;
    unsigned horizontal = 1, vertical = 1, blocks = 0;
    for (unsigned i = 0; i < components_; ++i) {
        horizontal = std::max(horizontal, frame_[i].horizontal);
        vertical = std::max(vertical, frame_[i].vertical);
    }
    unsigned width = header_.width, height = header_.height;
    if (scan.component_count == 1) {
        // Alone a component has units of one block, and none beyond its own sides.
        JpegScan::Component& only = scan.components[0];
        width *= only.horizontal;
        height *= only.vertical;
        only.horizontal = only.vertical = 1;
    }
    for (const JpegScan::Component& component : scan.components)
        blocks += component.horizontal * component.vertical;
    scan.units =
        divided_up(width, block_side * horizontal) * divided_up(height, block_side * vertical);
    return blocks <= most_blocks_in_unit;
}

JpegBand JpegWalk::band_at(std::size_t at) const noexcept {
    const unsigned bits = file_.data[at + 2];
    return {file_.data[at], file_.data[at + 1], bits >> 4, bits & 15U};
}

Reason JpegWalk::skip_entropy_coded() noexcept {
    const std::size_t begin = at_;
    for (;;) {
        const void* hit = std::memchr(file_.data + at_, 0xFF, file_.size - at_);
        if (hit == nullptr) return Reason::truncated;
        at_ = static_cast<std::size_t>(static_cast<const std::uint8_t*>(hit) - file_.data);
        if (!file_.has(at_, 2)) return Reason::truncated;
        const std::uint8_t next = file_.data[at_ + 1];
        if (next == 0x00 || (next >= RST0 && next <= RST7)) {
            at_ += 2;
        } else if (next == 0xFF) {
            at_ += 1;
        } else {
            return at_ == begin ? Reason::corrupt : Reason::none;
        }
    }
}

bool JpegWalk::is_adobe(std::uint64_t length) const noexcept {
    return length >= 14 && std::memcmp(file_.data + at_ + 2, "Adobe", 5) == 0;
}

}  // namespace

void inspect_jpeg(Bytes file, const Limits& limits, ImageHeader& header) noexcept {
    header.reason = JpegWalk(file, limits, header).run();
}

}  // namespace bloodcell::formats
