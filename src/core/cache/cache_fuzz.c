/* The cache under operations read from bytes, against a naive map of a few keys: every answer is compared, and the whole structure
 * is verified at the end. Three bytes an operation: what, which key, how much.
 *
 * The first byte chooses the memory: ample without eviction, or so small that entries may be lost but not changed.
 */
#include <stdlib.h>
#include <sys/mman.h>

#include "core/cache/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    KEYS = 16,
    VALUE_MAX = 40000,
    RANGE_SIZE = 8 << 20,
    AMPLE = 8 << 20,
    SMALL = 1 << 20,
    OPERATIONS_MAX = 400,
    TAGS = 5
};

struct value {
    bool there;
    uint64_t size, expires_at_ms;
    uint32_t tags; /* a bit for each */
    uint8_t bytes[VALUE_MAX];
};

static struct value values[KEYS];
static uint8_t source[VALUE_MAX + 256], got[VALUE_MAX];

struct fuzz {
    struct cache *cache;
    struct actor actor;
    bool may_lose;
};

static void wait_never(void *context, _Atomic uint32_t *word, uint32_t seen) {
    (void)context, (void)word, (void)seen;
    ASSERT(!"there is one thread");
}

static void wake_nobody(void *context, _Atomic uint32_t *word) { (void)context, (void)word; }

static void *reserve(void *context, uint64_t size) {
    ASSERT(size <= VALUE_MAX);
    return context;
}

static struct cache_key key_of(const struct fuzz *fuzz, uint32_t key) {
    static uint8_t names[KEYS][300];
    memset(names[key], (int)('a' + key), sizeof names[key]);
    return cache_key(fuzz->cache, key % 3, slice_make(names[key], key * key));
}

/* Sizes around what matters: nothing, small, the edge between log and extents, several segments. */
static uint64_t size_of(uint8_t byte) {
    static const uint16_t bases[] = {0, 100, 1000, 4000, 9000, 16384, 32000, 250};
    return bases[byte >> 5] + (uint64_t)(byte & 31) * 9;
}

static struct value *value_at(struct fuzz *fuzz, uint32_t key) {
    struct value *value = &values[key];
    if (value->there && value->expires_at_ms && value->expires_at_ms <= fuzz->actor.now_ms)
        value->there = false;
    return value;
}

/* A lost entry is forgotten by the map as well, where that is allowed. */
static void agree(struct fuzz *fuzz, struct value *value, bool found) {
    ASSERT(found == value->there || (fuzz->may_lose && !found));
    value->there = found;
}

static bool written(struct fuzz *fuzz, enum status status) {
    ASSERT(status == STATUS_OK || (fuzz->may_lose && status == STATUS_FULL));
    return status == STATUS_OK;
}

static void get(struct fuzz *fuzz, uint32_t at) {
    struct cache_key key = key_of(fuzz, at);
    struct cache_read read = {.size_max = UINT64_MAX, .facts = true, .reserve = reserve, .context = got};
    struct value *value = value_at(fuzz, at);
    bool found;
    enum status status = cache_get(fuzz->cache, &fuzz->actor, &key, &read, &found);
    ASSERT(status == STATUS_OK);
    agree(fuzz, value, found);
    if (!found)
        return;
    ASSERT(read.size == value->size && read.info.size == value->size);
    ASSERT(memcmp(got, value->bytes, value->size) == 0);
    ASSERT(read.info.expires_at_ms == value->expires_at_ms);
}

static void set(struct fuzz *fuzz, uint32_t at, uint8_t how, uint64_t expires_at_ms) {
    struct cache_key key = key_of(fuzz, at);
    uint64_t size = size_of(how);
    if (!written(fuzz, cache_set(fuzz->cache, &fuzz->actor, &key, slice_make(source + how, size), expires_at_ms)))
        return;
    values[at].there = true;
    values[at].size = size;
    values[at].expires_at_ms = expires_at_ms;
    values[at].tags = 0;
    memcpy(values[at].bytes, source + how, size);
}

/* The names of the tags of which `mask` has a bit; answers how many. */
static uint32_t tags_of(uint32_t mask, struct slice ret_tags[TAGS]) {
    static const char *const names[TAGS] = {"a", "tag", "another tag", "t4", "a tag with a name of some length"};
    uint32_t count = 0;
    for (uint32_t i = 0; i < TAGS; i++)
        if (mask >> i & 1)
            ret_tags[count++] = slice_from_string(names[i]);
    return count;
}

