// Python's view of the header gate and the batch reader.
#include <cerrno>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "arrays.hpp"
#include "bindings.hpp"
#include "bloodcell/digest.hpp"
#include "bloodcell/gate.hpp"
#include "bloodcell/read.hpp"

namespace py = pybind11;

namespace {

using bloodcell::Digest;
using bloodcell::Limits;
using ByteArray = py::array_t<std::uint8_t>;

// A borrowed view of any object with contiguous bytes; CPython keeps them in place meanwhile.
class BufferView {
public:
    explicit BufferView(const py::object& object) {
        if (PyObject_GetBuffer(object.ptr(), &view_, PyBUF_SIMPLE) != 0) {
            throw py::error_already_set();
        }
    }
    ~BufferView() { PyBuffer_Release(&view_); }
    BufferView(const BufferView&) = delete;
    BufferView& operator=(const BufferView&) = delete;

    const std::uint8_t* data() const { return static_cast<const std::uint8_t*>(view_.buf); }
    std::size_t size() const { return static_cast<std::size_t>(view_.len); }

private:
    Py_buffer view_{};
};

// Hands memory over to an array without copying; the array's capsule owns `owner` from then on.
template <typename T, typename Owner>
py::array_t<T> adopt(std::shared_ptr<Owner> owner, T* data, std::vector<std::size_t> shape) {
    auto held = std::make_unique<std::shared_ptr<Owner>>(std::move(owner));
    py::capsule capsule(
        held.get(), [](void* pointer) { delete static_cast<std::shared_ptr<Owner>*>(pointer); });
    static_cast<void>(held.release());
    return py::array_t<T>(std::move(shape), data, capsule);
}

// A string column of NumPy arrays: the offsets copied and checked, the bytes viewed.
class Strings {
public:
    Strings(const std::string& name, const py::object& offsets, const py::object& bytes)
        : bytes_(view<std::uint8_t>((name + "_bytes").c_str(), bytes, {-1})),
          offsets_(checked_offsets((name + "_offsets").c_str(), offsets, length_of(bytes))) {}

