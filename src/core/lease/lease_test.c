#include "core/lease/lease.h"

#include "base/hash.h"
#include "scarce.h"
#include "unit.h"

enum { WOKEN_MAX = 64 };

struct woken {
    struct lease_waiter *waiter;
    enum lease_wake how;
    uint64_t token;
};

struct world {
    struct leases leases;
    uint64_t stamp;
    struct woken woken[WOKEN_MAX];
    uint32_t woken_count;
};

static uint64_t next_stamp(void *context) { return ++((struct world *)context)->stamp; }

static void note_wake(void *context, struct lease_waiter *waiter, enum lease_wake how, uint64_t token) {
    struct world *world = context;
    assert_true(world->woken_count < WOKEN_MAX);
    world->woken[world->woken_count++] = (struct woken){waiter, how, token};
}

static struct leases_options options_of(struct world *world) {
    return (struct leases_options){.leases_max = 100,
                                   .waiters_max = 100,
                                   .bytes_max = 1 << 20,
                                   .seed = 42,
                                   .memory = &memory_libc,
                                   .stamp = next_stamp,
                                   .wake = note_wake,
                                   .context = world};
}

static void begin(struct world *world) {
    *world = (struct world){0};
    struct leases_options options = options_of(world);
    assert_int_equal(leases_init(&world->leases, &options), STATUS_OK);
}

static void done(struct world *world) {
    leases_verify(&world->leases);
    leases_fini(&world->leases);
}

static uint64_t hash_of(const char *text) { return hash_bytes(slice_from_string(text), 0); }

static struct lease_key key_of(const char *name) {
    return (struct lease_key){.name = slice_from_string(name), .hash = hash_of(name)};
}

static uint64_t load(struct world *world, const char *name, uint32_t lease_ms, uint64_t now_ms) {
    struct lease_key key = key_of(name);
    struct lease_given given;
    assert_int_equal(leases_ask(&world->leases, &key, lease_ms, false, NULL, now_ms, &given), LEASE_GIVEN);
    assert_int_equal(given.until_ms, now_ms + lease_ms);
    leases_verify(&world->leases);
    return given.token;
}

static void wait_for(struct world *world, const char *name, struct lease_waiter *waiter, uint32_t lease_ms,
                     uint64_t until_ms, uint64_t now_ms) {
    struct lease_key key = key_of(name);
    struct lease_given given;
    waiter->lease_ms = lease_ms;
    waiter->until_ms = until_ms;
    waiter->bytes = sizeof *waiter;
    assert_int_equal(leases_ask(&world->leases, &key, lease_ms, false, waiter, now_ms, &given), LEASE_WAITS);
    leases_verify(&world->leases);
}

static enum lease_end try_write(struct world *world, const char *name, uint64_t token, uint64_t now_ms) {
    struct lease_key key = key_of(name);
    uint64_t stamp;
    return leases_begin_write(&world->leases, &key, token, NULL, 0, now_ms, &stamp);
}

static void write_by_token(struct world *world, const char *name, uint64_t token, uint64_t now_ms) {
    struct lease_key key = key_of(name);
    assert_int_equal(try_write(world, name, token, now_ms), LEASE_HOLDS);
    leases_written(&world->leases, &key); /* as the cache tells of it */
    leases_end_write(&world->leases, token, true);
    leases_verify(&world->leases);
}

static void expect_woken(const struct world *world, uint32_t at, const struct lease_waiter *waiter,
                         enum lease_wake how) {
    assert_true(at < world->woken_count);
    assert_ptr_equal(world->woken[at].waiter, waiter);
    assert_int_equal(world->woken[at].how, how);
}

static void expect_lost_by(const struct world *world, uint64_t token, uint64_t client, uint32_t command) {
    struct lease_by by = leases_lost_by(&world->leases, token);
    assert_true(by.client == client && by.command == command);
}