static void set_tagged(struct fuzz *fuzz, uint32_t at, uint8_t how) {
    struct cache_key key = key_of(fuzz, at);
    struct slice tags[TAGS];
    struct cache_edit edit;
    uint64_t size = size_of(how);
    cache_prepare(fuzz->cache, &fuzz->actor, &key, size);
    cache_edit_begin(fuzz->cache, &fuzz->actor, &key, &edit);
    agree(fuzz, value_at(fuzz, at), edit.found);
    edit.tags = tags;
    edit.tag_count = tags_of(how, tags);
    if (written(fuzz, cache_edit_set(&edit, CACHE_STRING, slice_make(source + how, size), 0))) {
        values[at].there = true;
        values[at].size = size;
        values[at].expires_at_ms = 0;
        values[at].tags = how & ((1u << TAGS) - 1);
        memcpy(values[at].bytes, source + how, size);
    }
    cache_edit_end(&edit);
}

static void retag(struct fuzz *fuzz, uint32_t at, uint8_t how) {
    struct cache_key key = key_of(fuzz, at);
    struct slice tags[TAGS];
    struct cache_edit edit;
    cache_edit_begin(fuzz->cache, &fuzz->actor, &key, &edit);
    agree(fuzz, value_at(fuzz, at), edit.found);
    if (edit.found && written(fuzz, cache_edit_retag(&edit, tags, tags_of(how, tags))))
        values[at].tags = how & ((1u << TAGS) - 1);
    cache_edit_end(&edit);
}

static void invalidate(struct fuzz *fuzz, uint8_t how) {
    struct slice tag;
    uint64_t members = 0;
    uint32_t bit = 1u << how % TAGS;
    (void)tags_of(bit, &tag);
    for (uint32_t i = 0; i < KEYS; i++) {
        struct value *value = value_at(fuzz, i);
        bool goes = value->there && value->tags & bit;
        members += goes;
        value->there = value->there && !goes;
    }
    uint64_t said = cache_tag_invalidate(fuzz->cache, &fuzz->actor, tag);
    ASSERT(said >= members || fuzz->may_lose); /* what has expired or went by another tag may count with it */
}

static void patch(struct fuzz *fuzz, uint32_t at, uint8_t how, bool append) {
    struct cache_key key = key_of(fuzz, at);
    struct value *value = value_at(fuzz, at);
    struct cache_edit edit;
    cache_prepare(fuzz->cache, &fuzz->actor, &key, VALUE_MAX);
    cache_edit_begin(fuzz->cache, &fuzz->actor, &key, &edit);
    agree(fuzz, value, edit.found);
    uint64_t old = value->there ? value->size : 0, offset = append ? old : size_of((uint8_t)(how * 7)),
             size = size_of(how) / 8;
    if (offset + size <= VALUE_MAX && written(fuzz, cache_edit_patch(&edit, offset, slice_make(source + how, size)))) {
        if (!value->there)
            value->expires_at_ms = value->tags = 0;
        if (offset > old)
            memset(value->bytes + old, 0, offset - old);
        memcpy(value->bytes + offset, source + how, size);
        value->size = offset + size > old ? offset + size : old;
        value->there = true;
        ASSERT(edit.found && edit.size == value->size);
    }
    cache_edit_end(&edit);
}

static void expire(struct fuzz *fuzz, uint32_t at, uint64_t expires_at_ms) {
    struct cache_key key = key_of(fuzz, at);
    struct cache_edit edit;
    cache_edit_begin(fuzz->cache, &fuzz->actor, &key, &edit);
    agree(fuzz, value_at(fuzz, at), edit.found);
    if (edit.found && written(fuzz, cache_edit_expire(&edit, expires_at_ms)))
        values[at].expires_at_ms = expires_at_ms;
    cache_edit_end(&edit);
}

static void copy(struct fuzz *fuzz, uint32_t from, uint32_t to) {
    struct cache_key keys[2] = {key_of(fuzz, from), key_of(fuzz, to)};
    struct cache_edit a, b;
    if (from == to)
        return;
    cache_lock_keys(fuzz->cache, &fuzz->actor, keys, 2, VALUE_MAX);
    cache_edit_begin(fuzz->cache, &fuzz->actor, &keys[0], &a);
    cache_edit_begin(fuzz->cache, &fuzz->actor, &keys[1], &b);
    agree(fuzz, value_at(fuzz, from), a.found);
    agree(fuzz, value_at(fuzz, to), b.found);
    if (a.found && written(fuzz, cache_edit_copy(&a, &b, a.expires_at_ms)))
        values[to] = values[from];
    cache_edit_end(&b);
    cache_edit_end(&a);
    cache_unlock(fuzz->cache, &fuzz->actor);
}

