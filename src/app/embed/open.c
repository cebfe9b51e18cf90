/* app/embed/open.c: from a description to a cache, and back. */
#include <stdio.h>
#include <string.h>

#include "app/embed/describe.h"
#include "app/embed/events.h"
#include "app/embed/filing.h"
#include "app/embed/gate.h"
#include "app/embed/image.h"
#include "app/embed/persistence.h"
#include "base/bits.h"
#include "sys/os/futex.h"
#include "sys/os/pages.h"
#include "sys/os/random.h"
#include "sys/os/thread.h"

#define LIMIT_DEFAULT (64ull << 20)
#define LIMIT_MAX_PER_LIMIT 4
#define LIMIT_ANY_MAX ((CACHE_RANGE_SIZE_MAX - TABLES_MIN) / 2)

static const enum cache_policy policies[] = {
    [STRATA_EVICT_DEFAULT] = CACHE_ALLKEYS_LFU,
    [STRATA_EVICT_LRU] = CACHE_ALLKEYS_LRU,
    [STRATA_EVICT_RANDOM] = CACHE_ALLKEYS_RANDOM,
    [STRATA_EVICT_NOTHING] = CACHE_NOEVICTION,
    [STRATA_EVICT_EXPIRING] = CACHE_VOLATILE_LFU,
    [STRATA_EVICT_EXPIRING_LRU] = CACHE_VOLATILE_LRU,
    [STRATA_EVICT_EXPIRING_RANDOM] = CACHE_VOLATILE_RANDOM,
    [STRATA_EVICT_EXPIRING_SOON] = CACHE_VOLATILE_TTL,
};

/* -------------------------------------------------------------------------------------------- options */

static void explain(const struct strata_options *options, const char *text) {
    if (options && options->error_text && options->error_text_size)
        snprintf(options->error_text, options->error_text_size, "%s", text);
}

static enum strata_status complain(const struct strata_options *options, const char *text) {
    explain(options, text);
    return STRATA_INVALID;
}

static bool reserved_is_zero(const struct strata_options *options) {
    uint64_t any = 0;
    for (size_t i = 0; i < COUNT_OF(options->reserved); i++)
        any |= options->reserved[i];
    return any == 0;
}

/* What one of the two says; false if they say different things. */
static bool agree(uint64_t described, uint64_t *option) {
    if (described && *option && described != *option)
        return false;
    *option = described ? described : *option;
    return true;
}

static const char *merge_directory(const struct description *description, struct strata_options *options) {
    if (description->fsync && options->fsync && description->fsync != options->fsync)
        return "the description and options.fsync differ";
    if (description->directory.size && options->directory &&
        !slice_equal(description->directory, slice_from_string(options->directory)))
        return "the description and options.directory differ";
    if (description->fsync)
        options->fsync = description->fsync;
    if (!options->directory && !description->directory.size && options->fsync)
        return "fsync is of a cache that is kept: there is no dir";
    return NULL;
}

static const char *merge_memory_file(const struct description *description, const struct strata_options *options) {
    if (description->memory_file.size && options->memory_file &&
        !slice_equal(description->memory_file, slice_from_string(options->memory_file)))
        return "the description and options.memory_file differ";
    return NULL;
}

static const char *merge_file(const struct description *description, struct strata_options *options) {
    uint64_t hits = options->file_promote_hits;
    if (description->file.size && options->file && !slice_equal(description->file, slice_from_string(options->file)))
        return "the description and options.file differ";
    if (!agree(description->file_bytes, &options->file_bytes))
        return "the description and options.file_bytes differ";
    if (!agree(description->file_idle_ms, &options->file_idle_ms))
        return "the description and options.file_idle_ms differ";
    if (!agree(description->file_rate_bytes, &options->file_rate_bytes))
        return "the description and options.file_rate_bytes differ";
    if (!agree(description->file_promote_hits, &hits))
        return "the description and options.file_promote_hits differ";
    options->file_promote_hits = (uint32_t)hits;
    if (description->file_access_said && options->file_access && options->file_access != description->file_access)
        return "the description and options.file_access differ";
    if (description->file_access_said)
        options->file_access = description->file_access;
    bool any = options->file_bytes || options->file_idle_ms || options->file_rate_bytes || options->file_promote_hits ||
               options->file_access;
    if (!options->file && !description->file.size && any)
        return "there are settings of a file tier, and no file";
    return NULL;
}

static const char *merge(const struct description *description, struct strata_options *options) {
    uint64_t shards = options->shards;
    if (!agree(description->limit_bytes, &options->limit_bytes))
        return "the description and options.limit_bytes differ";
    if (!agree(description->limit_max_bytes, &options->limit_max_bytes))
        return "the description and options.limit_max_bytes differ";
    if (!agree(description->entries_max, &options->entries_max))
        return "the description and options.entries_max differ";
    if (!agree(description->ttl_ms, &options->default_ttl_ms))
        return "the description and options.default_ttl_ms differ";
    if (!agree(description->shards, &shards))
        return "the description and options.shards differ";
    options->shards = (uint32_t)shards;
    if (description->policy_said && options->policy != STRATA_EVICT_DEFAULT && options->policy != description->policy)
        return "the description and options.policy differ";
    if (description->policy_said)
        options->policy = description->policy;
    const char *wrong = merge_directory(description, options);
    if (!wrong)
        wrong = merge_memory_file(description, options);
    return wrong ? wrong : merge_file(description, options);
}