static void one_loads_and_others_are_busy(void **state) {
    struct world world;
    struct lease_given given;
    struct lease_key key = key_of("a");
    (void)state;
    begin(&world);
    uint64_t token = load(&world, "a", 100, 1000);
    assert_int_equal(leases_ask(&world.leases, &key, 100, false, NULL, 1040, &given), LEASE_BUSY);
    assert_int_equal(given.until_ms, 1100);
    assert_int_equal(leases_ask(&world.leases, &key, 0, false, NULL, 1040, &given), LEASE_BUSY);
    assert_int_not_equal(load(&world, "b", 100, 1000), token);
    write_by_token(&world, "a", token, 1099);
    assert_int_equal(try_write(&world, "a", token, 1099), LEASE_USED);
    assert_int_equal(leases_ask(&world.leases, &key, 0, false, NULL, 1100, &given), LEASE_NOBODY);
    assert_int_equal(world.leases.given, 2);
    assert_int_equal(world.leases.out, 1);
    done(&world);
}

static void names_with_one_hash_are_two_keys(void **state) {
    struct world world;
    (void)state;
    begin(&world);
    struct lease_key a = {.name = SLICE("a"), .hash = 7}, b = {.name = SLICE("b"), .hash = 7},
                     other = {.name = SLICE("a"), .hash = 7, .place = 3};
    struct lease_given given[3];
    uint64_t stamp;
    assert_int_equal(leases_ask(&world.leases, &a, 100, false, NULL, 1, &given[0]), LEASE_GIVEN);
    assert_int_equal(leases_ask(&world.leases, &b, 100, false, NULL, 1, &given[1]), LEASE_GIVEN);
    assert_int_equal(leases_ask(&world.leases, &other, 100, false, NULL, 1, &given[2]), LEASE_GIVEN);
    assert_int_equal(leases_begin_write(&world.leases, &b, given[0].token, NULL, 0, 2, &stamp), LEASE_OF_OTHER_KEY);
    leases_written(&world.leases, &a);
    assert_false(leases_is_out(&world.leases, given[0].token));
    assert_true(leases_is_out(&world.leases, given[1].token));
    leases_removed(&world.leases, 0, 7, LEASE_DELETED, 2); /* a session has ended */
    assert_false(leases_is_out(&world.leases, given[1].token));
    assert_true(leases_is_out(&world.leases, given[2].token));
    assert_int_equal(leases_begin_write(&world.leases, &a, given[0].token, NULL, 0, 2, &stamp), LEASE_WRITTEN);
    assert_int_equal(leases_begin_write(&world.leases, &b, given[1].token, NULL, 0, 2, &stamp), LEASE_DELETED);
    done(&world);
}

static void whoever_waits_is_woken_in_order(void **state) {
    struct world world;
    struct lease_waiter waiters[3] = {{0}};
    (void)state;
    begin(&world);
    uint64_t token = load(&world, "a", 100, 0);
    for (int i = 0; i < 3; i++)
        wait_for(&world, "a", &waiters[i], 50, 1000, 0);
    write_by_token(&world, "a", token, 1);
    assert_int_equal(world.woken_count, 3);
    for (uint32_t i = 0; i < 3; i++)
        expect_woken(&world, i, &waiters[i], LEASE_LOOK);
    /* The value has gone before they looked; the second is the fastest to ask again. */
    world.woken_count = 0;
    token = load(&world, "a", 100, 2);
    wait_for(&world, "a", &waiters[1], 50, 1000, 2);
    wait_for(&world, "a", &waiters[2], 50, 1000, 2);
    wait_for(&world, "a", &waiters[0], 50, 1000, 2);
    write_by_token(&world, "a", token, 3);
    for (uint32_t i = 0; i < 3; i++)
        expect_woken(&world, i, &waiters[i], LEASE_LOOK);
    assert_int_equal(world.leases.waiting, 0);
    done(&world);
}

