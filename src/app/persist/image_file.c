#include "app/persist/image_file.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/bits.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/little.h"
#include "sys/os/clock.h"
#include "sys/os/pages.h"

enum {
    HEAD_VERSION = 1,
    AT_VERSION = 8,
    AT_RANGE = 16,
    AT_NOTES = 24,
    AT_NOTES_HASH = 32,
    AT_LSN = 40,
    AT_TOKEN = 48,
    AT_CLOSED = 64,
    AT_PROGRAM = 72,
    AT_HASH = AT_PROGRAM + IMAGE_PROGRAM_SIZE,
    AT_OWNER = AT_HASH + 8,
    HEAD_SIZE = AT_OWNER + 4,
    NOTES_SIZE_MAX = 64 << 20,
    ROOM_SHARE = 32, /* of the limit, beside it: tables and pages that are half used */
};

struct head {
    uint64_t range_size, notes_size, notes_hash,
        closed_at_ms; /* closed_at_ms 0: it is in use, or was not closed in order */
    struct persist_image log;
};

void image_file_say_not(struct image_file *image, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(image->why_not, sizeof image->why_not, format, arguments);
    va_end(arguments);
}

static bool no(struct image_file *image, const char *why) {
    image_file_say_not(image, "%s", why);
    return false;
}

/* ------------------------------------------------------------------------------------------ the file */

void image_file_init(struct image_file *image) { *image = (struct image_file){.file.fd = -1}; }

/* A file that somebody else has made is left alone. */
static bool is_ours(const struct image_file *image) {
    uint8_t bytes[AT_VERSION];
    return memory_file_size(&image->file) == 0 ||
           (memory_file_read(&image->file, 0, bytes, sizeof bytes) == STATUS_OK && little_u64(bytes) == image->magic);
}

enum status image_file_open(struct image_file *image, uint64_t magic, const char *program, const char *path) {
    uint8_t owner[4] = {0};
    image_file_init(image);
    image->magic = magic;
    image->program = program;
    ASSERT(strlen(program) < IMAGE_PROGRAM_SIZE);
    enum status status = memory_file_open(path, &image->file);
    if (status == STATUS_BUSY) {
        MAYBE(memory_file_read(&image->file, AT_OWNER, owner, sizeof owner) != STATUS_OK);
        image->owner = little_u32(owner);
    }
    return status == STATUS_OK && !is_ours(image) ? STATUS_CORRUPT : status;
}

bool image_file_has_room(const struct image_file *image, uint64_t limit_bytes, uint64_t *ret_needed,
                         uint64_t *ret_room) {
    *ret_needed = limit_bytes + limit_bytes / ROOM_SHARE + MEMORY_FILE_RANGE_AT / 2;
    *ret_room = memory_file_room(&image->file);
    return *ret_needed <= *ret_room;
}

void image_file_end(struct image_file *image) {
    if (image->file.fd >= 0)
        memory_file_close(&image->file);
}

/* ------------------------------------------------------------------------------------------ head and notes */

static enum status write_head(const struct image_file *image, const struct head *head) {
    uint8_t bytes[HEAD_SIZE] = {0};
    little_put_u64(bytes, image->magic);
    little_put_u32(bytes + AT_VERSION, HEAD_VERSION);
    little_put_u64(bytes + AT_RANGE, head->range_size);
    little_put_u64(bytes + AT_NOTES, head->notes_size);
    little_put_u64(bytes + AT_NOTES_HASH, head->notes_hash);
    little_put_u64(bytes + AT_LSN, head->log.lsn);
    memcpy(bytes + AT_TOKEN, head->log.token, PERSIST_TOKEN_SIZE);
    little_put_u64(bytes + AT_CLOSED, head->closed_at_ms);
    memcpy(bytes + AT_PROGRAM, image->program, strlen(image->program) + 1);
    little_put_u64(bytes + AT_HASH, hash_bytes(slice_make(bytes, AT_HASH), 0));
    little_put_u32(bytes + AT_OWNER, (uint32_t)getpid());
    return memory_file_write(&image->file, 0, bytes, sizeof bytes);
}

static uint64_t notes_at(uint64_t range_size) {
    return MEMORY_FILE_RANGE_AT + bits_align_up(range_size, PAGES_HUGE_SIZE);
}

