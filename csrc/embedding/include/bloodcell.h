/* libbloodcell: cells in memory to a patient's blast report, for programs in C and C++.
 *
 * The way: open a model, score RGB images, add what comes of them to the counts of their patients,
 * finish a patient. docs/embedding-c.md has a program that does it, and what is stable.
 *
 * Statuses. Every function that returns int returns a bloodcell_status: 0, or why it did nothing.
 * A call that fails has changed nothing; out-parameters are then as they were. What was wrong, in
 * words, says bloodcell_last_error(). No C++ exception and no signal leaves the library.
 *
 * Threads. Every function may be called from any thread, and several at a time on one handle.
 * Scoring runs side by side; what touches one counts handle waits its turn. A handle may be closed
 * while another thread is inside a call on it: that call ends as usual, later ones get
 * BLOODCELL_CLOSED. A handle's number is not used again in the process, so a closed one is always
 * noticed. Scoring expects the rounding that IEEE 754 defaults to. After fork() only the parent
 * goes on using it.
 *
 * Memory. The library keeps no pointer that it was given, the log's callback and its `user`
 * excepted: buffers are the caller's and may be freed when the call returns. It returns no memory
 * to free but by bloodcell_model_close and bloodcell_counts_close. Texts that it returns are UTF-8
 * and stay: for ever, or as long as it says here.
 *
 * Sizes. A struct whose first member is struct_size grows at its end in later versions: set that
 * member to sizeof the struct, as BLOODCELL_INIT does, and an older or newer library fills or reads
 * what both know. The structs without it (image, cell, answer) never change within an ABI version.
 *
 * Nothing leaves the machine: the library opens the files that it is told and no connection, and
 * tells ONNX Runtime to report nothing. For that it sets the environment variable
 * ORT_DISABLE_TELEMETRY before it loads ONNX Runtime, at the first bloodcell_model_open of a
 * process.
 *
 * Research use only: not a medical device, never a diagnosis.
 */
#ifndef BLOODCELL_H
#define BLOODCELL_H

#include <stddef.h>
#include <stdint.h>

/* A struct that is empty but for its struct_size: `bloodcell_report r = BLOODCELL_INIT(r);`
 * For C99 and C++11. */
#ifdef __cplusplus
template <typename Struct>
Struct bloodcell_empty() {
    Struct made = Struct();
    made.struct_size = sizeof(Struct);
    return made;
}
#define BLOODCELL_INIT(name) bloodcell_empty<decltype(name)>()
#else
#define BLOODCELL_INIT(name) {.struct_size = sizeof(name)}
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Of this header. The library's is bloodcell_abi_version(); programs run with any library whose
 * number is the same. */
#define BLOODCELL_ABI_VERSION 1

#if defined(__GNUC__)
#define BLOODCELL_API __attribute__((visibility("default")))
#else
#define BLOODCELL_API
#endif

typedef enum bloodcell_status {
    BLOODCELL_OK = 0,
    BLOODCELL_INVALID_ARGUMENT = 1, /* a pointer, size or value that cannot be */
    BLOODCELL_CLOSED = 2,           /* a handle that was closed, or never was one */
    BLOODCELL_BAD_MODEL = 3,  /* the model folder is incomplete, damaged or at odds with itself */
    BLOODCELL_NO_RUNTIME = 4, /* ONNX Runtime was not found, or is too old */
    BLOODCELL_NETWORK_FAILED = 5,   /* ONNX Runtime could not run the network on these cells */
    BLOODCELL_UNKNOWN_PATIENT = 6,  /* nothing was added under this name */
    BLOODCELL_FINISHED = 7,         /* the patient is finished: no more cells, no second finish */
    BLOODCELL_BUFFER_TOO_SMALL = 8, /* the message says how many elements there are */
    BLOODCELL_NO_MEMORY = 9,
    BLOODCELL_INTERNAL = 10 /* a fault of the library: please report it with its message */
} bloodcell_status;

