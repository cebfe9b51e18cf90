#include "app/embed/image.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "app/embed/call.h"
#include "app/embed/describe.h"
#include "app/persist/image_file.h"
#include "base/assert.h"
#include "base/version.h"
#include "sys/os/pages.h"

enum { CLOSER = SLOT_COUNT + 4 }; /* an actor, behind those of the log and the tier */

static const uint64_t MAGIC = 0x3162694c74725453u; /* "StrtLib1" */

struct image {
    struct image_file file;
    struct cache_options core; /* of an empty one, for the child of a fork */
    _Atomic uint64_t limit_bytes;
    bool attached;
    bool loading; /* the cache has a part of what the log has behind */
    bool spoiled; /* it would not belong to the log */
    bool loses;   /* nothing is ever kept: there are a directory and a file */
    char path[DESCRIBE_PATH_MAX + 1];
};

__attribute__((format(printf, 3, 4))) static void say(const struct strata_cache *cache, enum log_level level,
                                                      const char *format, ...) {
    char text[DESCRIBE_PATH_MAX + IMAGE_WHY_SIZE + 100];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    call_say(cache, level, text);
}

__attribute__((format(printf, 3, 4))) static enum strata_status refuse(char *problem, enum strata_status answer,
                                                                       const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(problem, STRATA_ERROR_TEXT_SIZE, format, arguments);
    va_end(arguments);
    return answer;
}

/* ------------------------------------------------------------------------------------------ opening */

static enum strata_status open_file(struct image *image, uint64_t limit_bytes, char *problem) {
    uint64_t needed, room;
    switch (image_file_open(&image->file, MAGIC, "libstrata " STRATA_VERSION, image->path)) {
        case STATUS_OK:
            break;
        case STATUS_BUSY:
            return refuse(problem, STRATA_BUSY, "process %" PRIu32 " has its cache in '%.100s'", image->file.owner,
                          image->path);
        case STATUS_INVALID:
            return refuse(problem, STRATA_INVALID,
                          "the memory file '%.100s' is no file of a file system in memory (tmpfs), such as /dev/shm",
                          image->path);
        case STATUS_CORRUPT:
            return refuse(problem, STRATA_INVALID, "the memory file '%.100s' is a file of somebody else", image->path);
        default:
            return refuse(problem, STRATA_IO, "the memory file '%.100s' cannot be opened: %s", image->path,
                          strerror(errno));
    }
    if (image_file_has_room(&image->file, limit_bytes, &needed, &room))
        return STRATA_OK;
    return refuse(problem, STRATA_IO,
                  "the file system of '%.100s' has room for %" PRIu64 " bytes, and the limit takes up to %" PRIu64
                  " there",
                  image->path, room, needed);
}

/* It was mapped for the maximum of who made it. */
static void limit_raising(struct strata_cache *cache, const struct cache_options *core) {
    uint64_t max = range_limit_max(core->range_size);
    if (cache->limit_max_bytes > max)
        cache->limit_max_bytes = max > core->limit_bytes ? max : core->limit_bytes;
}

static enum status attach(struct strata_cache *cache, struct cache_options *core, const struct files *log) {
    struct image *image = cache->image;
    if (image->loses) {
        image_file_say_not(&image->file, "there are a directory and a file");
        return STATUS_INVALID;
    }
    uint64_t begun_ns = clock_steady_ns();
    enum status status = image_file_attach(&image->file, log, NULL, core, &cache->core);
    if (status != STATUS_OK)
        return status;
    image->attached = true;
    limit_raising(cache, core);
    atomic_store(&cache->expiring, cache_count_expiring(cache->core, 0) != 0);
    say(cache, LOG_NOTICE, "The cache in %s is as it was: %" PRIu64 " entries, %" PRIu64 " us", image->path,
        cache_count(cache->core, 0), (clock_steady_ns() - begun_ns) / 1000);
    return status;
}

static enum status begin(struct strata_cache *cache, struct cache_options *core) {
    struct image *image = cache->image;
    say(cache, LOG_NOTICE, "The cache in %s begins anew: %s", image->path, image->file.why_not);
    return image_file_begin(&image->file, core, &cache->core);
}

static enum strata_status explain(const struct image *image, enum status status, char *problem) {
    switch (status) {
        case STATUS_OK:
            return STRATA_OK;
        case STATUS_INVALID:
            return refuse(problem, STRATA_INVALID, "the engine cannot work with these sizes");
        case STATUS_NO_MEMORY:
            return refuse(problem, STRATA_NO_MEMORY, "no memory, or no address space for so large a limit");
        default:
            return refuse(problem, STRATA_IO, "the memory file '%.100s' cannot be used: %s", image->path,
                          strerror(errno));
    }
}