/* False: it is of no use, and why_not says why. */
static bool read_head(struct image_file *image, struct head *ret_head) {
    uint8_t bytes[HEAD_SIZE];
    const char *program = image->program;
    if (memory_file_read(&image->file, 0, bytes, sizeof bytes) != STATUS_OK)
        return no(image, "it is new");
    if (little_u32(bytes + AT_VERSION) != HEAD_VERSION || memcmp(bytes + AT_PROGRAM, program, strlen(program) + 1) != 0)
        return no(image, "it is of another version of the program");
    if (little_u64(bytes + AT_HASH) != hash_bytes(slice_make(bytes, AT_HASH), 0))
        return no(image, "its head is damaged");
    *ret_head = (struct head){.range_size = little_u64(bytes + AT_RANGE),
                              .notes_size = little_u64(bytes + AT_NOTES),
                              .notes_hash = little_u64(bytes + AT_NOTES_HASH),
                              .closed_at_ms = little_u64(bytes + AT_CLOSED),
                              .log = {.lsn = little_u64(bytes + AT_LSN)}};
    memcpy(ret_head->log.token, bytes + AT_TOKEN, PERSIST_TOKEN_SIZE);
    if (!ret_head->closed_at_ms)
        return no(image, "it was not closed in order");
    if (ret_head->notes_size > NOTES_SIZE_MAX || ret_head->range_size > CACHE_RANGE_SIZE_MAX)
        return no(image, "its head is damaged");
    if (memory_file_size(&image->file) < notes_at(ret_head->range_size) + ret_head->notes_size)
        return no(image, "it is shorter than it was");
    return true;
}

static bool read_notes(struct image_file *image, const struct head *head, const struct image_user *user) {
    struct buf notes;
    buf_init(&notes, &memory_libc);
    enum status status = buf_reserve(&notes, head->notes_size + 1);
    if (status == STATUS_OK)
        status = memory_file_read(&image->file, notes_at(head->range_size), notes.data, head->notes_size);
    struct slice bytes = slice_make(notes.data, head->notes_size);
    if (status == STATUS_OK)
        status = hash_bytes(bytes, 0) == head->notes_hash ? STATUS_OK : STATUS_CORRUPT;
    if (status == STATUS_OK && user && user->take)
        status = user->take(user->context, bytes);
    buf_fini(&notes);
    if (status != STATUS_OK)
        image_file_say_not(image, "its notes cannot be read: %s", status_text(status));
    return status == STATUS_OK;
}

/* Up to where it has the log, and whether that is this log. */
static bool fits_log(struct image_file *image, const struct head *head, const struct files *files) {
    struct persist_image log = head->log;
    char reason[PERSIST_REASON_SIZE];
    if (!files)
        return true;
    if (!log.lsn)
        return no(image, "it was kept without a log, and now there is to be one");
    if (persist_image_check(files, &log, reason) != STATUS_OK) {
        image_file_say_not(image, "it does not belong to the log: %.160s", reason);
        return false;
    }
    image->log = log;
    return true;
}

/* ------------------------------------------------------------------------------------------ opening */

static void set_up(const struct image_file *image, struct cache_options *options) {
    options->backing = (struct cache_backing){.release = memory_file_release};
    options->program = hash_bytes(slice_from_string(image->program), 0);
}

static enum status map(struct image_file *image, uint64_t range_size, struct cache_options *options) {
    TRY(memory_file_map(&image->file, range_size));
    options->range = image->file.range;
    options->range_size = range_size;
    return STATUS_OK;
}

enum status image_file_attach(struct image_file *image, const struct files *log, const struct image_user *user,
                              struct cache_options *options, struct cache **ret_cache) {
    struct head head;
    struct cache_options found = *options;
    struct cache *cache;
    const char *reason = NULL;
    set_up(image, &found);
    if (!read_head(image, &head) || !fits_log(image, &head, log) || !read_notes(image, &head, user))
        return STATUS_INVALID;
    TRY(map(image, head.range_size, &found));
    enum status status = cache_attach(&found, &cache, &reason);
    if (status == STATUS_INVALID)
        image_file_say_not(image, "%s", reason);
    TRY(status);
    reason = user && user->refuse ? user->refuse(user->context, cache) : NULL;
    if (reason) {
        image_file_say_not(image, "%s", reason);
        cache_close(cache);
        return STATUS_INVALID;
    }
    *options = found;
    *ret_cache = cache;
    return STATUS_OK;
}

enum status image_file_begin(struct image_file *image, struct cache_options *options, struct cache **ret_cache) {
    image->log = (struct persist_image){.lsn = 0};
    set_up(image, options);
    memory_file_unmap(&image->file);
    TRY(memory_file_clear(&image->file));
    TRY(map(image, options->range_size, options));
    return cache_open(options, ret_cache);
}

enum status image_file_use(const struct image_file *image) {
    return write_head(image, &(struct head){.range_size = image->file.range_size});
}

/* ------------------------------------------------------------------------------------------ closing */

enum status image_file_keep(struct image_file *image, struct cache *cache, struct actor *actor, struct slice notes,
                            const char **ret_reason) {
    uint64_t range_size = image->file.range_size;
    enum status status = memory_file_write(&image->file, notes_at(range_size), notes.data, notes.size);
    const struct head head = {.range_size = range_size,
                              .notes_size = notes.size,
                              .notes_hash = hash_bytes(notes, 0),
                              .closed_at_ms = clock_unix_ms(),
                              .log = image->log};
    if (status == STATUS_OK)
        status = write_head(image, &head);
    if (status == STATUS_OK)
        return cache_close_kept(cache, actor, ret_reason);
    *ret_reason = strerror(errno);
    cache_close(cache);
    return STATUS_IO;
}