    std::size_t count() const { return offsets_.size() - 1; }
    bloodcell::StringColumn column() const {
        return {offsets_.data(), reinterpret_cast<const char*>(bytes_), count()};
    }

private:
    const std::uint8_t* bytes_;
    std::vector<std::int64_t> offsets_;
};

// What `read` returns, as arrays. It runs without the GIL, so it may touch no Python object; the
// caller's references keep alive what it views.
template <typename Read>
py::tuple batch_of(const Read& read) {
    auto batch = std::make_shared<bloodcell::EncodedBatch>();
    {
        const py::gil_scoped_release unlocked;
        *batch = read();
        batch->buffer.make_room(0);  // an array wants an address even for no bytes
    }
    const std::size_t count = batch->digests.size();
    auto* digests = reinterpret_cast<std::uint8_t*>(batch->digests.data());
    return py::make_tuple(adopt(batch, batch->buffer.data(), {batch->buffer.size()}),
                          adopt(batch, batch->offsets.data(), {batch->offsets.size()}),
                          adopt(batch, batch->reasons.data(), {batch->reasons.size()}),
                          adopt(batch, digests, {count, sizeof(Digest)}));
}

Limits limits_with(bool follows_codes) {
    Limits limits;
    limits.follows_codes = follows_codes;
    return limits;
}

py::tuple read_files(const std::string& root, const py::object& path_offsets,
                     const py::object& path_bytes, bool follows_codes) {
    const Strings paths("path", path_offsets, path_bytes);
    const Limits limits = limits_with(follows_codes);
    return batch_of([&] { return bloodcell::read_files(root, paths.column(), limits); });
}

py::tuple read_ranges(const std::string& root, const py::object& shard_offsets,
                      const py::object& shard_bytes, const py::object& range_offsets,
                      const py::object& range_sizes, bool follows_codes) {
    const Strings shards("shard", shard_offsets, shard_bytes);
    const auto count = static_cast<py::ssize_t>(shards.count());
    const bloodcell::ByteRanges ranges{view<std::int64_t>("range_offsets", range_offsets, {count}),
                                       view<std::int64_t>("range_sizes", range_sizes, {count})};
    const Limits limits = limits_with(follows_codes);
    return batch_of([&] { return bloodcell::read_ranges(root, shards.column(), ranges, limits); });
}

py::tuple read_memory(const py::sequence& images) {
    std::vector<py::bytes> held;  // a list could be changed by another thread
    std::vector<bloodcell::Bytes> views;
    for (const py::handle image : images) {
        if (!py::isinstance<py::bytes>(image)) {
            throw py::type_error(std::string("images: expected bytes, found ") +
                                 Py_TYPE(image.ptr())->tp_name);
        }
        held.push_back(py::reinterpret_borrow<py::bytes>(image));
        const std::string_view bytes = held.back();
        views.push_back({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
    }
    return batch_of([&] { return bloodcell::read_memory(views, Limits{}); });
}

ByteArray gate(const py::object& buffer, const py::object& offsets_array) {
    const std::uint8_t* bytes = view<std::uint8_t>("buffer", buffer, {-1});
    const std::vector<std::int64_t> offsets =
        checked_offsets("offsets", offsets_array, length_of(buffer));
    auto reasons = std::make_shared<std::vector<std::uint8_t>>();
    {
        // Safe: no Python object is touched, and our caller's reference keeps the buffer alive.
        const py::gil_scoped_release unlocked;
        *reasons = bloodcell::gate_encoded(bytes, offsets.data(), offsets.size() - 1, Limits{});
    }
    return adopt(reasons, reasons->data(), {reasons->size()});
}

enum Trait : std::uint8_t { needs_rewriting = 1, is_deep = 2, is_packed = 4 };

// Of images that have passed the gate, so the limits do not matter any more.
ByteArray traits(const py::object& buffer, const py::object& offsets_array) {
    const std::uint8_t* bytes = view<std::uint8_t>("buffer", buffer, {-1});
    const std::vector<std::int64_t> offsets =
        checked_offsets("offsets", offsets_array, length_of(buffer));
    auto traits = std::make_shared<std::vector<std::uint8_t>>(offsets.size() - 1);
    {
        // Safe for the reason that gate() gives.
        const py::gil_scoped_release unlocked;
        const Limits limits = limits_with(false);
        for (std::size_t i = 0; i < traits->size(); ++i) {
            const auto size = static_cast<std::size_t>(offsets[i + 1] - offsets[i]);
            const bloodcell::ImageHeader header =
                bloodcell::inspect(bytes + offsets[i], size, limits);
            (*traits)[i] = static_cast<std::uint8_t>(
                (header.needs_rewriting ? needs_rewriting : 0) | (header.is_deep ? is_deep : 0) |
                (header.is_packed ? is_packed : 0));
        }
    }
    return adopt(traits, traits->data(), {traits->size()});
}

bloodcell::ImageHeader inspect(const py::object& data, std::uint32_t min_side_px,
                               std::uint32_t max_side_px, bool follows_codes) {
    const BufferView view(data);
    Limits limits = limits_with(follows_codes);
    limits.min_side_px = min_side_px;
    limits.max_side_px = max_side_px;
    return bloodcell::inspect(view.data(), view.size(), limits);
}

py::bytes digest(const py::object& data) {
    const BufferView view(data);
    const Digest digest = bloodcell::digest_of(view.data(), view.size());
    return py::bytes(reinterpret_cast<const char*>(digest.data()), digest.size());
}

py::tuple reason_tuple() {
    py::tuple names(bloodcell::reason_count);
    for (std::size_t i = 0; i < bloodcell::reason_count; ++i) {
        names[i] = py::str(bloodcell::reason_names[i]);
    }
    return names;
}

const char* reason_name(const bloodcell::ImageHeader& header) {
    return bloodcell::reason_names[static_cast<std::size_t>(header.reason)];
}

const char* format_name(const bloodcell::ImageHeader& header) {
    return bloodcell::format_names[static_cast<std::size_t>(header.format)];
}

std::string describe(const bloodcell::ImageHeader& header) {
    return std::string("ImageHeader(reason='") + reason_name(header) + "', format='" +
           format_name(header) + "', width=" + std::to_string(header.width) +
           ", height=" + std::to_string(header.height) + ")";
}

// A shortage of the machine becomes Python's own OSError, with its errno.
void translate_system_error(std::exception_ptr pointer) {
    try {
        if (pointer) std::rethrow_exception(pointer);
    } catch (const std::system_error& error) {
        errno = error.code().value();
        PyErr_SetFromErrno(PyExc_OSError);
    }
}

}  // namespace

void register_images(py::module_& module) {
    py::register_local_exception_translator(translate_system_error);
    module.attr("REASONS") = reason_tuple();
    module.attr("LEAST_SIDE_PX") = Limits{}.min_side_px;
    module.attr("LARGEST_SIDE_PX") = Limits{}.max_side_px;
    module.attr("NEEDS_REWRITING") = static_cast<int>(needs_rewriting);
    module.attr("IS_DEEP") = static_cast<int>(is_deep);
    module.attr("IS_PACKED") = static_cast<int>(is_packed);
    py::class_<bloodcell::ImageHeader>(module, "ImageHeader")
        .def_property_readonly("reason", &reason_name)
        .def_property_readonly("format", &format_name)
        .def_readonly("width", &bloodcell::ImageHeader::width)
        .def_readonly("height", &bloodcell::ImageHeader::height)
        .def_readonly("needs_rewriting", &bloodcell::ImageHeader::needs_rewriting)
        .def_readonly("is_deep", &bloodcell::ImageHeader::is_deep)
        .def("__repr__", &describe);
    module.def("inspect", &inspect, py::arg("data"), py::kw_only(), py::arg("min_side_px") = 16,
               py::arg("max_side_px") = 4096, py::arg("follows_codes") = true);
    module.def("read_files", &read_files, py::arg("root"), py::arg("path_offsets"),
               py::arg("path_bytes"), py::kw_only(), py::arg("follows_codes") = true);
    module.def("read_ranges", &read_ranges, py::arg("root"), py::arg("shard_offsets"),
               py::arg("shard_bytes"), py::arg("range_offsets"), py::arg("range_sizes"),
               py::kw_only(), py::arg("follows_codes") = true);
    module.def("read_memory", &read_memory, py::arg("images"));
    module.def("digest", &digest, py::arg("data"));
    module.def("gate", &gate, py::arg("buffer"), py::arg("offsets"));
    module.def("traits", &traits, py::arg("buffer"), py::arg("offsets"));
}
