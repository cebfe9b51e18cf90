/* app/cli/snapshot_directory.c: the entries that a directory keeps, read as a server would at its start, but nothing is written. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/cli/snapshot.h"
#include "app/lines/entry_line.h"
#include "app/persist/persist.h"
#include "app/server/kept.h"
#include "app/server/state.h"
#include "base/assert.h"
#include "base/glob.h"
#include "core/classes/names.h"
#include "sys/os/clock.h"
#include "sys/os/futex.h"
#include "sys/os/log.h"
#include "sys/os/pages.h"
#include "sys/os/random.h"

enum { SCAN_COUNT = 256, RANGE_PER_LIMIT = 2, MEMORY_PER_BYTE = 3, MEMORY_MORE = 256 << 20 };

struct reading {
    const struct snapshot_options *options;
    struct directory directory;
    struct server *server; /* no server: only what it knows of rules and stores while it loads (app/server/kept.h) */
    struct cache *cache;
    struct actor actor;
    void *range;
    uint64_t range_size;
    bool (*visit)(void *context, struct entry_line *entry);
    void *context;
    bool goes_on;
    struct entry_line entry; /* that is looked at, with copies of its value and tags */
    struct buf value, tags;
};

static int fail(const struct reading *reading, int code, const char *why) {
    fprintf(stderr, "strata snapshot: %s: %s\n", reading->options->dir, why);
    return code;
}

/* ------------------------------------------------------------------------------------------ a cache for it */

static enum status add_size(void *visitor, const char *name) {
    struct reading *reading = visitor;
    const struct files *files = &reading->directory.files;
    uint64_t size = 0;
    int file;
    if (files->open(files->context, name, FILES_READ, &file) != STATUS_OK)
        return STATUS_OK;
    if (files->size(files->context, file, &size) == STATUS_OK)
        reading->range_size += size;
    files->close(files->context, file);
    return STATUS_OK;
}

static enum status open_cache(struct reading *reading) {
    const struct files *files = &reading->directory.files;
    uint64_t limit = reading->options->limit_bytes;
    if (!limit) {
        TRY(files->list(files->context, add_size, reading));
        limit = reading->range_size * MEMORY_PER_BYTE + MEMORY_MORE;
    }
    reading->range_size = limit * RANGE_PER_LIMIT;
    TRY(pages_take(reading->range_size, &reading->range));
    const struct cache_options options = {
        .range = reading->range,
        .range_size = reading->range_size,
        .limit_bytes = limit,
        .cores = 1,
        .policy = CACHE_NOEVICTION,
        .seed = random_u64(),
        .waiting = {.wait = futex_wait, .wake = futex_wake},
        .backing = {.release = pages_release},
        .memory = &memory_libc,
    };
    return cache_open(&options, &reading->cache);
}

/* A directory that may only be read has no server that writes, and is read without its lock. */
static int open_directory(struct reading *reading) {
    int owner = 0;
    char text[80];
    if (directory_open(reading->options->dir, false, &reading->directory) != STATUS_OK) {
        reading->directory.fd = -1;
        return fail(reading, SNAPSHOT_UNREADABLE, strerror(errno));
    }
    enum status status = directory_lock(&reading->directory, &owner);
    snprintf(text, sizeof text, "it is in use by process %d: export from that, by its port", owner);
    if (status == STATUS_BUSY)
        return fail(reading, SNAPSHOT_UNREADABLE, text);
    return status == STATUS_OK || files_cause(errno) == FILES_DENIED
               ? SNAPSHOT_GOOD
               : fail(reading, SNAPSHOT_UNREADABLE, strerror(errno));
}

static int load(struct reading *reading) {
    const struct persist_options options = {
        .files = &reading->directory.files,
        .cache = reading->cache,
        .actor = &reading->actor,
        .actors = 1,
        .user = {.note = kept_note, .lay_in = kept_lay_in, .context = reading->server},
    };
    struct persist_facts facts;
    char reason[PERSIST_REASON_SIZE], text[160];
    if (persist_read(&options, &facts, reason) != STATUS_OK)
        return fail(reading, SNAPSHOT_WRONG, reason);
    snprintf(text, sizeof text, "%llu entries find no room in this memory: give more with --memory",
             (unsigned long long)facts.loaded_entries_lost);
    if (facts.loaded_entries_lost)
        return fail(reading, SNAPSHOT_WRONG, text);
    if (facts.loaded_below_lost)
        fprintf(stderr, "%s: %llu entries stand in a warm tier, and are left out\n", reading->options->dir,
                (unsigned long long)facts.loaded_below_lost);
    if (reading->server->kept.follow.size)
        return fail(reading, SNAPSHOT_WRONG,
                    "the server was killed before all was invalidated that follows from its last writes: start it "
                    "once, which does that");
    if (facts.cut_bytes)
        fprintf(stderr, "%s: the last %llu bytes of the log were not written to their end: left out\n",
                reading->options->dir, (unsigned long long)facts.cut_bytes);
    return SNAPSHOT_GOOD;
}

