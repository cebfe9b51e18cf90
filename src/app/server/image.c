#include "app/server/image.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "app/server/kept_inner.h"
#include "app/server/rules.h"
#include "app/server/state.h"
#include "app/server/worker.h"
#include "base/assert.h"
#include "base/bits.h"
#include "base/hash.h"
#include "base/little.h"
#include "base/version.h"
#include "sys/os/clock.h"
#include "sys/os/log.h"
#include "sys/os/pages.h"

enum {
    HEAD_VERSION = 1,
    PROGRAM_SIZE = 64,
    AT_VERSION = 8,
    AT_RANGE = 16,
    AT_NOTES = 24,
    AT_NOTES_HASH = 32,
    AT_LSN = 40,
    AT_TOKEN = 48,
    AT_CLOSED = 64,
    AT_PROGRAM = 72,
    AT_HASH = AT_PROGRAM + PROGRAM_SIZE,
    AT_OWNER = AT_HASH + 8,
    HEAD_SIZE = AT_OWNER + 4,
    NOTES_SIZE_MAX = 64 << 20,
    ROOM_SHARE = 32, /* of the limit, beside it: tables and pages that are half used */
};
static const uint64_t MAGIC = 0x316d654d74725453u; /* "StrtMem1" */
static_assert(sizeof STRATA_VERSION <= PROGRAM_SIZE, "the head has room for it");

struct head {
    uint64_t range_size, notes_size, notes_hash,
        closed_at_ms; /* closed_at_ms 0: it is in use, or was not closed in order */
    struct persist_image log;
};

void image_init(struct server *server) { server->image.file.fd = -1; }

static const char *path_of(const struct server *server) { return server->config.values.memory_file; }

__attribute__((format(printf, 2, 3))) static bool say_not(struct server *server, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(server->image.why_not, sizeof server->image.why_not, format, arguments);
    va_end(arguments);
    return false;
}

/* ------------------------------------------------------------------------------------------ head and notes */

static enum status write_head(const struct server *server, const struct head *head) {
    uint8_t bytes[HEAD_SIZE] = {0};
    little_put_u64(bytes, MAGIC);
    little_put_u32(bytes + AT_VERSION, HEAD_VERSION);
    little_put_u64(bytes + AT_RANGE, head->range_size);
    little_put_u64(bytes + AT_NOTES, head->notes_size);
    little_put_u64(bytes + AT_NOTES_HASH, head->notes_hash);
    little_put_u64(bytes + AT_LSN, head->log.lsn);
    memcpy(bytes + AT_TOKEN, head->log.token, PERSIST_TOKEN_SIZE);
    little_put_u64(bytes + AT_CLOSED, head->closed_at_ms);
    memcpy(bytes + AT_PROGRAM, STRATA_VERSION, sizeof STRATA_VERSION);
    little_put_u64(bytes + AT_HASH, hash_bytes(slice_make(bytes, AT_HASH), 0));
    little_put_u32(bytes + AT_OWNER, (uint32_t)getpid());
    return memory_file_write(&server->image.file, 0, bytes, sizeof bytes);
}

static uint64_t notes_at(uint64_t range_size) {
    return MEMORY_FILE_RANGE_AT + bits_align_up(range_size, PAGES_HUGE_SIZE);
}

/* False: it is of no use, and why_not says why. */
static bool read_head(struct server *server, struct head *ret_head) {
    uint8_t bytes[HEAD_SIZE];
    if (memory_file_read(&server->image.file, 0, bytes, sizeof bytes) != STATUS_OK)
        return say_not(server, "it is new");
    if (little_u32(bytes + AT_VERSION) != HEAD_VERSION ||
        memcmp(bytes + AT_PROGRAM, STRATA_VERSION, sizeof STRATA_VERSION) != 0)
        return say_not(server, "it is of another version of the program");
    if (little_u64(bytes + AT_HASH) != hash_bytes(slice_make(bytes, AT_HASH), 0))
        return say_not(server, "its head is damaged");
    *ret_head = (struct head){.range_size = little_u64(bytes + AT_RANGE),
                              .notes_size = little_u64(bytes + AT_NOTES),
                              .notes_hash = little_u64(bytes + AT_NOTES_HASH),
                              .closed_at_ms = little_u64(bytes + AT_CLOSED),
                              .log = {.lsn = little_u64(bytes + AT_LSN)}};
    memcpy(ret_head->log.token, bytes + AT_TOKEN, PERSIST_TOKEN_SIZE);
    if (!ret_head->closed_at_ms)
        return say_not(server, "it was not closed in order");
    if (ret_head->notes_size > NOTES_SIZE_MAX || ret_head->range_size > CACHE_RANGE_SIZE_MAX)
        return say_not(server, "its head is damaged");
    if (memory_file_size(&server->image.file) < notes_at(ret_head->range_size) + ret_head->notes_size)
        return say_not(server, "it is shorter than it was");
    return true;
}