static void the_lease_passes_to_the_first_who_wants_it(void **state) {
    struct world world;
    struct lease_waiter looks = {0}, first = {0}, second = {0};
    (void)state;
    begin(&world);
    uint64_t token = load(&world, "a", 100, 0);
    wait_for(&world, "a", &looks, 0, 5000, 0);
    wait_for(&world, "a", &first, 200, 5000, 0);
    wait_for(&world, "a", &second, 300, 5000, 0);
    leases_removed(&world.leases, 0, hash_of("a"), LEASE_DELETED, 10);
    assert_int_equal(world.woken_count, 1);
    expect_woken(&world, 0, &first, LEASE_LOAD);
    uint64_t second_token = world.woken[0].token;
    assert_int_equal(try_write(&world, "a", token, 11), LEASE_DELETED);
    leases_verify(&world.leases);
    assert_int_equal(leases_due_ms(&world.leases), 210);
    struct lease_key key = key_of("a");
    assert_true(leases_release(&world.leases, &key, second_token, 20));
    assert_false(leases_release(&world.leases, &key, second_token, 20));
    expect_woken(&world, 1, &second, LEASE_LOAD);
    leases_run_due(&world.leases, 319);
    assert_int_equal(world.woken_count, 2);
    leases_run_due(&world.leases, 320); /* nobody is left that would load */
    expect_woken(&world, 2, &looks, LEASE_MISS);
    assert_int_equal(world.leases.out, 0);
    assert_int_equal(world.leases.lapsed, 1);
    assert_int_equal(try_write(&world, "a", world.woken[1].token, 320), LEASE_HOLDS);
    assert_int_equal(world.leases.ends[LEASE_DELETED], 1);
    assert_int_equal(world.leases.ends[LEASE_RELEASED], 1);
    assert_int_equal(world.leases.ends[LEASE_TIMED_OUT], 1);
    done(&world);
}

static void time_ends_leases_and_waits(void **state) {
    struct world world;
    struct lease_waiter waiter = {0}, heir = {0};
    (void)state;
    begin(&world);
    uint64_t token = load(&world, "a", 100, 1000);
    token = load(&world, "a", 100, 1100); /* the one before is over */
    assert_int_equal(world.leases.ends[LEASE_TIMED_OUT], 1);
    wait_for(&world, "a", &waiter, 100, 1150, 1100);
    wait_for(&world, "a", &heir, 100, 2000, 1100);
    assert_int_equal(leases_due_ms(&world.leases), 1150);
    leases_run_due(&world.leases, 1149);
    assert_int_equal(world.woken_count, 0);
    leases_run_due(&world.leases, 1150);
    expect_woken(&world, 0, &waiter, LEASE_MISS);
    leases_run_due(&world.leases, 1200);
    expect_woken(&world, 1, &heir, LEASE_LOAD);
    assert_false(leases_is_out(&world.leases, token));
    /* Who asks finds out as well, without anybody having looked at the clock. */
    wait_for(&world, "a", &waiter, 100, 5000, 1299);
    struct lease_key key = key_of("a");
    struct lease_given given;
    assert_int_equal(leases_ask(&world.leases, &key, 100, false, NULL, 1300, &given), LEASE_BUSY);
    expect_woken(&world, 2, &waiter, LEASE_LOAD);
    assert_int_equal(given.until_ms, 1400);
    done(&world);
}

/* A load that takes longer than its lease, and others that begin meanwhile. */
static void a_late_write_is_done_if_nothing_has_happened(void **state) {
    struct world world;
    struct lease_waiter heir = {0};
    (void)state;
    begin(&world);
    uint64_t first = load(&world, "a", 100, 0);
    wait_for(&world, "a", &heir, 100, 5000, 10);
    leases_run_due(&world.leases, 100);
    expect_woken(&world, 0, &heir, LEASE_LOAD);
    leases_run_due(&world.leases, 200); /* nobody else wants it now */
    assert_true(world.leases.out == 0 && world.leases.lapsed == 1);
    uint64_t third = load(&world, "a", 100, 250);
    world.leases.by = (struct lease_by){7, 3};
    write_by_token(&world, "a", first, 300);
    assert_int_equal(try_write(&world, "a", third, 301), LEASE_WRITTEN);
    expect_lost_by(&world, third, 7, 3);
    assert_int_equal(try_write(&world, "a", first, 301), LEASE_WRITTEN);
    assert_int_equal(try_write(&world, "a", world.woken[0].token, 301), LEASE_WRITTEN);
    assert_true(world.leases.late == 1 && world.leases.ends[LEASE_TIMED_OUT] == 2 && world.leases.lapsed == 0);
    /* Its own, when nobody else has come. */
    first = load(&world, "a", 100, 400);
    leases_run_due(&world.leases, 500);
    write_by_token(&world, "a", first, 900);
    assert_int_equal(try_write(&world, "a", first, 901), LEASE_USED);
    assert_true(world.leases.late == 2 && world.leases.ends[LEASE_USED] == 0);
    done(&world);
}

