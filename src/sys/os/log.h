/* sys/os/log.h: what the program says to its operator.
 *
 * One line a message, written with one system call, in one of two forms:
 *
 *     1234 2026-01-31T12:00:00.123Z notice ready to accept connections
 *     {"time":"2026-01-31T12:00:00.123Z","level":"notice","pid":1234,"thread":"worker-0","message":"ready to accept connections"}
 *
 * Whatever a message contains, it is one line: control characters come out as `\x0a`, and in JSON what is not UTF-8 as U+FFFD.
 * Programs log, once, where an error stops; libraries return a status.
 *
 * Threads: any. log_open only before other threads run.
 * Memory:  messages over LOG_LINE_SIZE_MAX bytes are cut.
 * Errors:  a line that cannot be written is lost.
 */
#ifndef STRATA_SYS_OS_LOG_H
#define STRATA_SYS_OS_LOG_H

#include <stdbool.h>

#include "base/status.h"

enum { LOG_LINE_SIZE_MAX = 2048 };

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

#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)
#define log_verbose(...) log_write(LOG_VERBOSE, __VA_ARGS__)
#define log_notice(...) log_write(LOG_NOTICE, __VA_ARGS__)
#define log_warning(...) log_write(LOG_WARNING, __VA_ARGS__)

#endif
