#include "sys/os/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/bits.h"
#include "sys/os/clock.h"

static const char *const names[] = {"debug", "verbose", "notice", "warning", "nothing"};

/* The process has one log, as it has one standard output. */
static atomic_int log_fd = STDOUT_FILENO;
static atomic_int log_least = LOG_NOTICE;
static atomic_int log_form = LOG_TEXT;
static char log_path[4096]; /* of the file, if it is one */

enum {
    ESCAPED_MAX = 6,       /* bytes that one of a message may become */
    THREAD_NAME_ROOM = 16, /* as the kernel has it */
    END_ROOM = 4,          /* of a line, as everything before and behind the message: */
    FIELD_ROOM = ESCAPED_MAX * LOG_FIELD_SIZE_MAX + LOG_NAME_SIZE_MAX + 32,
    LINE_ROOM =
        ESCAPED_MAX * (LOG_LINE_SIZE_MAX + THREAD_NAME_ROOM) + 256 + LOG_NAME_SIZE_MAX + LOG_FIELDS_MAX * FIELD_ROOM,
};

static enum status open_file(const char *path, int *ret_fd) {
    *ret_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    return *ret_fd < 0 ? STATUS_IO : STATUS_OK;
}

enum status log_open(const char *path) {
    int fd = STDOUT_FILENO;
    if (path && *path) {
        TRY(open_file(path, &fd));
        snprintf(log_path, sizeof log_path, "%s", path);
    }
    int old = atomic_exchange(&log_fd, fd);
    if (old != STDOUT_FILENO)
        close(old);
    return STATUS_OK;
}

/* The descriptor's number stays, so that who is writing at this moment writes to one file or the other. */
enum status log_reopen(void) {
    int fd, old = atomic_load(&log_fd);
    if (old == STDOUT_FILENO)
        return STATUS_OK;
    TRY(open_file(log_path, &fd));
    int replaced = dup3(fd, old, O_CLOEXEC);
    close(fd);
    return replaced < 0 ? STATUS_IO : STATUS_OK;
}

void log_form_set(enum log_form form) { atomic_store_explicit(&log_form, (int)form, memory_order_relaxed); }

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

/* A line that is being written; there is always room for its end. */
struct line {
    char text[LINE_ROOM];
    size_t size;
};

static void put(struct line *line, const char *bytes, size_t size) {
    size_t room = sizeof line->text - END_ROOM - line->size;
    size = size < room ? size : room;
    memcpy(line->text + line->size, bytes, size);
    line->size += size;
}

static void put_text(struct line *line, const char *text) { put(line, text, strlen(text)); }

/* Bytes of the character of UTF-8 that begins there, of at most `left`; 0: none does. Overlong forms and surrogates are none. */
static size_t utf8_size(const uint8_t *at, size_t left) {
    size_t size = at[0] < 0x80 ? 1 : at[0] >= 0xc2 && at[0] <= 0xdf ? 2 : (at[0] & 0xf0) == 0xe0 ? 3 : 0;
    if (at[0] >= 0xf0 && at[0] <= 0xf4)
        size = 4;
    if (size > left)
        return 0;
    for (size_t i = 1; i < size; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = size > 1 && ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xf0 && at[1] < 0x90));
    bool beyond = size > 1 && ((at[0] == 0xed && at[1] > 0x9f) || (at[0] == 0xf4 && at[1] > 0x8f));
    return overlong || beyond ? 0 : size;
}

static void put_escaped(struct line *line, struct slice text, bool json) {
    for (size_t i = 0; i < text.size;) {
        const uint8_t *at = text.data + i;
        char escaped[8];
        size_t size = json ? utf8_size(at, text.size - i) : 1;
        if (*at < ' ' || *at == 0x7f) {
            snprintf(escaped, sizeof escaped, json ? "\\u%04x" : "\\x%02x", *at);
            put_text(line, escaped);
        } else if (size == 0) {
            put_text(line, "\xef\xbf\xbd");
            size = 1;
        } else {
            if (json && (*at == '"' || *at == '\\'))
                put_text(line, "\\");
            put(line, (const char *)at, size);
        }
        i += size;
    }
}