/* What has happened to the key while the lease was another one's, or nobody's. */
static void a_late_write_is_refused_if_anything_has_happened(void **state) {
    enum { WRITTEN, DELETED, FLUSHED, TAGGED, RELEASED, HAPPENINGS };
    static const enum lease_end wanted[HAPPENINGS] = {LEASE_WRITTEN, LEASE_DELETED, LEASE_FLUSHED, LEASE_OF_TAG,
                                                      LEASE_RELEASED};
    (void)state;
    for (uint32_t round = 0; round < 2 * HAPPENINGS; round++) {
        struct world world;
        struct lease_key key = key_of("a");
        bool lapsed = round % 2;
        uint64_t stamp, tag = hash_of("t");
        begin(&world);
        uint64_t first = load(&world, "a", 100, 0), holder = first;
        leases_run_due(&world.leases, 100);
        if (!lapsed)
            holder = load(&world, "a", 100, 150);
        switch (round / 2) {
            case WRITTEN:
                leases_written(&world.leases, &key);
                break;
            case DELETED:
                assert_int_equal(leases_removed(&world.leases, 0, key.hash, LEASE_DELETED, 160), 1);
                break;
            case FLUSHED:
                leases_cleared(&world.leases, 0, LEASE_FLUSHED, 160);
                break;
            case TAGGED:
                leases_tag_invalidated(&world.leases, tag);
                break;
            default:
                assert_int_equal(leases_release(&world.leases, &key, holder, 160), !lapsed);
        }
        leases_verify(&world.leases);
        assert_int_equal(leases_begin_write(&world.leases, &key, first, &tag, 1, 170, &stamp), wanted[round / 2]);
        assert_int_equal(world.leases.lapsed, 0);
        assert_int_equal(world.leases.out,
                         !lapsed && round / 2 == TAGGED); /* which is younger, or not: its own affair */
        done(&world);
    }
}

static void few_are_remembered_and_not_for_long(void **state) {
    struct world world;
    struct lease_given given;
    char name[16];
    (void)state;
    begin(&world);
    world.leases.options.leases_max = 2 * LEASES_LAPSED_MAX;
    uint64_t first = load(&world, "first", 10, 0);
    leases_run_due(&world.leases, 10);
    for (uint32_t i = 0; i < LEASES_LAPSED_MAX; i++) {
        snprintf(name, sizeof name, "%u", i);
        load(&world, name, 10, 20);
    }
    leases_run_due(&world.leases, 30);
    assert_int_equal(world.leases.lapsed, LEASES_LAPSED_MAX);
    assert_int_equal(try_write(&world, "first", first, 31), LEASE_TIMED_OUT);
    world.leases.options.leases_max = LEASES_LAPSED_MAX;
    struct lease_key key = key_of("b");
    assert_int_equal(leases_ask(&world.leases, &key, 10, false, NULL, 40, &given), LEASE_GIVEN);
    assert_int_equal(world.leases.lapsed, LEASES_LAPSED_MAX - 1); /* it makes room for who comes */
    leases_verify(&world.leases);
    leases_run_due(&world.leases, 30 + LEASE_LATE_MS);
    assert_int_equal(world.leases.lapsed, 1);
    leases_run_due(&world.leases, 50 + 2 * LEASE_LATE_MS);
    assert_true(world.leases.lapsed == 0 && world.leases.bytes == 0 && leases_due_ms(&world.leases) == UINT64_MAX);
    assert_int_equal(try_write(&world, "b", given.token, 50 + 2 * LEASE_LATE_MS), LEASE_TIMED_OUT);
    done(&world);
}