/* ------------------------------------------------------------------------------------------ its entries */

static void keep_tag(void *context, struct slice tag) {
    struct reading *reading = context;
    if (classes_is_marked(tag) || reading->entry.tag_count == CACHE_TAGS_MAX)
        return;
    size_t at = reading->tags.size;
    reading->goes_on = reading->goes_on && buf_append_slice(&reading->tags, tag) == STATUS_OK;
    if (reading->goes_on)
        reading->entry.tags[reading->entry.tag_count++] = slice_make(reading->tags.data + at, tag.size);
}

/* False: it is not there. */
static bool look_up(struct reading *reading, const struct cache_key *key) {
    struct cache_edit edit;
    cache_edit_begin(reading->cache, &reading->actor, key, &edit);
    bool found = edit.found && edit.type == CACHE_STRING;
    buf_clear(&reading->tags);
    buf_clear(&reading->value);
    if (found) {
        reading->entry.expires_at_ms = edit.expires_at_ms;
        reading->entry.version = edit.row;
        reading->goes_on = buf_reserve(&reading->value, edit.size) == STATUS_OK &&
                           buf_reserve(&reading->tags, CACHE_TAGS_MAX * CACHE_TAG_NAME_MAX) == STATUS_OK;
        if (reading->goes_on) {
            cache_edit_copy_out(&edit, 0, reading->value.data, edit.size);
            reading->entry.value = slice_make(reading->value.data, edit.size);
            cache_edit_tags(&edit, keep_tag, reading);
        }
    }
    cache_edit_end(&edit);
    return found;
}

static void visit_name(void *context, struct slice name, const struct cache_info *info) {
    struct reading *reading = context;
    const char *match = reading->options->match;
    (void)info;
    if (!reading->goes_on || (match && !glob_matches(slice_from_string(match), name, false)))
        return;
    reading->entry = (struct entry_line){.db = reading->entry.db, .key = name};
    struct cache_key key = cache_key(reading->cache, reading->entry.db, name);
    if (look_up(reading, &key))
        reading->goes_on = reading->goes_on && reading->visit(reading->context, &reading->entry);
}

static int visit_all(struct reading *reading) {
    const struct snapshot_options *options = reading->options;
    reading->goes_on = true;
    for (uint32_t db = 0; db < CACHE_DATABASES && reading->goes_on; db++) {
        uint64_t cursor = 0;
        if (options->db != SNAPSHOT_EVERY_DB && db != (uint32_t)options->db)
            continue;
        reading->entry.db = db;
        do {
            cursor = cache_scan(reading->cache, &reading->actor, db, cursor, SCAN_COUNT, visit_name, reading);
        } while (cursor && cursor != CACHE_SCAN_FAILED && reading->goes_on);
        reading->goes_on = reading->goes_on && cursor != CACHE_SCAN_FAILED;
    }
    return reading->goes_on ? SNAPSHOT_GOOD : fail(reading, SNAPSHOT_WRONG, "not all of it could be exported");
}

static int read_all(struct reading *reading) {
    int code = open_directory(reading);
    if (code != SNAPSHOT_GOOD)
        return code;
    if (open_cache(reading) != STATUS_OK)
        return fail(reading, SNAPSHOT_WRONG, "there is not enough memory, or too little was given with --memory");
    code = load(reading);
    reading->actor.now_ms = clock_unix_ms();
    return code == SNAPSHOT_GOOD ? visit_all(reading) : code;
}

int snapshot_directory(const struct snapshot_options *options, bool (*visit)(void *context, struct entry_line *entry),
                       void *context) {
    struct reading reading = {.options = options, .visit = visit, .context = context, .actor.id = 1};
    log_level_set(LOG_NOTHING); /* its lines would stand among the entries; what matters is said otherwise */
    reading.server = calloc(1, sizeof *reading.server);
    if (!reading.server)
        return fail(&reading, SNAPSHOT_WRONG, "there is not enough memory");
    kept_init(reading.server);
    buf_init(&reading.value, &memory_libc);
    buf_init(&reading.tags, &memory_libc);
    int code = read_all(&reading);
    buf_fini(&reading.value);
    buf_fini(&reading.tags);
    if (reading.cache)
        cache_close(reading.cache);
    if (reading.range)
        pages_give(reading.range, reading.range_size);
    if (reading.directory.fd >= 0)
        directory_close(&reading.directory);
    kept_fini(reading.server);
    free(reading.server);
    return code;
}