static void upload(struct fuzz *fuzz, uint32_t at, uint8_t how) {
    struct cache_key key = key_of(fuzz, at);
    struct cache_upload upload;
    uint64_t size = size_of(how);
    if (size < cache_upload_size_min(fuzz->cache))
        return;
    bool begun = cache_upload_begin(fuzz->cache, size, &upload) == STATUS_OK, full = false;
    ASSERT(begun);
    while (upload.filled < size && !full) {
        void *bytes;
        uint64_t room;
        full = !written(fuzz, cache_upload_room(fuzz->cache, &fuzz->actor, &upload, &bytes, &room));
        if (full)
            break;
        memcpy(bytes, source + how + upload.filled, room);
        cache_upload_filled(&upload, room);
    }
    if (!full && how % 4) {
        struct cache_edit edit;
        struct slice tag;
        cache_edit_begin(fuzz->cache, &fuzz->actor, &key, &edit);
        agree(fuzz, value_at(fuzz, at), edit.found);
        edit.tags = &tag;
        edit.tag_count = tags_of(how & 1, &tag);
        if (written(fuzz, cache_edit_set_upload(&edit, &upload, 0))) {
            values[at].there = true;
            values[at].size = size;
            values[at].expires_at_ms = 0;
            values[at].tags = how & edit.tag_count;
            memcpy(values[at].bytes, source + how, size);
        }
        cache_edit_end(&edit);
    }
    cache_upload_drop(fuzz->cache, &fuzz->actor, &upload);
}

static void toggle_filter(struct fuzz *fuzz, uint8_t how) {
    static const uint32_t rates_ppm[] = {100000, 30000, 10000, 200};
    enum status status = cache_filter_set(fuzz->cache, &fuzz->actor, 0, how & 16, rates_ppm[how >> 6]);
    ASSERT(status == STATUS_OK);
}

static void operate(struct fuzz *fuzz, uint8_t what, uint32_t at, uint8_t how) {
    uint64_t soon = fuzz->actor.now_ms + 1 + how * 10u;
    struct cache_key key = key_of(fuzz, at);
    switch (what % 20) {
        case 0 ... 2:
            return set(fuzz, at, how, 0);
        case 3:
            return set(fuzz, at, how, soon);
        case 4:
            return get(fuzz, at);
        case 5 ... 6:
            return patch(fuzz, at, how, what % 2);
        case 7:
            agree(fuzz, value_at(fuzz, at), cache_delete(fuzz->cache, &fuzz->actor, &key));
            values[at].there = false;
            return;
        case 8:
            return expire(fuzz, at, how % 5 == 0 ? 0 : how % 5 == 1 ? soon + (1ull << 33) : soon);
        case 9:
            return copy(fuzz, at, how % KEYS);
        case 10 ... 11:
            return upload(fuzz, at, how);
        case 12:
            fuzz->actor.now_ms += how;
            return;
        case 13:
            (void)cache_housekeep(fuzz->cache, &fuzz->actor);
            return;
        case 14:
            cache_flush(fuzz->cache, &fuzz->actor, how % 3);
            for (uint32_t i = how % 3; i < KEYS; i += 3)
                values[i].there = false;
            return;
        case 15 ... 16:
            return set_tagged(fuzz, at, how);
        case 17:
            return retag(fuzz, at, how);
        case 18:
            return invalidate(fuzz, how);
        default:
            if (how % 4 == 0)
                return toggle_filter(fuzz, how);
            cache_verify(fuzz->cache, &fuzz->actor);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1)
        return 0;
    bool small = data[0] & 1;
    void *range = mmap(NULL, RANGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    struct cache_options options = {
        .range = range,
        .range_size = RANGE_SIZE,
        .limit_bytes = small ? SMALL : AMPLE,
        .shards = data[0] & 2 ? 2 : 1,
        .policy = small ? (enum cache_policy)(data[0] / 4 % CACHE_POLICY_COUNT) : CACHE_NOEVICTION,
        .seed = 1,
        .waiting = {wait_never, wake_nobody, NULL},
        .memory = &memory_libc,
    };
    struct fuzz fuzz = {.actor = {.id = 2, .now_ms = 1700000000000u}, .may_lose = small};
    enum status status = cache_open(&options, &fuzz.cache);
    ASSERT(range != MAP_FAILED && status == STATUS_OK);
    for (size_t i = 0; i < sizeof source; i++)
        source[i] = (uint8_t)(i * 131 + i / 256);
    for (uint32_t i = 0; i < KEYS; i++)
        values[i].there = false;
    for (size_t i = 1, done = 0; i + 2 < size && done < OPERATIONS_MAX; i += 3, done++)
        operate(&fuzz, data[i], data[i + 1] % KEYS, data[i + 2]);
    for (uint32_t i = 0; i < KEYS; i++)
        get(&fuzz, i);
    cache_verify(fuzz.cache, &fuzz.actor);
    cache_close(fuzz.cache);
    munmap(range, RANGE_SIZE);
    return 0;
}