static void a_write_under_way_is_not_ended_by_time(void **state) {
    struct world world;
    struct lease_waiter waiter = {0};
    (void)state;
    begin(&world);
    uint64_t token = load(&world, "a", 100, 0);
    wait_for(&world, "a", &waiter, 100, 5000, 0);
    assert_int_equal(try_write(&world, "a", token, 99), LEASE_HOLDS);
    leases_run_due(&world.leases, 150);
    assert_int_equal(world.woken_count, 0);
    leases_end_write(&world.leases, token, false); /* it failed */
    assert_true(leases_is_out(&world.leases, token));
    leases_run_due(&world.leases, leases_due_ms(&world.leases));
    expect_woken(&world, 0, &waiter, LEASE_LOAD);
    done(&world);
}

static void an_invalidated_tag_refuses_the_write(void **state) {
    struct world world;
    struct lease_key key = key_of("a");
    uint64_t stamp, hashes[2] = {hash_of("t1"), hash_of("t2")};
    (void)state;
    begin(&world);
    leases_tag_invalidated(&world.leases, hashes[1]); /* before the lease */
    uint64_t token = load(&world, "a", 100, 0);
    leases_tag_invalidated(&world.leases, hash_of("other"));
    assert_int_equal(leases_begin_write(&world.leases, &key, token, hashes, 2, 1, &stamp), LEASE_HOLDS);
    assert_int_equal(stamp, 2);
    leases_end_write(&world.leases, token, false);
    leases_tag_invalidated(&world.leases, hashes[1]);
    assert_int_equal(leases_begin_write(&world.leases, &key, token, hashes, 1, 1, &stamp), LEASE_HOLDS);
    leases_end_write(&world.leases, token, false);
    assert_int_equal(leases_begin_write(&world.leases, &key, token, hashes, 2, 1, &stamp), LEASE_OF_TAG);
    assert_int_equal(try_write(&world, "a", token, 1), LEASE_OF_TAG);
    done(&world);
}

/* However many tags are invalidated, none is forgotten; and hardly any that was not is refused. */
static void no_invalidation_is_forgotten(void **state) {
    enum { TAGS = 1000, OTHERS = 1000 };
    struct world world;
    struct lease_key key = key_of("a");
    uint64_t stamp;
    uint32_t wrong = 0;
    (void)state;
    begin(&world);
    for (uint32_t i = 0; i < TAGS + OTHERS; i++) {
        char name[32];
        uint64_t token = load(&world, "a", 100, 0);
        for (uint32_t j = 0; j < TAGS; j++) {
            snprintf(name, sizeof name, "tag %u", j);
            leases_tag_invalidated(&world.leases, hash_of(name));
        }
        snprintf(name, sizeof name, "tag %u", i);
        uint64_t tag = hash_of(name);
        enum lease_end answer = leases_begin_write(&world.leases, &key, token, &tag, 1, 1, &stamp);
        if (i < TAGS)
            assert_int_equal(answer, LEASE_OF_TAG);
        else
            wrong += answer != LEASE_HOLDS;
        if (answer == LEASE_HOLDS)
            leases_end_write(&world.leases, token, true);
    }
    assert_true(wrong < OTHERS / 8); /* (1 - e^(-1000/4096))^2 is one in 21 */
    done(&world);
}

static void flushes_and_swaps_end_what_they_concern(void **state) {
    struct world world;
    struct lease_waiter waiter = {0};
    struct lease_given given;
    (void)state;
    begin(&world);
    uint64_t of_a = load(&world, "a", 100, 0);
    struct lease_key other = {.name = SLICE("b"), .hash = 9, .place = 4};
    assert_int_equal(leases_ask(&world.leases, &other, 100, false, NULL, 0, &given), LEASE_GIVEN);
    wait_for(&world, "a", &waiter, 100, 1000, 0);
    leases_cleared(&world.leases, 4, LEASE_SWAPPED, 1);
    assert_true(leases_is_out(&world.leases, of_a));
    assert_false(leases_is_out(&world.leases, given.token));
    leases_cleared(&world.leases, 0, LEASE_SWAPPED, 1);
    expect_woken(&world, 0, &waiter, LEASE_LOOK);
    assert_int_equal(try_write(&world, "a", of_a, 1), LEASE_SWAPPED);
    of_a = load(&world, "a", 100, 1);
    wait_for(&world, "a", &waiter, 100, 1000, 1);
    leases_cleared(&world.leases, LEASE_PLACES_ALL, LEASE_FLUSHED, 2);
    expect_woken(&world, 1, &waiter, LEASE_LOAD);
    assert_int_equal(try_write(&world, "a", of_a, 2), LEASE_FLUSHED);
    done(&world);
}

