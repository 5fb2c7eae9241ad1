#include "network.hpp"

#include <dlfcn.h>
#include <onnxruntime_c_api.h>

#include <array>
#include <cstdlib>
#include <mutex>

#include "failure.hpp"
#include "log.hpp"

namespace bloodcell {

namespace {

// Of ONNX Runtime 1.20, the oldest that bloodcell is run with. OrtApi only ever grows at its end,
// so the newer header that it is compiled with describes it.
constexpr std::uint32_t api_version = 20;

// ONNX Runtime's own objects, each given back by the function of the API that is for it.
template <typename T>
using Owned = std::unique_ptr<T, void (*)(T*)>;

void forward_log(void*, OrtLoggingLevel severity, const char*, const char*, const char*,
                 const char* message) {
    log_line(severity >= ORT_LOGGING_LEVEL_ERROR ? BLOODCELL_LOG_ERROR : BLOODCELL_LOG_WARNING,
             std::string("ONNX Runtime: ") + message);
}

// Never unloaded: threads of ONNX Runtime may outlive its last session.
const OrtApiBase& load(const std::string& library) {
    static std::mutex mutex;
    const std::lock_guard<std::mutex> lock(mutex);
    // It reads the variable when it is loaded. Threads that read others meanwhile may be disturbed,
    // so it is set once.
    constexpr const char* telemetry = "ORT_DISABLE_TELEMETRY";
    const char* const is_disabled = std::getenv(telemetry);
    if (is_disabled == nullptr || is_disabled != std::string("1")) setenv(telemetry, "1", 1);
    void* const handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) {
        throw Failure(BLOODCELL_NO_RUNTIME,
                      std::string("ONNX Runtime cannot be loaded: ") + dlerror() +
                          ". Name its shared library in bloodcell_model_options.onnxruntime");
    }
    using GetApiBase = const OrtApiBase* (*)();
    const auto get = reinterpret_cast<GetApiBase>(dlsym(handle, "OrtGetApiBase"));
    if (get == nullptr || get() == nullptr) {
        throw Failure(BLOODCELL_NO_RUNTIME, library + " is not ONNX Runtime: no OrtGetApiBase");
    }
    return *get();
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
    std::string text;
    for (const std::int64_t length : shape) {
        text += (text.empty() ? "" : ", ") + (length < 0 ? "N" : std::to_string(length));
    }
    return "[" + text + "]";
}

}  // namespace

struct Network::Runtime {
    explicit Runtime(const std::string& library)
        : base(load(library)), api(base.GetApi(api_version)) {
        if (api == nullptr) {
            throw Failure(BLOODCELL_NO_RUNTIME, "ONNX Runtime " + version() + " of " + library +
                                                    " is too old: 1.20 or later is expected");
        }
    }
    ~Runtime() {
        if (session != nullptr) api->ReleaseSession(session);
        if (environment != nullptr) api->ReleaseEnv(environment);
    }
    Runtime(const Runtime&) = delete;
    Runtime& operator=(const Runtime&) = delete;

    std::string version() const { return base.GetVersionString(); }

    // ONNX Runtime's word for what went wrong; "" if nothing did.
    std::string error(OrtStatus* status) const {
        if (status == nullptr) return "";
        const Owned<OrtStatus> owned(status, api->ReleaseStatus);
        const std::string message = api->GetErrorMessage(status);
        return message.empty() ? "an error without a message" : message;
    }

    void check(OrtStatus* status, bloodcell_status kind, const std::string& what) const {
        const std::string message = error(status);
        if (!message.empty()) throw Failure(kind, what + ": " + message);
    }

    const OrtApiBase& base;
    const OrtApi* api;
    OrtEnv* environment = nullptr;
    OrtSession* session = nullptr;
};

Network::Network(const std::string& library, const std::string& weights, const std::string& path,
                 NetworkShape shape, int threads)
    : runtime_(std::make_unique<Runtime>(library)),
      shape_(shape),
      runtime_version_(runtime_->version()) {
    log_line(BLOODCELL_LOG_INFO, "ONNX Runtime " + runtime_version_ + " of " + library);
    open(weights, path, threads);
    check_shapes(path);
}

Network::~Network() = default;