/* A file that somebody else has made is left alone. */
static bool is_ours(const struct server *server) {
    uint8_t bytes[AT_VERSION];
    return memory_file_size(&server->image.file) == 0 ||
           (memory_file_read(&server->image.file, 0, bytes, sizeof bytes) == STATUS_OK && little_u64(bytes) == MAGIC);
}

static enum status add_note(void *adding, struct slice name, struct slice bytes) {
    struct buf *notes = adding;
    uint8_t size = (uint8_t)name.size;
    TRY(buf_append(notes, &size, 1));
    TRY(buf_append_slice(notes, name));
    TRY(kept_put_u64(notes, bytes.size));
    return buf_append_slice(notes, bytes);
}

static enum status take_notes(struct server *server, struct slice notes) {
    char reason[PERSIST_REASON_SIZE];
    while (notes.size) {
        struct slice name = slice_part(notes, 1, notes.data[0]);
        notes = slice_part(notes, 1 + (size_t)notes.data[0], SIZE_MAX);
        uint64_t size = kept_take_u64(&notes);
        if (size > notes.size)
            return STATUS_CORRUPT;
        TRY(kept_note(server, 0, name, slice_part(notes, 0, size), reason));
        notes = slice_part(notes, size, SIZE_MAX);
    }
    return STATUS_OK;
}

static bool read_notes(struct server *server, const struct head *head) {
    struct buf notes;
    buf_init(&notes, &memory_libc);
    enum status status = buf_reserve(&notes, head->notes_size + 1);
    if (status == STATUS_OK)
        status = memory_file_read(&server->image.file, notes_at(head->range_size), notes.data, head->notes_size);
    struct slice bytes = slice_make(notes.data, head->notes_size);
    if (status == STATUS_OK)
        status = hash_bytes(bytes, 0) == head->notes_hash ? take_notes(server, bytes) : STATUS_CORRUPT;
    buf_fini(&notes);
    return status == STATUS_OK || say_not(server, "its notes cannot be read: %s", status_text(status));
}

/* ------------------------------------------------------------------------------------------ whether it fits */

/* What lies in the tier goes with the process. The log still has it, and a memory without it would say that it has all of the log: who deleted it then would find nothing to
 * delete, and a start from the log would bring it back. Without a log it is gone, as if it had been evicted. */
static bool loses_tier(const struct server *server) {
    return server->config.values.appendonly && server->config.values.warm_file[0];
}

/* Up to where it has the log, and whether that is this log. */
static bool fits_log(struct server *server, const struct head *head) {
    struct persist_image log = head->log;
    char reason[PERSIST_REASON_SIZE];
    if (!server->config.values.appendonly)
        return true;
    if (!log.lsn)
        return say_not(server, "it was kept without a log, and now there is to be one");
    if (persist_image_check(&server->directory.files, &log, reason) != STATUS_OK)
        return say_not(server, "it does not belong to the log: %.160s", reason);
    server->image.log = log;
    return true;
}

/* Stores beside those of the configuration: rules have made them. */
static bool has_stores_of_rules(const struct server *server, const struct cache_options *options) {
    uint32_t described = 1;
    for (uint32_t i = 0; i < options->store_count; i++)
        described += !slice_equal(options->stores[i].name, SLICE("default"));
    bool found = false;
    for (uint32_t i = described; i < cache_store_count(server->cache); i++)
        found |= cache_store_is_there(server->cache, i);
    return found;
}

/* With the cache: where its keys lie is what the same rules say, in which nothing has happened since. */
static bool fits_rules(struct server *server, const struct cache_options *options) {
    server->image.placed = has_stores_of_rules(server, options);
    if (!server->image.placed)
        return true;
    if (!rules_are_still(server))
        return say_not(server, "the rules have changed, and had stores of their own");
    if (server->image.log.behind)
        return say_not(server, "the log goes on behind it, and rules had stores of their own");
    return true;
}