static bool begins_with(void *context, struct slice name) {
    return slice_starts_with(name, slice_from_string(context));
}

static void patterns_end_what_matches(void **state) {
    struct world world;
    struct lease_waiter waiter = {0};
    char prefix[] = "user:";
    (void)state;
    begin(&world);
    uint64_t user = load(&world, "user:1", 100, 0), other = load(&world, "page:1", 100, 0);
    wait_for(&world, "user:1", &waiter, 100, 1000, 0);
    leases_removed_like(&world.leases, 3, begins_with, prefix, 1);
    assert_true(leases_is_out(&world.leases, user));
    leases_removed_like(&world.leases, 0, begins_with, prefix, 1);
    expect_woken(&world, 0, &waiter, LEASE_LOAD);
    assert_int_equal(try_write(&world, "user:1", user, 2), LEASE_INVALIDATED);
    assert_int_equal(try_write(&world, "page:1", other, 2), LEASE_HOLDS);
    done(&world);
}

static void bounds_are_kept(void **state) {
    struct world world;
    struct lease_waiter waiters[2] = {{0}};
    struct lease_given given;
    (void)state;
    begin(&world);
    world.leases.options.leases_max = 1;
    world.leases.options.waiters_max = 1;
    uint64_t token = load(&world, "a", 100, 0);
    struct lease_key a = key_of("a"), b = key_of("b");
    assert_int_equal(leases_ask(&world.leases, &b, 100, false, NULL, 0, &given), LEASE_TOO_MANY);
    wait_for(&world, "a", &waiters[0], 0, 100, 0);
    waiters[1].until_ms = 100;
    assert_int_equal(leases_ask(&world.leases, &a, 0, false, &waiters[1], 0, &given), LEASE_TOO_MANY);
    leases_forget(&world.leases, &waiters[1]);
    leases_forget(&world.leases, &waiters[0]);
    assert_int_equal(world.leases.waiting, 0);
    write_by_token(&world, "a", token, 1);
    assert_int_equal(world.woken_count, 0);
    world.leases.options.bytes_max = 10;
    assert_int_equal(leases_ask(&world.leases, &b, 100, false, NULL, 0, &given), LEASE_TOO_MANY);
    assert_int_equal(world.leases.bytes, 0);
    done(&world);
}

/* No token that was not given holds, and none is given twice. */
static void tokens_are_given_once(void **state) {
    enum { ROUNDS = 20000 };
    struct world world;
    uint64_t *seen = calloc(ROUNDS, sizeof *seen);
    (void)state;
    begin(&world);
    assert_int_equal(try_write(&world, "a", 0, 0), LEASE_UNKNOWN);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        seen[i] = load(&world, "a", 100, 0);
        assert_false(leases_is_out(&world.leases, seen[i] + 1));
        if (i)
            assert_false(leases_is_out(&world.leases, seen[i - 1]));
        write_by_token(&world, "a", seen[i], 0);
    }
    for (uint32_t i = 0; i < ROUNDS; i += 500) {
        assert_false(leases_is_out(&world.leases, seen[i]));
        for (uint32_t j = 0; j < i; j++)
            assert_int_not_equal(seen[i], seen[j]);
    }
    free(seen);
    done(&world);
}

