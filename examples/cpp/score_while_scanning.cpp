// Scores a patient's cells as they come, on several threads, and says how the patient stands:
// score_while_scanning MODEL ONNXRUNTIME PATIENT THREADS CELL.ppm...
//
// A scanner hands over cells one by one; here a shared counter over PPM files (P6, 8 bits) plays
// it.
#include <bloodcell.h>

#include <atomic>
#include <cstdio>
#include <exception>
#include <fstream>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

// The library's statuses as exceptions of the program's own.
void check(int status) {
    if (status == BLOODCELL_OK) return;
    throw std::runtime_error(std::string(bloodcell_status_text(status)) + ": " +
                             bloodcell_last_error());
}

struct Closing {
    void operator()(bloodcell_model* model) const { bloodcell_model_close(model); }
    void operator()(bloodcell_counts* counts) const { bloodcell_counts_close(counts); }
};
using Model = std::unique_ptr<bloodcell_model, Closing>;
using Counts = std::unique_ptr<bloodcell_counts, Closing>;

Model open_model(const std::string& folder, const std::string& onnxruntime) {
    bloodcell_model_options options = BLOODCELL_INIT(options);
    if (onnxruntime != "-") options.onnxruntime = onnxruntime.c_str();
    bloodcell_model* model = nullptr;
    check(bloodcell_model_open(folder.c_str(), &options, &model));
    return Model(model);
}

Counts open_counts(const Model& model) {
    bloodcell_counts* counts = nullptr;
    check(bloodcell_counts_open(model.get(), &counts));
    return Counts(counts);
}

struct Picture {
    int width = 0;
    int height = 0;
    std::vector<unsigned char> pixels;
};

Picture read_ppm(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::string magic;
    int white = 0;
    Picture picture;
    file >> magic >> picture.width >> picture.height >> white;
    file.get();
    if (!file || magic != "P6" || white != 255 || picture.width < 1 || picture.height < 1) {
        throw std::runtime_error(path + " is no PPM of 8 bits");
    }
    picture.pixels.resize(std::size_t{3} * picture.width * picture.height);
    file.read(reinterpret_cast<char*>(picture.pixels.data()),
              static_cast<std::streamsize>(picture.pixels.size()));
    if (!file) throw std::runtime_error(path + " is cut off");
    return picture;
}

// What each thread does until no cell is left.
void score_cells(const Model& model, const Counts& counts, const std::string& patient,
                 const std::vector<std::string>& paths, std::atomic<std::size_t>& next) {
    bloodcell_model_about about = BLOODCELL_INIT(about);
    check(bloodcell_model_describe(model.get(), &about));
    std::vector<float> probabilities(static_cast<std::size_t>(about.classes));
    for (std::size_t i = next++; i < paths.size(); i = next++) {
        const Picture picture = read_ppm(paths[i]);
        const bloodcell_image image{picture.pixels.data(), picture.width, picture.height,
                                    std::size_t{3} * picture.width, static_cast<int64_t>(i)};
        bloodcell_cell cell;
        check(bloodcell_score(model.get(), &image, 1, &cell, probabilities.data()));
        check(bloodcell_counts_add(counts.get(), patient.c_str(), &cell, probabilities.data(), 1));
    }
}

void print(const std::string& patient, const bloodcell_report& report) {
    std::printf("%s: %lld cells, %lld rejected\n", patient.c_str(),
                static_cast<long long>(report.cells), static_cast<long long>(report.rejected));
    std::printf("naive %.17g %.17g %.17g\n", report.blast_percent_naive,
                report.blast_percent_naive_low, report.blast_percent_naive_high);
    std::printf("%s %.17g %.17g %.17g\n", bloodcell_adjustment_text(report.adjustment),
                report.blast_percent, report.blast_percent_low, report.blast_percent_high);
}

void run(int argc, char** argv) {
    const std::string patient = argv[3];
    const std::vector<std::string> paths(argv + 5, argv + argc);
    const Model model = open_model(argv[1], argv[2]);
    const Counts counts = open_counts(model);
    std::atomic<std::size_t> next{0};
    std::vector<std::future<void>> threads;
    for (int i = 0; i < std::stoi(argv[4]); ++i) {
        threads.push_back(std::async(std::launch::async,
                                     [&] { score_cells(model, counts, patient, paths, next); }));
    }
    for (auto& thread : threads) thread.get();
    bloodcell_report report = BLOODCELL_INIT(report);
    check(bloodcell_counts_finish(counts.get(), patient.c_str(), &report, nullptr, 0));
    print(patient, report);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 6 || bloodcell_abi_version() != BLOODCELL_ABI_VERSION) {
        std::fprintf(stderr,
                     "usage: score_while_scanning MODEL ONNXRUNTIME PATIENT THREADS CELL.ppm...\n");
        return 2;
    }
    try {
        run(argc, argv);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
    return 0;
}
