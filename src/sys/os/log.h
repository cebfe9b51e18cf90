/* sys/os/log.h: what the program says to its operator.
 *
 * One line a message, written with one system call: `1234 2026-01-31T12:00:00.123Z notice ready to accept connections`.
 * Programs log, once, where an error stops; libraries return a status.
 *
 * Threads: any. log_open only before other threads run.
 * Memory:  lines over LOG_LINE_SIZE_MAX bytes are cut.
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