/* Why a cell is rejected. Numbers and words are those of a run folder. */
typedef enum bloodcell_reason {
    BLOODCELL_NOT_REJECTED = 0,
    BLOODCELL_MISSING = 1,
    BLOODCELL_UNREADABLE = 2,
    BLOODCELL_EMPTY = 3,
    BLOODCELL_NOT_AN_IMAGE = 4,
    BLOODCELL_UNSUPPORTED = 5,
    BLOODCELL_TRUNCATED = 6,
    BLOODCELL_CORRUPT = 7,
    BLOODCELL_TOO_SMALL = 8,
    BLOODCELL_TOO_LARGE = 9,
    BLOODCELL_CRASHED_DECODER = 10
} bloodcell_reason;
#define BLOODCELL_REASONS 11

/* Whether the adjusted numbers of a patient hold, or why not. */
typedef enum bloodcell_adjustment {
    BLOODCELL_ADJUSTED = 0,
    BLOODCELL_LACKS_STAIN = 1, /* most cells look otherwise than the network's smears */
    BLOODCELL_NO_ERROR_MODEL = 2,
    BLOODCELL_OTHER_COUNTING = 3, /* the error model is for another profile or other equivalents */
    BLOODCELL_NO_LEUKOCYTES = 4,
    BLOODCELL_MISFIT = 5, /* scores fit no mixture of blasts and other cells */
    BLOODCELL_SHIFTED = 6 /* scores lie far from those the model knows */
} bloodcell_adjustment;

typedef enum bloodcell_log_level {
    BLOODCELL_LOG_INFO = 0,
    BLOODCELL_LOG_WARNING = 1,
    BLOODCELL_LOG_ERROR = 2
} bloodcell_log_level;

/* ---- The library itself ---- */

/* The ABI that the loaded library has, to hold against BLOODCELL_ABI_VERSION. */
BLOODCELL_API int32_t bloodcell_abi_version(void);
/* Its release, as "1.2.3". */
BLOODCELL_API const char* bloodcell_version(void);
/* What a status, reason or adjustment is called; "unknown" for other numbers, "" for reason 0. */
BLOODCELL_API const char* bloodcell_status_text(int32_t status);
BLOODCELL_API const char* bloodcell_reason_text(int32_t reason);
BLOODCELL_API const char* bloodcell_adjustment_text(int32_t adjustment);
/* What was wrong with the last call of this thread that failed; "" before the first. Names no
 * patient. Stays until the thread's next call that fails. */
BLOODCELL_API const char* bloodcell_last_error(void);

/* Called with what is worth a log line, for people: which ONNX Runtime was loaded, what it warns
 * of. From any thread, also from several at a time; it must not throw and not call the library.
 * `message` is valid during the call. */
typedef void (*bloodcell_log_function)(int32_t level, const char* message, void* user);
/* Of the whole process; null: silence, as in the beginning. When it returns, another thread that is
 * inside a call may still be in the former callback: its `user` has to outlive that call. */
BLOODCELL_API int bloodcell_set_log(bloodcell_log_function log, void* user);

/* ---- A model ---- */

typedef struct bloodcell_model bloodcell_model;

typedef struct bloodcell_model_options {
    size_t struct_size;
    const char*
        onnxruntime; /* its shared library; null: libonnxruntime.so.1, where the loader looks */
    int32_t threads; /* that the network uses in one call; 0: 1. More cells a second come of several
                        threads that call, each with one of these */
    int32_t
        batch_size; /* cells that the network is given at once; 0: 16. No result depends on it */
    const char* profile;           /* "blood" (null) or "marrow": what the denominator is */
    const char* blast_equivalents; /* "none" (null), "aml" or "apl" */
    double interval_width; /* points of blast share up to which an interval is sufficient; 0: 10 */
} bloodcell_model_options;

typedef struct bloodcell_model_about {
    size_t struct_size;
    const char* name; /* texts: until the model is closed */
    const char* version;
    const char* scheme;
    const char* weights_sha256;
    const char* calibrated_on; /* whose pixels the card's calibration used: "dali" or "bloodcell" */
    const char* onnxruntime_version; /* of the library that was loaded */
    int32_t input_px;                /* side of the network's input */
    int32_t classes;
    int32_t has_error_model;
} bloodcell_model_about;

typedef struct bloodcell_class {
    size_t struct_size;
    const char* code; /* texts: until the model is closed */
    const char* name;
    const char* role;     /* blast, leukocyte, erythroid, excluded, unidentified */
    int32_t is_blast;     /* as this model was opened to count */
    int32_t is_leukocyte; /* in the denominator */
} bloodcell_class;