static const char *check(const struct strata_options *options) {
    if ((size_t)options->policy >= COUNT_OF(policies))
        return "options.policy is no enum strata_policy";
    if ((size_t)options->fsync > STRATA_FSYNC_NO)
        return "options.fsync is no enum strata_fsync";
    if (options->directory && !options->directory[0])
        return "options.directory is empty";
    if (options->memory_file && !options->memory_file[0])
        return "options.memory_file is empty";
    if (options->memory_file && strlen(options->memory_file) > DESCRIBE_PATH_MAX)
        return "options.memory_file has more than 4095 bytes";
    if (options->file && !options->file[0])
        return "options.file is empty";
    if (options->file && options->file_bytes < STRATA_FILE_MIN)
        return "the file tier has less than STRATA_FILE_MIN, 8 MiB";
    if ((size_t)options->file_access > STRATA_FILE_MMAP)
        return "options.file_access is no enum strata_file_access";
    if (options->file_promote_hits > STRATA_PROMOTE_HITS_MAX)
        return "options.file_promote_hits is over STRATA_PROMOTE_HITS_MAX, 7";
    if (options->shards > STORE_SHARDS_MAX || (options->shards & (options->shards - 1)))
        return "options.shards is not a power of two to 256";
    if (options->entries_max && options->entries_max < STRATA_ENTRIES_MAX_MIN)
        return "options.entries_max is under 10";
    if (options->limit_bytes < STRATA_LIMIT_MIN)
        return "the memory limit is under STRATA_LIMIT_MIN, 64 KiB";
    if (options->limit_max_bytes < options->limit_bytes)
        return "limit_max_bytes is under the memory limit";
    if (options->limit_max_bytes > LIMIT_ANY_MAX)
        return "limit_max_bytes is more than a cache can have, which is a little under 1 TiB";
    return NULL;
}

/* Paths of a description, with their ends. */
struct paths {
    char directory[DESCRIBE_PATH_MAX + 1], file[DESCRIBE_PATH_MAX + 1], memory_file[DESCRIBE_PATH_MAX + 1];
};

static void name_path(struct slice described, char path[DESCRIBE_PATH_MAX + 1], const char **option) {
    if (described.size == 0)
        return;
    snprintf(path, DESCRIBE_PATH_MAX + 1, "%.*s", (int)described.size, (const char *)described.data);
    *option = path;
}

/* The options name what `paths` takes of the description. */
static enum strata_status settle(const char *text, const struct strata_options *given, struct paths *paths,
                                 struct strata_options *options) {
    char problem[STRATA_ERROR_TEXT_SIZE];
    struct description description;
    *options = given ? *given : (struct strata_options){0};
    if (!text)
        return complain(given, "there is no description");
    if (!reserved_is_zero(options))
        return complain(given, "reserved members of the options are not zero: made for a later library?");
    if (describe_parse(slice_from_string(text), problem, &description) != STATUS_OK)
        return complain(given, problem);
    const char *wrong = merge(&description, options);
    if (wrong)
        return complain(given, wrong);
    if (!options->limit_bytes)
        options->limit_bytes = LIMIT_DEFAULT;
    if (options->limit_bytes > LIMIT_ANY_MAX)
        return complain(given, "the memory limit is more than a cache can have, which is a little under 1 TiB");
    if (!options->limit_max_bytes)
        options->limit_max_bytes = options->limit_bytes > LIMIT_ANY_MAX / LIMIT_MAX_PER_LIMIT
                                       ? LIMIT_ANY_MAX
                                       : options->limit_bytes * LIMIT_MAX_PER_LIMIT;
    name_path(description.directory, paths->directory, &options->directory);
    name_path(description.file, paths->file, &options->file);
    name_path(description.memory_file, paths->memory_file, &options->memory_file);
    wrong = check(options);
    return wrong ? complain(given, wrong) : STRATA_OK;
}

/* -------------------------------------------------------------------------------------------- opening */

/* The allocator as core sees it: notes a failure in the slot of the call under way. */
static void *core_resize(void *context, void *old, size_t size_old, size_t size_new) {
    struct strata_cache *cache = context;
    void *bytes = cache->memory.resize(cache->memory.context, old, size_old, size_new);
    if (!bytes && size_new)
        cache->slots[slot_number_now <= STRATA_THREADS_MAX ? slot_number_now : SLOT_SHARED].no_memory = true;
    return bytes;
}

