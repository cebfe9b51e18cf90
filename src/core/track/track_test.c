#include "core/track/track.h"

#include "base/assert.h"
#include "base/hash.h"
#include "base/rng.h"

#include "unit.h"

enum { KEYS = 90, CLIENTS = 40, TAGS = 12, STEPS = 60000 };

/* What the table should hold, as plain matrices. */
struct world {
    struct track track;
    bool has[KEYS][CLIENTS + 1], bears[KEYS][TAGS];
    bool told[KEYS][CLIENTS + 1]; /* by the call under way */
    bool gone[CLIENTS + 1];
    uint32_t keeper;
};

/* Names of all lengths, also the empty one and some with zero bytes. */
static struct slice name_of(uint32_t at, uint8_t room[KEYS]) {
    memset(room, (int)('a' + at % 3), KEYS);
    room[0] = (uint8_t)at;
    return slice_make(room, at);
}

static uint32_t number_of(struct slice name) { return name.size ? name.data[0] : 0; }

/* So that many share a place, and some the whole hash. */
static uint64_t hash_of(struct slice name) { return (hash_bytes(name, 7) & 31) << 16; }

static bool visit(void *context, struct slice name, uint32_t client) {
    struct world *world = context;
    uint32_t key = number_of(name);
    assert_true(key < KEYS && client >= 1 && client <= CLIENTS);
    assert_int_equal(name.size, key);
    assert_true(world->has[key][client]);
    assert_false(world->told[key][client]);
    world->told[key][client] = true;
    return client == world->keeper;
}

/* The key must have been taken: everybody who had it was told. */
static void expect_taken(struct world *world, uint32_t key) {
    bool left = false;
    for (uint32_t c = 1; c <= CLIENTS; c++) {
        assert_int_equal(world->told[key][c], world->has[key][c]);
        world->has[key][c] &= c == world->keeper;
        left |= world->has[key][c];
        world->told[key][c] = false;
    }
    for (uint32_t t = 0; t < TAGS; t++)
        world->bears[key][t] &= left;
}

static bool is_there(const struct world *world, uint32_t key) {
    for (uint32_t c = 1; c <= CLIENTS; c++)
        if (world->has[key][c])
            return true;
    return false;
}

static void expect_twin(const struct world *world) {
    uint64_t keys = 0, items = 0, tags = 0;
    track_verify(&world->track);
    for (uint32_t k = 0; k < KEYS; k++) {
        uint8_t room[KEYS];
        struct slice name = name_of(k, room);
        for (uint32_t c = 1; c <= CLIENTS; c++) {
            assert_int_equal(track_has(&world->track, name, hash_of(name), c), world->has[k][c]);
            items += world->has[k][c];
        }
        keys += is_there(world, k);
    }
    for (uint32_t t = 0; t < TAGS; t++) {
        bool borne = false;
        for (uint32_t k = 0; k < KEYS; k++)
            borne |= world->bears[k][t];
        tags += borne;
    }
    assert_int_equal(world->track.keys, keys);
    assert_int_equal(world->track.items, items);
    assert_int_equal(world->track.tags, tags);
}

static void note(struct world *world, uint32_t key, uint32_t client, uint32_t tag) {
    uint8_t room[KEYS], tag_room[KEYS];
    struct slice name = name_of(key, room), tag_name = name_of(tag, tag_room);
    struct track_noted noted;
    bool was_there = is_there(world, key);
    assert_int_equal(track_note(&world->track, name, hash_of(name), client, &noted), STATUS_OK);
    assert_int_equal(noted.new_key, !was_there);
    assert_int_equal(noted.new_client, !world->has[key][client]);
    world->has[key][client] = true;
    if (tag < TAGS) {
        assert_int_equal(track_note_tag(&world->track, name, hash_of(name), tag_name, hash_of(tag_name)), STATUS_OK);
        world->bears[key][tag] = true;
    }
}

static bool is_gone(void *context, uint32_t client) { return ((struct world *)context)->gone[client]; }

static void sweep(struct world *world, struct rng *rng) {
    for (uint32_t c = 1; c <= CLIENTS; c++)
        world->gone[c] = rng_below(rng, 8) == 0;
    uint64_t cursor = 0;
    do
        cursor = track_sweep(&world->track, cursor, 1 + (uint32_t)rng_below(rng, 20), is_gone, world);
    while (cursor);
    for (uint32_t k = 0; k < KEYS; k++) {
        for (uint32_t c = 1; c <= CLIENTS; c++)
            world->has[k][c] &= !world->gone[c];
        for (uint32_t t = 0; t < TAGS && !is_there(world, k); t++)
            world->bears[k][t] = false;
    }
}

static void take_any(struct world *world, const struct track_taking *taking) {
    uint64_t before = world->track.keys;
    world->keeper = 0;
    track_take_any(&world->track, taking);
    for (uint32_t k = 0; k < KEYS; k++) {
        bool told = false;
        for (uint32_t c = 1; c <= CLIENTS; c++)
            told |= world->told[k][c];
        if (told)
            expect_taken(world, k);
    }
    assert_int_equal(world->track.keys, before ? before - 1 : 0);
}