enum strata_status image_open(struct strata_cache *cache, const struct strata_options *options,
                              const struct cache_options *core, const struct files *log, char *problem) {
    struct image *image = memory_take(&cache->memory, sizeof *image);
    if (!image)
        return refuse(problem, STRATA_NO_MEMORY, "the allocator gave no memory");
    *image = (struct image){.core = *core, .loses = options->directory && options->file};
    image_file_init(&image->file);
    snprintf(image->path, sizeof image->path, "%s", options->memory_file);
    atomic_store(&image->limit_bytes, options->limit_bytes);
    cache->image = image;
    enum strata_status answer = open_file(image, options->limit_bytes, problem);
    if (answer != STRATA_OK)
        return answer;
    struct cache_options used = *core;
    enum status status = attach(cache, &used, log);
    if (status == STATUS_INVALID)
        status = begin(cache, &used);
    if (status == STATUS_OK) {
        memory_file_withhold(&image->file.file);
        status = image_file_use(&image->file);
    }
    return explain(image, status, problem);
}

/* ------------------------------------------------------------------------------------------ beside a log */

struct persist_image image_log(const struct strata_cache *cache) {
    return cache->image ? cache->image->file.log : (struct persist_image){.lsn = 0};
}

void image_load_begins(struct strata_cache *cache) {
    if (cache->image)
        cache->image->loading = true;
}

void image_load_ended(struct strata_cache *cache) {
    if (cache->image)
        cache->image->loading = false;
}

void image_mark(struct strata_cache *cache, struct persist *persist, struct actor *actor) {
    struct image *image = cache->image;
    if (image && persist && !image->loses)
        image->spoiled |= persist_image_mark(persist, actor, &image->file.log) != STATUS_OK;
}

void image_log_closed(struct strata_cache *cache, enum status status) {
    if (cache->image)
        cache->image->spoiled |= status != STATUS_OK;
}

/* ------------------------------------------------------------------------------------------ closing */

static void close_image(struct strata_cache *cache) {
    struct image *image = cache->image;
    struct actor actor = {.id = CLOSER, .now_ms = clock_unix_ms()};
    const char *reason = "the log could not be closed behind it";
    bool keeps = cache->core && !image->spoiled && !image->loading && !image->loses;
    if (keeps && image_file_keep(&image->file, cache->core, &actor, slice_make(NULL, 0), &reason) != STATUS_OK)
        say(cache, LOG_WARNING, "The cache is not kept in %s: %s", image->path, reason);
    if (!keeps && cache->core) {
        if (image->spoiled)
            say(cache, LOG_WARNING, "The cache is not kept in %s: %s", image->path, reason);
        cache_close(cache->core);
    }
    image_file_end(&image->file);
    memory_give(&cache->memory, image, sizeof *image);
    cache->image = NULL;
}

void image_close(struct strata_cache *cache) {
    if (cache->image)
        close_image(cache);
    else
        cache_close(cache->core);
    cache->core = NULL;
    pages_give(cache->range, cache->range_size);
    cache->range = NULL;
}

/* ------------------------------------------------------------------------------------------ limits, forks */

bool image_has_room(const struct strata_cache *cache, uint64_t limit_bytes) {
    uint64_t needed, room;
    return !cache->image || limit_bytes <= atomic_load(&cache->image->limit_bytes) ||
           image_file_has_room(&cache->image->file, limit_bytes, &needed, &room);
}

void image_limit_note(struct strata_cache *cache, uint64_t limit_bytes) {
    if (cache->image)
        atomic_store(&cache->image->limit_bytes, limit_bytes);
}

bool image_was_attached(const struct strata_cache *cache) { return cache->image && cache->image->attached; }

/* Its range is not mapped here: the handle of the old core, which leads there, is never touched again. */
void image_fork_child(struct strata_cache *cache) {
    struct image *image = cache->image;
    if (!image)
        return;
    struct cache_options *core = &image->core;
    image->file.file.range = NULL;
    image_file_end(&image->file);
    core->tiered = false;
    core->limit_bytes = atomic_load(&image->limit_bytes);
    core->entries_max = atomic_load(&cache->entries_max);
    enum status status = pages_take(core->range_size, &core->range);
    if (status == STATUS_OK) {
        cache->range = core->range;
        cache->range_size = core->range_size;
        status = cache_open(core, &cache->core);
    }
    ASSERT(status == STATUS_OK); /* there is nothing that calls could answer */
    atomic_store(&cache->expiring, 0);
    cache->era++;
    cache->image = NULL;
    memory_give(&cache->memory, image, sizeof *image);
}