static void describe_core(struct strata_cache *cache, const struct strata_options *options,
                          struct cache_options *ret_core) {
    struct cache_options core = {
        .range_size = range_for(options->limit_max_bytes),
        .limit_bytes = options->limit_bytes,
        .cores = thread_cores(),
        .shards = options->shards,
        .policy = policies[options->policy],
        .entries_max = options->entries_max,
        .seed = cache->hash_seed = filing_seed(options),
        .waiting = {.wait = futex_wait, .wake = futex_wake},
        .backing = {.release = pages_release},
        .memory = &cache->core_memory,
        .tiered = options->file != NULL,
    };
    if (!options->small_pages) {
        core.backing.huge_size = PAGES_HUGE_SIZE;
        core.backing.dense = pages_dense;
    }
    if (options->on_removed)
        core.changes = (struct cache_changes){events_note, cache, options->directory ? 0 : CACHE_REMOVALS};
    *ret_core = core;
}

static void give_back(struct strata_cache *cache) {
    persistence_close(cache); /* whoever saves lists what is in the file */
    filing_close(cache);
    image_close(cache);
    pages_give(cache->slots, cache->slots_size);
    memory_give(&cache->memory, cache, sizeof *cache);
}

static enum strata_status explain_parts(enum status status, char *problem) {
    if (status != STATUS_OK)
        snprintf(problem, STRATA_ERROR_TEXT_SIZE, "%s",
                 status == STATUS_INVALID
                     ? "the engine cannot work with these sizes"
                     : "no memory: there is no address space for so large a limit, or the allocator gave none");
    return status_out(status);
}

static enum status open_slots(struct strata_cache *cache) {
    void *slots;
    TRY(pages_take(SLOT_COUNT * sizeof *cache->slots, &slots));
    cache->slots = slots;
    cache->slots_size = SLOT_COUNT * sizeof *cache->slots;
    return STATUS_OK;
}

static enum status open_core(struct strata_cache *cache, struct cache_options *core) {
    TRY(pages_take(core->range_size, &cache->range));
    cache->range_size = core->range_size;
    core->range = cache->range;
    return cache_open(core, &cache->core);
}

/* What is kept is read, which nobody is told of. */
static enum strata_status open_kept(struct strata_cache *cache, const struct strata_options *options) {
    char problem[STRATA_ERROR_TEXT_SIZE] = "";
    struct cache_options core;
    enum strata_status answer = explain_parts(open_slots(cache), problem);
    if (answer == STRATA_OK)
        answer = persistence_lock(cache, options, problem);
    if (answer == STRATA_OK) {
        describe_core(cache, options, &core);
        answer = options->memory_file ? image_open(cache, options, &core, persistence_files(cache), problem)
                                      : explain_parts(open_core(cache, &core), problem);
    }
    if (answer == STRATA_OK && filing_lasts(options)) /* what is kept lists what stands there */
        answer = filing_open(cache, options, problem);
    if (answer == STRATA_OK)
        answer = persistence_open(cache, options, problem);
    if (answer == STRATA_OK && filing_lasts(options))
        filing_begin(cache, options);
    else if (answer == STRATA_OK)
        answer = filing_open(cache, options, problem);
    if (answer != STRATA_OK)
        explain(options, problem);
    else if (options->directory && options->on_removed)
        cache_changes_want(cache->core, CACHE_REMOVALS);
    return answer;
}

/* The last step: from here on a fork knows of it. */
static enum strata_status announce(struct strata_cache *cache, const struct strata_options *options) {
    if (gate_add(cache) == STATUS_OK)
        return STRATA_OK;
    explain(options, "no memory for the handlers of a fork");
    return STRATA_NO_MEMORY;
}

enum strata_status strata_open(const char *description, const struct strata_options *options,
                               struct strata_cache **ret_cache) {
    struct strata_options settled;
    struct paths paths;
    explain(options, "");
    enum strata_status answer = settle(description, options, &paths, &settled);
    if (answer != STRATA_OK)
        return answer;
    if (!ret_cache)
        return complain(options, "there is nowhere to put the handle");
    struct memory memory = memory_libc;
    if (settled.allocator.resize)
        memory = (struct memory){settled.allocator.resize, settled.allocator.context};
    struct strata_cache *cache = memory_take(&memory, sizeof *cache);
    if (!cache) {
        explain(options, "the allocator gave no memory for the handle");
        return STRATA_NO_MEMORY;
    }
    *cache = (struct strata_cache){
        .default_ttl_ms = settled.default_ttl_ms,
        .on_removed = settled.on_removed,
        .on_removed_context = settled.on_removed_context,
        .on_message = settled.on_message,
        .on_message_context = settled.on_message_context,
        .memory = memory,
        .core_memory = {core_resize, cache},
        .limit_max_bytes = settled.limit_max_bytes,
        .entries_max = settled.entries_max,
        .shared = PTHREAD_MUTEX_INITIALIZER,
    };
    answer = open_kept(cache, &settled);
    if (answer == STRATA_OK)
        answer = announce(cache, options);
    if (answer == STRATA_OK)
        *ret_cache = cache;
    else
        give_back(cache);
    return answer;
}

void strata_close(struct strata_cache *cache) {
    if (!cache)
        return;
    gate_remove(cache);
    for (uint32_t number = 0; number < slot_number_end(); number++)
        buf_fini(&cache->slots[number].events);
    give_back(cache);
}