static void step(struct world *world, struct rng *rng) {
    struct track_taking taking = {visit, world};
    uint8_t room[KEYS];
    uint32_t key = (uint32_t)rng_below(rng, KEYS), tag = (uint32_t)rng_below(rng, TAGS);
    struct slice name = name_of(key, room);
    world->keeper = rng_below(rng, 4) == 0 ? 1 + (uint32_t)rng_below(rng, CLIENTS) : 0;
    switch (rng_below(rng, 64)) {
        case 0:
        case 1:
        case 2:
        case 3:
            track_take(&world->track, name, hash_of(name), &taking);
            expect_taken(world, key);
            return;
        case 4:
            name = name_of(tag, room);
            track_take_tag(&world->track, name, hash_of(name), &taking);
            for (uint32_t k = 0; k < KEYS; k++)
                if (world->bears[k][tag])
                    expect_taken(world, k);
            return;
        case 5:
            take_any(world, &taking);
            return;
        case 6:
            if (rng_below(rng, 16) == 0)
                sweep(world, rng);
            return;
        default:
            note(world, key, 1 + (uint32_t)rng_below(rng, CLIENTS), (uint32_t)rng_below(rng, 4 * TAGS));
    }
}

static void forget(void *context, uint32_t client) {
    (void)client;
    ++*(uint64_t *)context;
}

static void table_is_as_its_twin(void **state) {
    struct rng rng = rng_seeded(unit_seed());
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    printf("seed %llu\n", (unsigned long long)unit_seed());
    track_init(&world->track, &memory_libc);
    for (uint32_t i = 0; i < STEPS; i++) {
        step(world, &rng);
        if (i % 64 == 0)
            expect_twin(world);
    }
    expect_twin(world);
    uint64_t items = world->track.items, forgotten = 0;
    track_clear(&world->track, forget, &forgotten);
    assert_int_equal(forgotten, items);
    memset(world->has, 0, sizeof world->has);
    memset(world->bears, 0, sizeof world->bears);
    expect_twin(world);
    track_fini(&world->track);
    free(world);
}

/* ------------------------------------------------------------- no memory */

struct short_memory {
    uint64_t left; /* calls that succeed */
    uint64_t bytes;
};

static void *short_resize(void *context, void *old, size_t size_old, size_t size_new) {
    struct short_memory *memory = context;
    if (size_new && memory->left == 0)
        return NULL;
    memory->left -= size_new != 0;
    memory->bytes += size_new - size_old;
    return memory_libc.resize(memory_libc.context, old, size_old, size_new);
}

static bool nobody_keeps(void *context, struct slice name, uint32_t client) {
    (void)name;
    (void)client;
    ++*(uint64_t *)context;
    return false;
}

/* Each allocation of a small history fails once; after each failure the table is as it was before the call. */
static void failed_note_changes_nothing(void **state) {
    struct short_memory short_memory = {0};
    struct memory memory = {short_resize, &short_memory};
    uint64_t failures = 0;
    for (uint64_t good = 0; good < 60; good++) {
        struct track track;
        track_init(&track, &memory);
        short_memory.left = good;
        for (uint32_t i = 0; i < 200; i++) {
            uint8_t room[KEYS];
            struct slice name = name_of(i % 70, room);
            struct track_noted noted = {0};
            uint64_t keys = track.keys, items = track.items, tags = track.tags;
            enum status status = track_note(&track, name, hash_of(name), 1 + i / 70 * 3 + i % 3, &noted);
            if (status == STATUS_OK)
                status = track_note_tag(&track, name, hash_of(name), name, hash_of(name));
            else
                assert_true(track.keys == keys && track.items == items);
            if (status != STATUS_OK) {
                assert_int_equal(status, STATUS_NO_MEMORY);
                assert_int_equal(track.tags, tags);
                failures++;
            }
            if (status != STATUS_OK && failures % 2)
                short_memory.left++;
            track_verify(&track);
        }
        uint64_t told = 0;
        short_memory.left = 0; /* taking needs none */
        while (track.keys)
            track_take_any(&track, &(struct track_taking){nobody_keeps, &told});
        track_fini(&track);
        assert_int_equal(short_memory.bytes, 0);
    }
    assert_true(failures > 100);
}

/* The numbers that docs/decisions/0034 states. */
static void key_takes_what_is_said(void **state) {
    enum { MANY = 100000 };
    struct short_memory counted = {.left = UINT64_MAX};
    struct memory memory = {short_resize, &counted};
    struct track track;
    struct track_noted noted;
    track_init(&track, &memory);
    for (uint32_t i = 0; i < MANY; i++) {
        char text[32];
        snprintf(text, sizeof text, "key:%012u", i);
        struct slice name = slice_from_string(text);
        assert_int_equal(track_note(&track, name, hash_bytes(name, 1), 1 + i % 7, &noted), STATUS_OK);
    }
    uint64_t bytes = counted.bytes;
    printf("%.1f bytes a key with a name of 16 and one client\n", (double)bytes / MANY);
    assert_in_range(bytes / MANY, 44 + 16, 44 + 16 + 16 + 8);
    for (uint32_t client = 1; client <= MANY; client++)
        assert_int_equal(track_note(&track, SLICE("hot"), 99, client, &noted), STATUS_OK);
    printf("%.1f bytes a further client of one key\n", (double)(counted.bytes - bytes) / MANY);
    assert_in_range((counted.bytes - bytes) / MANY, 5, 11);
    track_fini(&track);
}

UNIT_TESTS(track, UNIT(table_is_as_its_twin), UNIT(failed_note_changes_nothing), UNIT(key_takes_what_is_said));