static void it_is_known_who_has_a_lease_and_who_ended_it(void **state) {
    struct world world;
    struct lease_view view;
    struct lease_waiter heir = {.client = 9, .bound = true}, other = {.client = 10};
    struct lease_key key = key_of("a");
    uint64_t stamp, lost_stamp, hashes[] = {hash_of("quiet"), hash_of("loud")};
    (void)state;
    begin(&world);
    assert_false(leases_look_at(&world.leases, &key, 1, &view));
    uint64_t first = load(&world, "a", 100, 1000);
    leases_hold(&world.leases, first, 5, false);
    wait_for(&world, "a", &heir, 300, 5000, 1010);
    wait_for(&world, "a", &other, 0, 5000, 1020);
    assert_true(leases_look_at(&world.leases, &key, 1030, &view));
    assert_true(view.client == 5 && view.given_ms == 1000 && view.until_ms == 1100 && !view.bound && view.waiting == 2);
    assert_false(leases_look_at(&world.leases, &key, 1100, &view)); /* its time is over, though nobody has noticed */
    world.leases.by = (struct lease_by){7, 3};
    assert_int_equal(leases_removed(&world.leases, 0, key.hash, LEASE_INVALIDATED, 1040), 1);
    assert_int_equal(try_write(&world, "a", first, 1040), LEASE_INVALIDATED);
    expect_lost_by(&world, first, 7, 3);
    assert_true(leases_look_at(&world.leases, &key, 1040, &view));
    assert_true(view.client == 9 && view.bound && view.given_ms == 1040 && view.until_ms == 1340 && view.waiting == 1);
    uint64_t second = world.woken[0].token;
    leases_run_due(&world.leases, 1340); /* what ends by itself was ended by nobody */
    expect_lost_by(&world, second, 0, 0);
    expect_lost_by(&world, second + 1, 0, 0);
    uint64_t third = load(&world, "a", 100, 2000);
    leases_tag_invalidated(&world.leases, hashes[1]);
    assert_int_equal(leases_begin_write(&world.leases, &key, third, hashes, 2, 2001, &stamp), LEASE_OF_TAG);
    assert_int_equal(leases_lost_tag(&world.leases, &lost_stamp), 1);
    assert_true(lost_stamp > 0 && lost_stamp < world.stamp);
    assert_int_equal(leases_begin_write(&world.leases, &key, third, hashes, 2, 2001, &stamp), LEASE_OF_TAG);
    assert_int_equal(leases_lost_tag(&world.leases, &lost_stamp), UINT32_MAX); /* it was told once */
    done(&world);
}

static void want_of_memory_changes_nothing(void **state) {
    (void)state;
    uint32_t refused = 0;
    for (uint32_t n = 0; n < 12; n++) {
        struct world world = {0};
        struct scarce scarce;
        struct leases_options options = options_of(&world);
        options.memory = scarce_begin(&scarce, n);
        options.leases_max = 1000;
        if (leases_init(&world.leases, &options) != STATUS_OK)
            continue;
        for (uint32_t i = 0; i < 200; i++) {
            char name[16];
            snprintf(name, sizeof name, "%u", i);
            struct lease_key key = key_of(name);
            struct lease_given given;
            if (leases_ask(&world.leases, &key, 100, false, NULL, 0, &given) != LEASE_GIVEN) {
                refused++;
                assert_int_equal(leases_ask(&world.leases, &key, 0, false, NULL, 0, &given), LEASE_NOBODY);
            }
            scarce.left = scarce.left ? scarce.left : i % 3 == 0;
        }
        leases_verify(&world.leases);
        leases_run_due(&world.leases, 100);
        assert_int_equal(world.leases.out, 0);
        leases_fini(&world.leases);
    }
    assert_true(refused > 0);
}

UNIT_TESTS(lease, UNIT(one_loads_and_others_are_busy), UNIT(names_with_one_hash_are_two_keys),
           UNIT(whoever_waits_is_woken_in_order), UNIT(the_lease_passes_to_the_first_who_wants_it),
           UNIT(time_ends_leases_and_waits), UNIT(a_late_write_is_done_if_nothing_has_happened),
           UNIT(a_late_write_is_refused_if_anything_has_happened), UNIT(few_are_remembered_and_not_for_long),
           UNIT(a_write_under_way_is_not_ended_by_time), UNIT(an_invalidated_tag_refuses_the_write),
           UNIT(no_invalidation_is_forgotten), UNIT(flushes_and_swaps_end_what_they_concern),
           UNIT(patterns_end_what_matches), UNIT(bounds_are_kept), UNIT(tokens_are_given_once),
           UNIT(it_is_known_who_has_a_lease_and_who_ended_it), UNIT(want_of_memory_changes_nothing));