static void put_message(struct line *line, const char *message, bool json) {
    put_escaped(line, slice_from_string(message), json);
}

static void put_time(struct line *line) {
    char text[48];
    uint64_t now_ms = clock_unix_ms();
    time_t now_s = (time_t)(now_ms / 1000);
    struct tm date;
    gmtime_r(&now_s, &date);
    snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", date.tm_year + 1900, date.tm_mon + 1,
             date.tm_mday, date.tm_hour, date.tm_min, date.tm_sec, (int)(now_ms % 1000));
    put_text(line, text);
}

static void write_text(struct line *line, enum log_level level, const char *message) {
    char number[16];
    snprintf(number, sizeof number, "%d ", (int)getpid());
    put_text(line, number);
    put_time(line);
    put_text(line, " ");
    put_text(line, names[level]);
    put_text(line, " ");
    put_message(line, message, false);
}

struct event {
    const char *name; /* NULL: a message for people only */
    const struct log_field *fields;
};

static void put_field(struct line *line, const struct log_field *field) {
    char number[32];
    put_text(line, ",\"");
    put_text(line, field->name);
    put_text(line, "\":");
    if (field->is_text) {
        put_text(line, "\"");
        put_escaped(line, slice_part(field->text, 0, LOG_FIELD_SIZE_MAX), true);
        put_text(line, "\"");
    } else {
        snprintf(number, sizeof number, "%" PRIu64, field->number);
        put_text(line, number);
    }
}

static void put_event(struct line *line, const struct event *event) {
    const struct log_field name = log_text("event", event->name);
    put_field(line, &name);
    for (size_t i = 0; event->fields && event->fields[i].name; i++) {
        ASSERT(i < LOG_FIELDS_MAX);
        put_field(line, &event->fields[i]);
    }
}

static void write_json(struct line *line, enum log_level level, const char *message, const struct event *event) {
    char thread[THREAD_NAME_ROOM] = "", part[64];
    prctl(PR_GET_NAME, thread);
    put_text(line, "{\"time\":\"");
    put_time(line);
    snprintf(part, sizeof part, "\",\"level\":\"%s\",\"pid\":%d,\"thread\":\"", names[level], (int)getpid());
    put_text(line, part);
    put_message(line, thread, true);
    put_text(line, "\",\"message\":\"");
    put_message(line, message, true);
    put_text(line, "\"");
    if (event->name)
        put_event(line, event);
    memcpy(line->text + line->size, "}", 1);
    line->size++;
}

static void write_line(enum log_level level, const struct event *event, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));

static void write_line(enum log_level level, const struct event *event, const char *format, va_list arguments) {
    if (level < log_level_now() || level >= LOG_NOTHING)
        return;
    int errno_before = errno;
    char message[LOG_LINE_SIZE_MAX];
    struct line line;
    line.size = 0;
    if (vsnprintf(message, sizeof message, format, arguments) < 0)
        message[0] = 0;
    if (atomic_load_explicit(&log_form, memory_order_relaxed) == LOG_JSON)
        write_json(&line, level, message, event);
    else
        write_text(&line, level, message);
    line.text[line.size++] = '\n';
    ssize_t written = write(atomic_load(&log_fd), line.text, line.size);
    MAYBE(written < 0);
    errno = errno_before;
}

void log_write(enum log_level level, const char *format, ...) {
    const struct event none = {NULL, NULL};
    va_list arguments;
    va_start(arguments, format);
    write_line(level, &none, format, arguments);
    va_end(arguments);
}

void log_event(enum log_level level, const char *event, const struct log_field *fields, const char *format, ...) {
    const struct event named = {event, fields};
    va_list arguments;
    va_start(arguments, format);
    write_line(level, &named, format, arguments);
    va_end(arguments);
}