void Network::open(const std::string& weights, const std::string& path, int threads) {
    const OrtApi& api = *runtime_->api;
    const auto check = [&](OrtStatus* status, const char* what) {
        runtime_->check(status, BLOODCELL_NO_RUNTIME, what);
    };
    check(api.CreateEnvWithCustomLogger(&forward_log, nullptr, ORT_LOGGING_LEVEL_WARNING,
                                        "bloodcell", &runtime_->environment),
          "ONNX Runtime cannot be started");
    check(api.DisableTelemetryEvents(runtime_->environment), "ONNX Runtime's telemetry");
    OrtSessionOptions* raw = nullptr;
    check(api.CreateSessionOptions(&raw), "ONNX Runtime's options");
    const Owned<OrtSessionOptions> options(raw, api.ReleaseSessionOptions);
    check(api.SetIntraOpNumThreads(raw, threads), "ONNX Runtime's threads");
    // Weights that lie outside of the file, which no digest holds, are looked for in the file as if
    // it were a folder, and not in the current one.
    check(api.AddSessionConfigEntry(raw, "session.model_external_initializers_file_folder_path",
                                    path.c_str()),
          "ONNX Runtime's options");
    const std::string error = runtime_->error(api.CreateSessionFromArray(
        runtime_->environment, weights.data(), weights.size(), raw, &runtime_->session));
    if (error.find("xternal data") != std::string::npos) {
        throw bad_model(path +
                        " has weights in other files, which its card's SHA-256 does not "
                        "hold: save it with all of them inside");
    }
    if (!error.empty()) throw bad_model(path + " cannot be loaded as ONNX: " + error);
}

void Network::check_shapes(const std::string& path) {
    const OrtApi& api = *runtime_->api;
    const auto check = [&](OrtStatus* status) {
        runtime_->check(status, BLOODCELL_BAD_MODEL, path + " cannot be described");
    };
    std::size_t inputs = 0;
    check(api.SessionGetInputCount(runtime_->session, &inputs));
    if (inputs != 1) {
        throw bad_model(path + " has " + std::to_string(inputs) +
                        " inputs: one, of the pixels, is expected");
    }
    const auto described = [&](auto get_type, auto get_name, std::string& name) {
        OrtTypeInfo* type = nullptr;
        check(get_type(runtime_->session, 0, &type));
        const Owned<OrtTypeInfo> owned(type, api.ReleaseTypeInfo);
        const OrtTensorTypeAndShapeInfo* tensor = nullptr;
        check(api.CastTypeInfoToTensorInfo(type, &tensor));
        ONNXTensorElementDataType element = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
        std::size_t rank = 0;
        std::vector<std::int64_t> shape;
        if (tensor != nullptr) {
            check(api.GetTensorElementType(tensor, &element));
            check(api.GetDimensionsCount(tensor, &rank));
            shape.resize(rank);
            check(api.GetDimensions(tensor, shape.data(), rank));
        }
        if (element != ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT) {
            throw bad_model(path + " takes or gives something else than float32");
        }
        OrtAllocator* allocator = nullptr;
        check(api.GetAllocatorWithDefaultOptions(&allocator));
        char* text = nullptr;
        check(get_name(runtime_->session, 0, allocator, &text));
        name = text;
        check(api.AllocatorFree(allocator, text));
        return shape;
    };
    const auto in = described(api.SessionGetInputTypeInfo, api.SessionGetInputName, input_);
    const auto out = described(api.SessionGetOutputTypeInfo, api.SessionGetOutputName, output_);
    const std::vector<std::int64_t> pixels{-1, 3, shape_.input_px, shape_.input_px};
    const std::vector<std::int64_t> logits{-1, static_cast<std::int64_t>(shape_.classes)};
    if (in != pixels || out != logits) {
        throw bad_model(path + " takes " + shape_text(in) + " and gives " + shape_text(out) +
                        "; its card says " + shape_text(pixels) + " and " + shape_text(logits));
    }
}

std::vector<float> Network::logits(float* pixels, std::size_t cells) const {
    const OrtApi& api = *runtime_->api;
    const auto check = [&](OrtStatus* status) {
        runtime_->check(status, BLOODCELL_NETWORK_FAILED,
                        "ONNX Runtime failed on " + std::to_string(cells) + " cells");
    };
    OrtMemoryInfo* memory = nullptr;
    check(api.CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &memory));
    const Owned<OrtMemoryInfo> owned_memory(memory, api.ReleaseMemoryInfo);
    const std::array<std::int64_t, 4> in{static_cast<std::int64_t>(cells), 3, shape_.input_px,
                                         shape_.input_px};
    const auto side = static_cast<std::size_t>(shape_.input_px);
    const auto tensor = [&](float* data, std::size_t count, const std::int64_t* shape,
                            std::size_t rank) {
        OrtValue* value = nullptr;
        check(api.CreateTensorWithDataAsOrtValue(memory, data, count * sizeof(float), shape, rank,
                                                 ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, &value));
        return Owned<OrtValue>(value, api.ReleaseValue);
    };
    std::vector<float> logits(cells * shape_.classes);
    const std::array<std::int64_t, 2> out{static_cast<std::int64_t>(cells),
                                          static_cast<std::int64_t>(shape_.classes)};
    const auto input = tensor(pixels, cells * 3 * side * side, in.data(), in.size());
    const auto output = tensor(logits.data(), logits.size(), out.data(), out.size());
    const char* const input_names[] = {input_.c_str()};
    const char* const output_names[] = {output_.c_str()};
    const OrtValue* const inputs[] = {input.get()};
    OrtValue* outputs[] = {output.get()};
    check(api.Run(runtime_->session, nullptr, input_names, inputs, 1, output_names, 1, outputs));
    return logits;
}

}  // namespace bloodcell
