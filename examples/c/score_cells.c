/* Scores one patient's cells: score_cells MODEL ONNXRUNTIME PATIENT CELL.ppm...
 *
 * A scanner has its cells in memory; here they are read from PPM files (P6, 8 bits), so that the
 * program can be run without one. ONNXRUNTIME is its shared library, or - where the loader finds
 * it.
 */
#include <bloodcell.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failed(const char* what) {
    fprintf(stderr, "%s: %s\n", what, bloodcell_last_error());
    return 1;
}

static void print_log(int32_t level, const char* message, void* user) {
    (void)user;
    fprintf(stderr, "%s: %s\n", level == BLOODCELL_LOG_INFO ? "info" : "warning", message);
}

/* 0 and an image whose pixels are to be freed, or 1. */
static int read_ppm(const char* path, int64_t row, bloodcell_image* image) {
    FILE* file = fopen(path, "rb");
    int width = 0, height = 0, white = 0, is_read = 0;
    uint8_t* pixels = NULL;
    if (file != NULL && fscanf(file, "P6 %d %d %d", &width, &height, &white) == 3 && white == 255 &&
        fgetc(file) != EOF && width > 0 && height > 0 && width < 10000 && height < 10000) {
        const size_t size = (size_t)3 * (size_t)width * (size_t)height;
        pixels = malloc(size);
        is_read = pixels != NULL && fread(pixels, 1, size, file) == size;
    }
    if (file != NULL) fclose(file);
    if (!is_read) {
        free(pixels);
        fprintf(stderr, "%s is no PPM of 8 bits\n", path);
        return 1;
    }
    *image = (bloodcell_image){pixels, width, height, (size_t)3 * (size_t)width, row};
    return 0;
}

static int print_cells(const bloodcell_model* model, const bloodcell_cell* cells, size_t count) {
    for (size_t i = 0; i < count; ++i) {
        bloodcell_class called = BLOODCELL_INIT(called);
        if (cells[i].reason != BLOODCELL_NOT_REJECTED) {
            printf("cell %" PRId64 " rejected %s\n", cells[i].row,
                   bloodcell_reason_text(cells[i].reason));
            continue;
        }
        if (bloodcell_model_class(model, cells[i].class_index, &called)) return failed("class");
        printf("cell %" PRId64 " %s %.9g\n", cells[i].row, called.code,
               (double)cells[i].blast_probability);
    }
    return 0;
}

static void print_report(const char* patient, const bloodcell_report* report) {
    printf("%s: %" PRId64 " cells, %" PRId64 " rejected, %" PRId64 " of %" PRId64
           " leukocytes called blasts\n",
           patient, report->cells, report->rejected, report->blasts_counted, report->denominator);
    printf("naive %.17g %.17g %.17g\n", report->blast_percent_naive,
           report->blast_percent_naive_low, report->blast_percent_naive_high);
    printf("%s %.17g %.17g %.17g\n", bloodcell_adjustment_text(report->adjustment),
           report->blast_percent, report->blast_percent_low, report->blast_percent_high);
}

static int score(const char* folder, const char* onnxruntime, const char* patient,
                 const bloodcell_image* images, size_t count, bloodcell_cell* cells) {
    bloodcell_model_options options = BLOODCELL_INIT(options);
    bloodcell_report report = BLOODCELL_INIT(report);
    bloodcell_model_about about = BLOODCELL_INIT(about);
    bloodcell_model* model = NULL;
    bloodcell_counts* counts = NULL;
    float* probabilities = NULL;
    int result = 1;
    if (strcmp(onnxruntime, "-") != 0) options.onnxruntime = onnxruntime;
    if (bloodcell_model_open(folder, &options, &model)) return failed("model");
    if (bloodcell_model_describe(model, &about) || bloodcell_counts_open(model, &counts)) {
        failed("model");
        goto done;
    }
    probabilities = malloc(count * (size_t)about.classes * sizeof *probabilities);
    if (probabilities == NULL) goto done;
    if (bloodcell_score(model, images, count, cells, probabilities) ||
        bloodcell_counts_add(counts, patient, cells, probabilities, count) ||
        bloodcell_counts_finish(counts, patient, &report, NULL, 0)) {
        failed("score");
        goto done;
    }
    result = print_cells(model, cells, count);
    print_report(patient, &report);
done:
    free(probabilities);
    if (counts != NULL) bloodcell_counts_close(counts);
    bloodcell_model_close(model);
    return result;
}

int main(int argc, char** argv) {
    if (argc < 5) {
        fprintf(stderr, "usage: score_cells MODEL ONNXRUNTIME PATIENT CELL.ppm...\n");
        return 2;
    }
    if (bloodcell_abi_version() != BLOODCELL_ABI_VERSION) {
        fprintf(stderr, "libbloodcell %s has another ABI\n", bloodcell_version());
        return 2;
    }
    const size_t count = (size_t)argc - 4;
    bloodcell_image* images = calloc(count, sizeof *images);
    bloodcell_cell* cells = calloc(count, sizeof *cells);
    int result = images == NULL || cells == NULL;
    bloodcell_set_log(print_log, NULL);
    for (size_t i = 0; i < count && result == 0; ++i) {
        result = read_ppm(argv[4 + i], (int64_t)i, &images[i]);
    }
    if (result == 0) result = score(argv[1], argv[2], argv[3], images, count, cells);
    for (size_t i = 0; i < count && images != NULL; ++i) free((void*)images[i].pixels);
    free(images);
    free(cells);
    return result;
}