static void forget(struct server *server) {
    if (server->cache)
        cache_close(server->cache);
    server->cache = NULL;
    server->image.placed = false;
    server->image.log = (struct persist_image){.lsn = 0};
    kept_fini(server);
    kept_init(server);
}

/* ------------------------------------------------------------------------------------------ opening */

static enum status map(struct server *server, uint64_t range_size, struct cache_options *options) {
    enum status status = memory_file_map(&server->image.file, range_size);
    if (status != STATUS_OK) {
        log_warning("The memory file %s cannot be mapped: %s", path_of(server), strerror(errno));
        return status;
    }
    options->range = server->range = server->image.file.range;
    options->range_size = server->range_size = range_size;
    return STATUS_OK;
}

/* STATUS_INVALID: it is of no use, and why_not says why. */
static enum status attach(struct server *server, struct cache_options *options) {
    struct cache_options found = *options;
    struct head head;
    const char *reason = NULL;
    if (loses_tier(server)) {
        say_not(server, "there are a log and a warm file");
        return STATUS_INVALID;
    }
    if (!read_head(server, &head) || !fits_log(server, &head) || !read_notes(server, &head))
        return STATUS_INVALID;
    TRY(map(server, head.range_size, &found));
    enum status status = cache_attach(&found, &server->cache, &reason);
    if (status == STATUS_INVALID)
        say_not(server, "%s", reason);
    if (status == STATUS_OK && !fits_rules(server, options))
        status = STATUS_INVALID;
    if (status == STATUS_OK)
        *options = found;
    return status;
}

static enum status begin_anew(struct server *server, struct cache_options *options) {
    uint64_t range_size = options->range_size;
    forget(server);
    log_notice("The cache in %s begins anew: %s", path_of(server), server->image.why_not);
    struct memory_file *file = &server->image.file;
    if (file->range)
        memory_file_unmap(file);
    enum status status = memory_file_clear(file);
    if (status != STATUS_OK) {
        log_warning("The memory file %s cannot be emptied: %s", path_of(server), strerror(errno));
        return status;
    }
    TRY(map(server, range_size, options));
    return cache_open(options, &server->cache);
}

static enum status open_file(struct server *server) {
    const char *path = path_of(server);
    struct memory_file *file = &server->image.file;
    enum status status = memory_file_open(path, file);
    if (status == STATUS_BUSY) {
        uint8_t owner[4] = {0};
        MAYBE(memory_file_read(file, AT_OWNER, owner, sizeof owner) != STATUS_OK);
        log_warning("Another server has its cache in %s: process %u. Give this one another `memory-file`", path,
                    little_u32(owner));
    } else if (status == STATUS_INVALID) {
        log_warning(
            "The `memory-file` %s is no file of a file system in memory (tmpfs), such as /dev/shm: on a disk the "
            "system would write all of it there again and "
            "again, and commands would wait for that",
            path);
    } else if (status != STATUS_OK) {
        log_warning("The `memory-file` %s cannot be opened: %s", path, strerror(errno));
    } else if (!is_ours(server)) {
        log_warning("The `memory-file` %s is a file of somebody else: remove it, or name another", path);
        status = STATUS_INVALID;
    }
    return status;
}

static bool has_room(const struct server *server, uint64_t limit_bytes, uint64_t *ret_needed, uint64_t *ret_room) {
    *ret_needed = limit_bytes + limit_bytes / ROOM_SHARE + MEMORY_FILE_RANGE_AT / 2;
    *ret_room = memory_file_room(&server->image.file);
    return *ret_room >= *ret_needed;
}

bool image_has_room(const struct server *server, uint64_t limit_bytes) {
    uint64_t needed, room;
    return !server->image.used || has_room(server, limit_bytes, &needed, &room);
}

static enum status check_room(const struct server *server, uint64_t limit_bytes) {
    uint64_t needed, room;
    if (has_room(server, limit_bytes, &needed, &room))
        return STATUS_OK;
    log_warning("The file system of %s has room for %" PRIu64 " bytes, and maxmemory %" PRIu64 " takes up to %" PRIu64
                " there: make it larger (mount -o remount,size=..., or docker run --shm-size), or maxmemory smaller",
                path_of(server), room, limit_bytes, needed);
    return STATUS_FULL;
}

