#include "sys/os/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/bits.h"
#include "sys/os/clock.h"

static const char *const names[] = {"debug", "verbose", "notice", "warning", "nothing"};

/* The process has one log, as it has one standard output. */
static atomic_int log_fd = STDOUT_FILENO;
static atomic_int log_least = LOG_NOTICE;

enum status log_open(const char *path) {
    int fd = STDOUT_FILENO;
    if (path && *path) {
        fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        if (fd < 0)
            return STATUS_IO;
    }
    int old = atomic_exchange(&log_fd, fd);
    if (old != STDOUT_FILENO)
        close(old);
    return STATUS_OK;
}

void log_level_set(enum log_level level) { atomic_store_explicit(&log_least, (int)level, memory_order_relaxed); }

enum log_level log_level_now(void) { return (enum log_level)atomic_load_explicit(&log_least, memory_order_relaxed); }

bool log_level_named(const char *name, enum log_level *ret_level) {
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (strcmp(names[i], name) == 0) {
            *ret_level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

const char *log_level_name(enum log_level level) { return names[level]; }

void log_write(enum log_level level, const char *format, ...) {
    if (level < log_level_now() || level >= LOG_NOTHING)
        return;
    int errno_before = errno;
    char line[LOG_LINE_SIZE_MAX];
    uint64_t now_ms = clock_unix_ms();
    time_t now_s = (time_t)(now_ms / 1000);
    struct tm date;
    gmtime_r(&now_s, &date);
    size_t size = (size_t)snprintf(line, sizeof line, "%d %04d-%02d-%02dT%02d:%02d:%02d.%03dZ %s ", (int)getpid(),
                                   date.tm_year + 1900, date.tm_mon + 1, date.tm_mday, date.tm_hour, date.tm_min,
                                   date.tm_sec, (int)(now_ms % 1000), names[level]);
    va_list arguments;
    va_start(arguments, format);
    int text = vsnprintf(line + size, sizeof line - size - 1, format, arguments);
    va_end(arguments);
    if (text > 0)
        size += (size_t)text < sizeof line - size - 1 ? (size_t)text : sizeof line - size - 2;
    line[size++] = '\n';
    ssize_t written = write(atomic_load(&log_fd), line, size);
    MAYBE(written < 0);
    errno = errno_before;
}
