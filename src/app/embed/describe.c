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

static enum status parse_directory(struct slice value, char *problem, struct description *description) {
    if (value.size == 0 || value.size > DESCRIBE_PATH_MAX)
        return complain(problem, "dir '%.*s' is not a path of 1 to %d bytes", SHOW(value), DESCRIBE_PATH_MAX);
    if (memchr(value.data, 0, value.size))
        return complain(problem, "dir has a zero byte");
    description->directory = value;
    return STATUS_OK;
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

static const struct {
    const char *name;
    enum status (*parse)(struct slice value, char *problem, struct description *description);
} settings[] = {
    {"entries", parse_entries}, {"max", parse_max},       {"ttl", parse_ttl},     {"policy", parse_policy},
    {"shards", parse_shards},   {"dir", parse_directory}, {"fsync", parse_fsync},
};

static enum status parse_setting(struct slice name, struct slice value, char *problem, struct description *description,
                                 size_t *ret_setting) {
    for (size_t i = 0; i < COUNT_OF(settings); i++)
        if (slice_equal(name, slice_from_string(settings[i].name))) {
            *ret_setting = i;
            return settings[i].parse(value, problem, description);
        }
    return complain(problem, "there is no setting '%.*s': entries, max, ttl, policy, shards, dir, fsync", SHOW(name));
}

/* One part between commas: the size, if it is the first behind a colon, or a setting. */
static enum status parse_part(struct slice part, bool may_be_size, char *problem, struct description *description,
                              uint32_t *seen) {
    size_t name_size = before(part, '=');
    if (name_size == part.size) {
        if (!may_be_size)
            return complain(problem, "'%.*s' is not a setting, as in entries=1000", SHOW(part));
        if (!quantity_parse_bytes(part, &description->limit_bytes) || description->limit_bytes == 0)
            return complain(problem, "'%.*s' is not a size, as in 64mb", SHOW(part));
        return STATUS_OK;
    }
    struct slice name = slice_part(part, 0, name_size);
    size_t setting;
    TRY(parse_setting(name, slice_part(part, name_size + 1, part.size), problem, description, &setting));
    if (*seen >> setting & 1)
        return complain(problem, "%.*s stands there twice", SHOW(name));
    *seen |= 1u << setting;
    return STATUS_OK;
}

enum status describe_parse(struct slice text, char *problem, struct description *ret_description) {
    struct description description = {0};
    struct slice kind = SLICE("memory"), rest = slice_part(text, kind.size, text.size);
    if (!slice_starts_with(text, kind))
        return complain(problem, "'%.*s' begins with no kind of tier: memory", SHOW(text));
    if (rest.size && rest.data[0] != ':' && rest.data[0] != ',')
        return complain(problem, "behind 'memory' stands '%.*s', not a colon or comma", SHOW(rest));
    bool may_be_size = rest.size && rest.data[0] == ':';
    uint32_t seen = 0;
    while (rest.size) { /* at the sign before a part */
        rest = slice_part(rest, 1, rest.size);
        struct slice part = slice_part(rest, 0, before(rest, ','));
        rest = slice_part(rest, part.size, rest.size);
        TRY(parse_part(part, may_be_size, problem, &description, &seen));
        may_be_size = false;
    }
    *ret_description = description;
    return STATUS_OK;
}
