// A network that ONNX Runtime runs, which is found when the first one is opened.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace bloodcell {

struct NetworkShape {
    int input_px;
    std::size_t classes;
};

class Network {
public:
    // library: path or name of ONNX Runtime's shared library. weights: the file's bytes; path:
    // where they were read, for messages. Throws Failure: NO_RUNTIME, or BAD_MODEL if the bytes are
    // no network of this shape.
    Network(const std::string& library, const std::string& weights, const std::string& path,
            NetworkShape shape, int threads);
    ~Network();
    Network(const Network&) = delete;
    Network& operator=(const Network&) = delete;

    // pixels: cells x 3 x input_px x input_px; returns logits, cells x classes. May be called from
    // several threads at once. Throws Failure.
    std::vector<float> logits(float* pixels, std::size_t cells) const;

    const std::string& runtime_version() const { return runtime_version_; }

private:
    struct Runtime;

    void open(const std::string& weights, const std::string& path, int threads);
    void check_shapes(const std::string& path);

    std::unique_ptr<Runtime> runtime_;
    NetworkShape shape_;
    std::string runtime_version_;
    std::string input_;
    std::string output_;
};

}  // namespace bloodcell
