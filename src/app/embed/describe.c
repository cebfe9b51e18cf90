#include "app/embed/describe.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "base/number.h"
#include "base/quantity.h"
#include "core/cache/cache.h"
#include "core/store/actor.h"

enum { SHOWN_MAX = 60 };
#define SHOW(s) (int)((s).size < SHOWN_MAX ? (s).size : SHOWN_MAX), (s).size ? (const char *)(s).data : ""

__attribute__((format(printf, 2, 3))) static enum status complain(char *problem, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(problem, STRATA_ERROR_TEXT_SIZE, format, arguments);
    va_end(arguments);
    return STATUS_INVALID;
}

/* Bytes before the first `sign`; all if there is none. */
static size_t before(struct slice text, char sign) {
    size_t at = 0;
    while (at < text.size && text.data[at] != (uint8_t)sign)
        at++;
    return at;
}

static const char *const policies[] = {
    [STRATA_EVICT_DEFAULT] = "default",
    [STRATA_EVICT_LRU] = "lru",
    [STRATA_EVICT_RANDOM] = "random",
    [STRATA_EVICT_NOTHING] = "nothing",
    [STRATA_EVICT_EXPIRING] = "expiring",
    [STRATA_EVICT_EXPIRING_LRU] = "expiring-lru",
    [STRATA_EVICT_EXPIRING_RANDOM] = "expiring-random",
    [STRATA_EVICT_EXPIRING_SOON] = "expiring-soon",
};

static enum status parse_policy(struct slice value, char *problem, struct description *description) {
    for (size_t i = 0; i < COUNT_OF(policies); i++)
        if (slice_equal(value, slice_from_string(policies[i]))) {
            description->policy = (enum strata_policy)i;
            description->policy_said = true;
            return STATUS_OK;
        }
    return complain(problem,
                    "policy '%.*s' is none of default, lru, random, nothing, expiring, expiring-lru, expiring-random, "
                    "expiring-soon",
                    SHOW(value));
}

static enum status parse_number(const char *name, struct slice value, uint64_t min, uint64_t max, char *problem,
                                uint64_t *ret_number) {
    uint64_t number;
    if (!number_parse_u64(value, &number) || number < min || number > max)
        return complain(problem, "%s '%.*s' is not a number from %llu to %llu", name, SHOW(value),
                        (unsigned long long)min, (unsigned long long)max);
    *ret_number = number;
    return STATUS_OK;
}

static enum status parse_max(struct slice value, char *problem, struct description *description) {
    if (quantity_parse_bytes(value, &description->limit_max_bytes) && description->limit_max_bytes > 0)
        return STATUS_OK;
    return complain(problem, "max '%.*s' is not a size, as in 64mb", SHOW(value));
}

static enum status parse_shards(struct slice value, char *problem, struct description *description) {
    uint64_t shards;
    TRY(parse_number("shards", value, 1, STORE_SHARDS_MAX, problem, &shards));
    if (shards & (shards - 1))
        return complain(problem, "shards '%.*s' is not a power of two", SHOW(value));
    description->shards = (uint32_t)shards;
    return STATUS_OK;
}

static enum status parse_entries(struct slice value, char *problem, struct description *description) {
    return parse_number("entries", value, STRATA_ENTRIES_MAX_MIN, INT64_MAX, problem, &description->entries_max);
}

static enum status parse_ttl(struct slice value, char *problem, struct description *description) {
    if (quantity_parse_ms(value, &description->ttl_ms) && description->ttl_ms > 0)
        return STATUS_OK;
    return complain(problem, "ttl '%.*s' is not a time, as in 90s or 10m", SHOW(value));
}

static enum status parse_path(const char *name, struct slice value, char *problem, struct slice *ret_path) {
    if (value.size == 0 || value.size > DESCRIBE_PATH_MAX)
        return complain(problem, "%s '%.*s' is not a path of 1 to %d bytes", name, SHOW(value), DESCRIBE_PATH_MAX);
    if (memchr(value.data, 0, value.size))
        return complain(problem, "%s has a zero byte", name);
    *ret_path = value;
    return STATUS_OK;
}

static enum status parse_directory(struct slice value, char *problem, struct description *description) {
    return parse_path("dir", value, problem, &description->directory);
}

static enum status parse_memory_file(struct slice value, char *problem, struct description *description) {
    return parse_path("memory-file", value, problem, &description->memory_file);
}

static enum status parse_fsync(struct slice value, char *problem, struct description *description) {
    static const char *const names[] = {
        [STRATA_FSYNC_ALWAYS] = "always", [STRATA_FSYNC_EVERYSEC] = "everysec", [STRATA_FSYNC_NO] = "no"};
    for (size_t i = STRATA_FSYNC_ALWAYS; i < COUNT_OF(names); i++)
        if (slice_equal(value, slice_from_string(names[i]))) {
            description->fsync = (enum strata_fsync)i;
            return STATUS_OK;
        }
    return complain(problem, "fsync '%.*s' is none of always, everysec, no", SHOW(value));
}

static enum status parse_promote(struct slice value, char *problem, struct description *description) {
    uint64_t hits;
    TRY(parse_number("promote", value, 1, STRATA_PROMOTE_HITS_MAX, problem, &hits));
    description->file_promote_hits = (uint32_t)hits;
    return STATUS_OK;
}

static enum status parse_idle(struct slice value, char *problem, struct description *description) {
    if (quantity_parse_ms(value, &description->file_idle_ms) && description->file_idle_ms > 0)
        return STATUS_OK;
    return complain(problem, "idle '%.*s' is not a time, as in 5m", SHOW(value));
}