/* Opens a model folder: card.toml, model.onnx and, of a scheme of one's own, scheme.toml. Reads and
 * checks all of it: the weights' SHA-256, the classes, shapes, every number. options: null for all
 * defaults. Takes a second or so. BAD_MODEL, NO_RUNTIME, INVALID_ARGUMENT for an option that cannot
 * be. */
BLOODCELL_API int bloodcell_model_open(const char* folder, const bloodcell_model_options* options,
                                       bloodcell_model** model);
/* Counts that were begun with it may go on. */
BLOODCELL_API int bloodcell_model_close(bloodcell_model* model);
BLOODCELL_API int bloodcell_model_describe(const bloodcell_model* model,
                                           bloodcell_model_about* about);
/* index: 0 to classes - 1, in the order of probabilities. */
BLOODCELL_API int bloodcell_model_class(const bloodcell_model* model, int32_t index,
                                        bloodcell_class* described);

/* ---- Cells ---- */

/* 8-bit RGB, upright as a person would look at it. */
typedef struct bloodcell_image {
    const uint8_t* pixels; /* red, green, blue of the first pixel, and so on */
    int32_t width;
    int32_t height;
    size_t stride; /* bytes from row to row, 3 * width or more */
    int64_t row;   /* the caller's number of the cell, 0 or more; cells keep it */
} bloodcell_image;

/* What came of one image. */
typedef struct bloodcell_cell {
    int64_t row;
    int32_t reason;          /* bloodcell_reason; 0: scored, else the rest says nothing */
    int32_t class_index;     /* most probable class; -1 if rejected */
    float blast_probability; /* sum over the blast classes; NaN if rejected */
    int32_t stained;         /* 1: looks like the stained smears that the network learnt from */
} bloodcell_cell;

/* Scores `count` images. cells: [count]. probabilities: [count * classes], row-major, calibrated,
 * multiples of 2^-16; NaN where rejected; null if they are not wanted. An image with a side under
 * 16 px is rejected as too_small, over 4096 px as too_large. A cell's result depends on its own
 * pixels alone. Blocks until all are scored. INVALID_ARGUMENT naming the image, NETWORK_FAILED;
 * BAD_MODEL if the network gives no numbers. */
BLOODCELL_API int bloodcell_score(const bloodcell_model* model, const bloodcell_image* images,
                                  size_t count, bloodcell_cell* cells, float* probabilities);

/* What the network gets of an image: float32, channels first, 3 * input_px * input_px of them.
 * capacity: elements of `pixels`. To hold a camera's way of colours against the model's.
 * INVALID_ARGUMENT, also for a side over 4096 px; BUFFER_TOO_SMALL if `capacity` is. */
BLOODCELL_API int bloodcell_network_input(const bloodcell_model* model,
                                          const bloodcell_image* image, float* pixels,
                                          size_t capacity);

typedef struct bloodcell_header {
    size_t struct_size;
    int32_t reason;     /* bloodcell_reason; 0: whole, and of a kind that decodes right */
    const char* format; /* jpeg, tiff, png, bmp or unknown; stays */
    int32_t width;      /* as stored, before a turn by EXIF; 0: not known; 2^31 - 1: that or more */
    int32_t height;
} bloodcell_header;

/* Looks at an encoded image without decoding it, as bloodcell's own reader does before it decodes.
 * bytes: may be null if size is 0. */
BLOODCELL_API int bloodcell_gate(const uint8_t* bytes, size_t size, bloodcell_header* header);

/* ---- Patients ---- */

/* What is known of patients, in integers: the order of additions changes no result. */
typedef struct bloodcell_counts bloodcell_counts;

