#include "app/server/image.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "app/server/kept_inner.h"
#include "app/server/rules.h"
#include "app/server/state.h"
#include "app/server/worker.h"
#include "base/version.h"
#include "sys/os/clock.h"
#include "sys/os/log.h"
#include "sys/os/pages.h"

static const uint64_t MAGIC = 0x316d654d74725453u; /* "StrtMem1" */

void image_init(struct server *server) { image_file_init(&server->image.file); }

static const char *path_of(const struct server *server) { return server->config.values.memory_file; }

/* ------------------------------------------------------------------------------------------ notes */

/* Who attaches, and with what. */
struct opening {
    struct server *server;
    const struct cache_options *options;
};

static enum status add_note(void *adding, struct slice name, struct slice bytes) {
    struct buf *notes = adding;
    uint8_t size = (uint8_t)name.size;
    TRY(buf_append(notes, &size, 1));
    TRY(buf_append_slice(notes, name));
    TRY(kept_put_u64(notes, bytes.size));
    return buf_append_slice(notes, bytes);
}

static enum status take_notes(void *context, struct slice notes) {
    const struct opening *opening = context;
    struct server *server = opening->server;
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

/* ------------------------------------------------------------------------------------------ whether it fits */

/* What lies in the tier goes with the process. The log still has it, and a memory without it would say that it has all of the log: who deleted it then would find nothing to
 * delete, and a start from the log would bring it back. Without a log it is gone, as if it had been evicted. */
static bool loses_tier(const struct server *server) {
    return server->config.values.appendonly && server->config.values.warm_file[0];
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
static const char *refuse(void *context, struct cache *cache) {
    const struct opening *opening = context;
    struct server *server = opening->server;
    const char *reason = NULL;
    server->cache = cache;
    server->image.placed = has_stores_of_rules(server, opening->options);
    if (server->image.placed && !rules_are_still(server))
        reason = "the rules have changed, and had stores of their own";
    else if (server->image.placed && server->image.file.log.behind)
        reason = "the log goes on behind it, and rules had stores of their own";
    server->cache = NULL;
    return reason;
}

static void forget(struct server *server) {
    server->image.placed = false;
    kept_fini(server);
    kept_init(server);
}

/* ------------------------------------------------------------------------------------------ opening */

/* STATUS_INVALID: it is of no use, and why_not says why. */
static enum status attach(struct server *server, struct cache_options *options) {
    struct image_file *file = &server->image.file;
    struct opening opening = {server, options};
    const struct image_user user = {take_notes, refuse, &opening};
    if (loses_tier(server)) {
        image_file_say_not(file, "there are a log and a warm file");
        return STATUS_INVALID;
    }
    enum status status = image_file_attach(file, server->config.values.appendonly ? &server->directory.files : NULL,
                                           &user, options, &server->cache);
    if (status != STATUS_OK && status != STATUS_INVALID)
        log_warning("The memory file %s cannot be mapped: %s", path_of(server), strerror(errno));
    return status;
}

static enum status begin_anew(struct server *server, struct cache_options *options) {
    struct image_file *file = &server->image.file;
    forget(server);
    log_notice("The cache in %s begins anew: %s", path_of(server), file->why_not);
    enum status status = image_file_begin(file, options, &server->cache);
    if (!file->file.range)
        log_warning("The memory file %s cannot be emptied or mapped: %s", path_of(server), strerror(errno));
    return status;
}

static enum status open_file(struct server *server) {
    const char *path = path_of(server);
    enum status status = image_file_open(&server->image.file, MAGIC, STRATA_VERSION, path);
    if (status == STATUS_BUSY) {
        log_warning("Another server has its cache in %s: process %u. Give this one another `memory-file`", path,
                    server->image.file.owner);
    } else if (status == STATUS_INVALID) {
        log_warning(
            "The `memory-file` %s is no file of a file system in memory (tmpfs), such as /dev/shm: on a disk the "
            "system would write all of it there again and "
            "again, and commands would wait for that",
            path);
    } else if (status == STATUS_CORRUPT) {
        log_warning("The `memory-file` %s is a file of somebody else: remove it, or name another", path);
        status = STATUS_INVALID;
    } else if (status != STATUS_OK) {
        log_warning("The `memory-file` %s cannot be opened: %s", path, strerror(errno));
    }
    return status;
}

bool image_has_room(const struct server *server, uint64_t limit_bytes) {
    uint64_t needed, room;
    return !server->image.used || image_file_has_room(&server->image.file, limit_bytes, &needed, &room);
}

static enum status check_room(const struct server *server, uint64_t limit_bytes) {
    uint64_t needed, room;
    if (image_file_has_room(&server->image.file, limit_bytes, &needed, &room))
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
    log_event(LOG_NOTICE, "memory_file_attached",
              LOG_FIELDS(log_text("path", path_of(server)), log_number("keys", keys),
                         log_number("us", server->image.took_us)),
              "The cache in %s is as it was: %" PRIu64 " keys, %" PRIu64 ".%" PRIu64 " ms", path_of(server), keys,
              server->image.took_us / 1000, server->image.took_us / 100 % 10);
    if (server->image.file.log.behind)
        log_notice("The log has %" PRIu64 " records behind it", server->image.file.log.behind);
}

static enum status open_in_file(struct server *server, struct cache_options *options) {
    struct server_image *image = &server->image;
    uint64_t begun_ns = clock_steady_ns();
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
    server->range = image->file.file.range;
    server->range_size = image->file.file.range_size;
    return status == STATUS_OK ? image_file_use(&image->file) : status;
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

/* Closes the cache. */
static void keep(struct server *server, struct actor *actor) {
    const char *reason = "";
    struct buf notes;
    buf_init(&notes, &memory_libc);
    if (kept_notes(server, add_note, &notes) != STATUS_OK) {
        log_warning("The cache is not kept in %s: %s", path_of(server), strerror(errno));
        cache_close(server->cache);
    } else if (image_file_keep(&server->image.file, server->cache, actor, buf_slice(&notes), &reason) != STATUS_OK) {
        log_warning("The cache is not kept in %s: %s", path_of(server), reason);
    }
    buf_fini(&notes);
}

void image_close(struct server *server) {
    struct server_image *image = &server->image;
    struct actor actor = {.id = 1, .now_ms = clock_unix_ms()};
    if (image->keeps && !image->spoiled)
        keep(server, &actor);
    else if (server->cache)
        cache_close(server->cache);
    server->cache = NULL;
    if (!image->used)
        pages_give(server->range, server->range_size);
    image_file_end(&image->file); /* also if it belongs to another server */
}