static void tell_attached(struct server *server) {
    uint64_t keys = 0;
    for (uint32_t db = 0; db < CACHE_DATABASES; db++)
        keys += cache_count(server->cache, db);
    log_notice("The cache in %s is as it was: %" PRIu64 " keys, %" PRIu64 ".%" PRIu64 " ms", path_of(server), keys,
               server->image.took_us / 1000, server->image.took_us / 100 % 10);
    if (server->image.log.behind)
        log_notice("The log has %" PRIu64 " records behind it", server->image.log.behind);
}

static enum status open_in_file(struct server *server, struct cache_options *options) {
    struct server_image *image = &server->image;
    uint64_t begun_ns = clock_steady_ns();
    options->backing = (struct cache_backing){.release = memory_file_release};
    options->program = hash_bytes(SLICE(STRATA_VERSION), 0);
    TRY(open_file(server));
    image->used = true;
    memory_file_explain();
    TRY(check_room(server, options->limit_bytes));
    if (loses_tier(server))
        log_warning(
            "`memory-file` serves no restart while there are both `appendonly` and `warm-file`: what lies in the warm "
            "file is read from the log");
    enum status status = attach(server, options);
    image->attached = image->untouched = status == STATUS_OK;
    image->took_us = (clock_steady_ns() - begun_ns) / 1000;
    if (image->attached)
        tell_attached(server);
    else if (status == STATUS_INVALID)
        status = begin_anew(server, options);
    if (status == STATUS_OK)
        status = write_head(server, &(struct head){.range_size = server->range_size});
    return status;
}

enum status image_open(struct server *server, struct cache_options *options) {
    if (path_of(server)[0])
        return open_in_file(server, options);
    enum status status = pages_take(options->range_size, &options->range);
    if (status != STATUS_OK) {
        log_warning("No address space for a cache of %" PRIu64 " bytes", options->range_size);
        return status;
    }
    server->range = options->range;
    server->range_size = options->range_size;
    return cache_open(options, &server->cache);
}

/* ------------------------------------------------------------------------------------------ closing */

/* All workers were made, and everybody was served; what their changes have begun is done. */
static bool was_served(struct server *server) {
    return server->workers[server->worker_count - 1] && !loses_tier(server) &&
           atomic_load(&server->load.state) == SERVER_LOADED && kept_settled(server, UINT64_MAX);
}

void image_rest(struct server *server) {
    struct server_image *image = &server->image;
    image->keeps = image->used && server->cache && (image->untouched || was_served(server));
    if (image->keeps && !image->untouched)
        cache_end_bans(server->cache, &server->workers[0]->actor);
}

/* Notes and head: all but the mark, which the cache sets. */
static enum status write_all(struct server *server) {
    struct buf notes;
    buf_init(&notes, &memory_libc);
    enum status status = kept_notes(server, add_note, &notes);
    if (status == STATUS_OK)
        status = memory_file_write(&server->image.file, notes_at(server->range_size), notes.data, notes.size);
    const struct head head = {.range_size = server->range_size,
                              .notes_size = notes.size,
                              .notes_hash = hash_bytes(buf_slice(&notes), 0),
                              .closed_at_ms = clock_unix_ms(),
                              .log = server->image.log};
    if (status == STATUS_OK)
        status = write_head(server, &head);
    buf_fini(&notes);
    return status;
}

void image_close(struct server *server) {
    struct server_image *image = &server->image;
    const char *reason = "";
    struct actor actor = {.id = 1, .now_ms = clock_unix_ms()};
    bool keeps = image->keeps && !image->spoiled;
    if (keeps && write_all(server) != STATUS_OK) {
        log_warning("The cache is not kept in %s: %s", path_of(server), strerror(errno));
        keeps = false;
    }
    if (keeps && cache_close_kept(server->cache, &actor, &reason) != STATUS_OK)
        log_warning("The cache is not kept in %s: %s", path_of(server), reason);
    else if (!keeps && server->cache)
        cache_close(server->cache);
    server->cache = NULL;
    if (image->used)
        memory_file_close(&image->file);
    else
        pages_give(server->range, server->range_size);
    if (image->file.fd >= 0) /* it belongs to another server */
        memory_file_close(&image->file);
}