typedef struct bloodcell_report {
    size_t struct_size;
    int64_t cells; /* scored + rejected, always */
    int64_t scored;
    int64_t rejected;
    int64_t rejected_by_reason[BLOODCELL_REASONS];
    int64_t denominator;    /* leukocytes, as the profile counts */
    int64_t blasts_counted; /* cells called a blast */
    int64_t unstained;      /* scored cells that are not stained */
    /* In percent. NaN if there is no leukocyte. The interval (Clopper & Pearson, 95 %) knows
     * nothing of the network's errors. */
    double blast_percent_naive;
    double blast_percent_naive_low;
    double blast_percent_naive_high;
    /* bloodcell_adjustment; the numbers that follow are NaN, and sufficient is 0, unless it is 0.
     */
    int32_t adjustment;
    int32_t sufficient;   /* 1: the interval is at most interval_width points wide */
    double blast_percent; /* adjusted for the network's errors, with its 95 % interval */
    double blast_percent_low;
    double blast_percent_high;
    /* Chances that the true share is under 5, 5 to under 10, 10 to under 20, 20 % or more. */
    double bands[4];
    /* Cells of these roles for each 100 leukocytes; NaN without leukocytes. */
    double erythroid_per_100;
    double excluded_per_100;
    double unidentified_per_100;
    /* Scored cells whose most probable class has a probability under 1/2: more likely something
     * else than what they are called, of whatever role. They are counted like the others. */
    int64_t unidentified;
} bloodcell_report;

BLOODCELL_API int bloodcell_counts_open(const bloodcell_model* model, bloodcell_counts** counts);
BLOODCELL_API int bloodcell_counts_close(bloodcell_counts* counts);

/* Counts `count` cells, scored or rejected, and what bloodcell_score gave of them. patient: UTF-8,
 * not empty; begins if it is new. All or nothing. That no cell comes twice is the caller's to see
 * to. INVALID_ARGUMENT naming the cell at fault, also if its probabilities do not sum to 1 within
 * classes * 2^-16, or its class and blast probability do not follow from them; FINISHED. */
BLOODCELL_API int bloodcell_counts_add(bloodcell_counts* counts, const char* patient,
                                       const bloodcell_cell* cells, const float* probabilities,
                                       size_t count);
/* Counts `count` cells that never became pixels: a bloodcell_reason, such as the gate gave. A
 * patient has at most 2^62 cells. */
BLOODCELL_API int bloodcell_counts_reject(bloodcell_counts* counts, const char* patient,
                                          int32_t reason, int64_t count);
/* How the patient stands. class_counts: [classes], cells called each class; null if not wanted;
 * class_capacity: its elements. UNKNOWN_PATIENT, FINISHED, BUFFER_TOO_SMALL. */
BLOODCELL_API int bloodcell_counts_snapshot(const bloodcell_counts* counts, const char* patient,
                                            bloodcell_report* report, int64_t* class_counts,
                                            size_t class_capacity);
/* The same, for the last time: the patient's counts are dropped, and the name stays taken. */
BLOODCELL_API int bloodcell_counts_finish(bloodcell_counts* counts, const char* patient,
                                          bloodcell_report* report, int64_t* class_counts,
                                          size_t class_capacity);

/* ---- Review ---- */

/* What a person calls a cell. */
typedef struct bloodcell_answer {
    int64_t row;
    int32_t class_index;
} bloodcell_answer;

typedef struct bloodcell_review_input {
    size_t struct_size;
    int32_t adjustment; /* of the patient's report: the network is trusted only if it is 0 */
    const bloodcell_cell* cells; /* all of the patient's; rejected ones count for nothing */
    size_t cell_count;
    const int64_t* drawn; /* rows of the cells that were drawn to be looked at, answered or not */
    size_t drawn_count;
    const bloodcell_answer* answers; /* each cell once; also of cells that nobody drew */
    size_t answer_count;
} bloodcell_review_input;

typedef struct bloodcell_reviewed {
    size_t struct_size;
    /* In percent, with the 95 % interval; NaN, and so are the bands, if no leukocyte is left. */
    double blast_percent;
    double blast_percent_low;
    double blast_percent_high;
    double bands[4];  /* as in bloodcell_report */
    int32_t by_model; /* 0: by the sample alone, for the network is not trusted, or contradicted */
    int64_t cells_looked_at;
} bloodcell_reviewed;

/* The patient's share after some cells were looked at, as `bloodcell review` computes it. Needs no
 * counts. INVALID_ARGUMENT for a row twice or not among the cells, or a class that is not. */
BLOODCELL_API int bloodcell_review(const bloodcell_model* model,
                                   const bloodcell_review_input* input,
                                   bloodcell_reviewed* reviewed);

#ifdef __cplusplus
}
#endif

#endif /* BLOODCELL_H */
