/* sys/os/log.h: what the program says to its operator.
 *
 * One line a message, written with one system call, in one of two forms:
 *
 *     1234 2026-01-31T12:00:00.123Z notice ready to accept connections
 *     {"time":"2026-01-31T12:00:00.123Z","level":"notice","pid":1234,"thread":"worker-0","message":"ready to accept connections"}
 *
 * What programs are to act on is an event: its name and fields stand in JSON behind the message, which tells the same to people. docs/operate.md lists them.
 *
 *     log_event(LOG_NOTICE, "rules_loaded", LOG_FIELDS(log_text("path", path), log_number("classes", 7)), "Rules of %u classes from %s", 7, path)
 *     {"time": ... ,"message":"Rules of 7 classes from a.yaml","event":"rules_loaded","path":"a.yaml","classes":7}
 *
 * Whatever a message contains, it is one line: control characters come out as `\x0a`, and in JSON what is not UTF-8 as U+FFFD.
 * Programs log, once, where an error stops; libraries return a status.
 *
 * Threads: any. log_open only before other threads run.
 * Memory:  messages over LOG_LINE_SIZE_MAX bytes are cut, and so are texts of fields over LOG_FIELD_SIZE_MAX. Fields borrow what they point to.
 * Errors:  a line that cannot be written is lost.
 */
#ifndef STRATA_SYS_OS_LOG_H
#define STRATA_SYS_OS_LOG_H

#include <stdbool.h>

#include "base/slice.h"
#include "base/status.h"

enum { LOG_LINE_SIZE_MAX = 2048, LOG_FIELDS_MAX = 8, LOG_FIELD_SIZE_MAX = 256, LOG_NAME_SIZE_MAX = 32 };

enum log_level { LOG_DEBUG, LOG_VERBOSE, LOG_NOTICE, LOG_WARNING, LOG_NOTHING };

/* NULL or "": standard output. Otherwise appends to the file. STATUS_IO with errno. */
MUST_CHECK enum status log_open(const char *path);

/* The file again, under its name: it was moved away, and a new one is begun. STATUS_IO with errno: the old one stays. Nothing for standard output. */
MUST_CHECK enum status log_reopen(void);

enum log_form { LOG_TEXT, LOG_JSON };
void log_form_set(enum log_form form);

void log_level_set(enum log_level level);
enum log_level log_level_now(void);
/* By name: debug, verbose, notice, warning, nothing. */
bool log_level_named(const char *name, enum log_level *ret_level);
const char *log_level_name(enum log_level level);

void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

struct log_field {
    const char *name; /* as lines of code have them: a-z, 0-9, _ */
    bool is_text;
    uint64_t number;
    struct slice text;
};

static inline struct log_field log_number(const char *name, uint64_t number) {
    return (struct log_field){.name = name, .is_text = false, .number = number, .text = {NULL, 0}};
}

static inline struct log_field log_bytes(const char *name, struct slice text) {
    return (struct log_field){.name = name, .is_text = true, .number = 0, .text = text};
}

static inline struct log_field log_text(const char *name, const char *text) {
    return log_bytes(name, slice_from_string(text));
}

/* At most LOG_FIELDS_MAX of them, of which none is called as a member that every line has. */
#define LOG_FIELDS(...) ((const struct log_field[]){__VA_ARGS__, log_number(NULL, 0)})

/* `fields` NULL: none. */
void log_event(enum log_level level, const char *event, const struct log_field *fields, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)
#define log_verbose(...) log_write(LOG_VERBOSE, __VA_ARGS__)
#define log_notice(...) log_write(LOG_NOTICE, __VA_ARGS__)
#define log_warning(...) log_write(LOG_WARNING, __VA_ARGS__)

#endif