static enum status parse_rate(struct slice value, char *problem, struct description *description) {
    if (quantity_parse_bytes(value, &description->file_rate_bytes) && description->file_rate_bytes > 0)
        return STATUS_OK;
    return complain(problem, "rate '%.*s' is not a size, as in 10mb", SHOW(value));
}

static enum status parse_access(struct slice value, char *problem, struct description *description) {
    description->file_access_said = true;
    description->file_access = slice_equal(value, SLICE("mmap")) ? STRATA_FILE_MMAP : STRATA_FILE_DIRECT;
    if (description->file_access == STRATA_FILE_MMAP || slice_equal(value, SLICE("direct")))
        return STATUS_OK;
    return complain(problem, "access '%.*s' is none of direct, mmap", SHOW(value));
}

struct setting {
    const char *name;
    enum status (*parse)(struct slice value, char *problem, struct description *description);
};

/* A kind of tier; what stands behind its colon is read by `head`. */
struct kind {
    const char *name, *settings_text;
    enum status (*head)(struct slice part, char *problem, struct description *description);
    struct setting settings[9]; /* those that there are, and a NULL */
};

static enum status parse_memory_size(struct slice part, char *problem, struct description *description) {
    if (!quantity_parse_bytes(part, &description->limit_bytes) || description->limit_bytes == 0)
        return complain(problem, "'%.*s' is not a size, as in 64mb", SHOW(part));
    return STATUS_OK;
}

/* The path may have colons. */
static enum status parse_file(struct slice part, char *problem, struct description *description) {
    size_t colon = part.size;
    while (colon > 0 && part.data[colon - 1] != ':')
        colon--;
    struct slice path = slice_part(part, 0, colon ? colon - 1 : 0), size = slice_part(part, colon, part.size);
    if (path.size == 0 || path.size > DESCRIBE_PATH_MAX || memchr(path.data, 0, path.size))
        return complain(problem, "behind 'file:' stands '%.*s', not a path and a size, as in /var/cache/x:1gb",
                        SHOW(part));
    if (!quantity_parse_bytes(size, &description->file_bytes) || description->file_bytes == 0)
        return complain(problem, "'%.*s' is not a size, as in 1gb", SHOW(size));
    description->file = path;
    return STATUS_OK;
}

static const struct kind kinds[] = {
    {"memory",
     "entries, max, ttl, policy, shards, dir, fsync, memory-file",
     parse_memory_size,
     {{"entries", parse_entries},
      {"max", parse_max},
      {"ttl", parse_ttl},
      {"policy", parse_policy},
      {"shards", parse_shards},
      {"dir", parse_directory},
      {"fsync", parse_fsync},
      {"memory-file", parse_memory_file}}},
    {"file",
     "promote, idle, rate, access",
     parse_file,
     {{"promote", parse_promote}, {"idle", parse_idle}, {"rate", parse_rate}, {"access", parse_access}}},
};

static enum status parse_setting(const struct kind *kind, struct slice part, char *problem,
                                 struct description *description, uint32_t *seen) {
    size_t name_size = before(part, '=');
    struct slice name = slice_part(part, 0, name_size);
    if (name_size == part.size)
        return complain(problem, "'%.*s' is not a setting, as in %s", SHOW(part),
                        kind == kinds ? "entries=1000" : "promote=2");
    for (size_t i = 0; kind->settings[i].name; i++) {
        if (!slice_equal(name, slice_from_string(kind->settings[i].name)))
            continue;
        if (*seen >> i & 1)
            return complain(problem, "%.*s stands there twice", SHOW(name));
        *seen |= 1u << i;
        return kind->settings[i].parse(slice_part(part, name_size + 1, part.size), problem, description);
    }
    return complain(problem, "there is no setting '%.*s': %s", SHOW(name), kind->settings_text);
}

/* One tier, of which `rest` is what follows its kind. */
static enum status parse_tier(const struct kind *kind, struct slice rest, char *problem,
                              struct description *description) {
    if (rest.size && rest.data[0] != ':' && rest.data[0] != ',')
        return complain(problem, "behind '%s' stands '%.*s', not a colon or comma", kind->name, SHOW(rest));
    bool may_be_head = rest.size && rest.data[0] == ':';
    if (kind != kinds && !may_be_head)
        return complain(problem, "behind '%s' stands no path, as in file:/var/cache/x:1gb", kind->name);
    uint32_t seen = 0;
    while (rest.size) { /* at the sign before a part */
        rest = slice_part(rest, 1, rest.size);
        struct slice part = slice_part(rest, 0, before(rest, ','));
        rest = slice_part(rest, part.size, rest.size);
        bool is_head = may_be_head && (kind != kinds || before(part, '=') == part.size);
        TRY(is_head ? kind->head(part, problem, description) : parse_setting(kind, part, problem, description, &seen));
        may_be_head = false;
    }
    return STATUS_OK;
}

enum status describe_parse(struct slice text, char *problem, struct description *ret_description) {
    struct description description = {0};
    size_t next = 0; /* kinds come in their order */
    do {
        struct slice tier = slice_part(text, 0, before(text, ' '));
        text = slice_part(text, tier.size, text.size);
        while (text.size && text.data[0] == ' ')
            text = slice_part(text, 1, text.size);
        if (next == COUNT_OF(kinds))
            return complain(problem, "there are no tiers behind 'file': '%.*s'", SHOW(tier));
        struct slice name = slice_from_string(kinds[next].name);
        if (!slice_starts_with(tier, name))
            return complain(problem, "'%.*s' begins with no kind of tier: %s", SHOW(tier), kinds[next].name);
        TRY(parse_tier(&kinds[next++], slice_part(tier, name.size, tier.size), problem, &description));
    } while (text.size);
    *ret_description = description;
    return STATUS_OK;
}
