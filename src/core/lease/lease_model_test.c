/* Random calls against a twin that keeps everything in plain arrays and looks through all of it each time. */
#include "base/hash.h"
#include "base/rng.h"
#include "core/lease/lease.h"
#include "unit.h"

enum {
    KEYS = 12,
    HASHES = 5,
    PLACES = 2,
    WAITERS = 24,
    STEPS = 60000,
    TAGS = 4,
    TOKENS = 64,
    LEASES_AT_ONCE = 6,
    WAITS_AT_ONCE = 10
};

struct twin_waiter {
    struct lease_waiter waiter; /* first: the table's */
    bool waits;                 /* as the twin thinks */
    uint32_t key;
    uint64_t arrived; /* 0: not yet, or its command is over */
    bool woken;       /* as the table says */
    enum lease_wake how;
    uint64_t token;
};

struct twin_lease {
    bool held;
    uint64_t token, until_ms, stamp;
    uint64_t since_stamp; /* of the first since which nothing but time has passed */
    bool lapsed;          /* not held, but its tokens are good */
    bool there;
};

struct token_seen {
    uint64_t token;
    uint32_t key;
    enum lease_end why; /* LEASE_HOLDS: it should hold, maybe late */
};

struct twin {
    struct leases leases;
    struct rng rng;
    uint64_t now_ms, stamp, arrivals;
    struct twin_lease of[KEYS];
    struct twin_waiter waiters[WAITERS];
    uint64_t tag_stamps[TAGS], tag_hashes[TAGS];
    struct token_seen tokens[TOKENS];
    uint32_t token_count;
    uint32_t order[WAITERS], order_count; /* the table's wakes, in order */
    uint32_t wanted[WAITERS], wanted_count;
    uint32_t displaced; /* in this step, of those that had lapsed */
};

static uint64_t next_stamp(void *context) { return ++((struct twin *)context)->stamp; }

static void note_wake(void *context, struct lease_waiter *waiter, enum lease_wake how, uint64_t token) {
    struct twin *twin = context;
    struct twin_waiter *woken = (struct twin_waiter *)(void *)waiter;
    assert_false(woken->woken);
    woken->woken = true;
    woken->how = how;
    woken->token = token;
    twin->order[twin->order_count++] = (uint32_t)(woken - twin->waiters);
}

/* Two keys share a name in different places; some share a hash. */
static struct lease_key key_of(uint32_t key) {
    static const char *const names[] = {"a", "b", "c", "d", "e", "f"};
    return (struct lease_key){
        .name = slice_from_string(names[key / PLACES]), .hash = key / PLACES % HASHES, .place = key % PLACES};
}

/* -------------------------------------------------------------------------------------------- the twin */

static void remember(struct twin *twin, uint32_t key, uint64_t token) {
    twin->tokens[twin->token_count++ % TOKENS] = (struct token_seen){token, key, LEASE_HOLDS};
}

/* The key's token, and those that are late with it. */
static void forget_tokens(struct twin *twin, uint32_t key, enum lease_end why) {
    for (uint32_t i = 0; i < TOKENS; i++)
        if (twin->tokens[i].key == key && twin->tokens[i].why == LEASE_HOLDS)
            twin->tokens[i].why = why;
}

static void forget_lapsed(struct twin *twin, uint32_t key, enum lease_end why) {
    if (!twin->of[key].lapsed)
        return;
    twin->of[key].lapsed = false;
    forget_tokens(twin, key, why);
}

static struct twin_waiter *first_waiter(struct twin *twin, uint32_t key, bool that_loads) {
    struct twin_waiter *first = NULL;
    for (uint32_t i = 0; i < WAITERS; i++) {
        struct twin_waiter *one = &twin->waiters[i];
        if (one->waits && one->key == key && (!that_loads || one->waiter.lease_ms) &&
            (!first || one->arrived < first->arrived))
            first = one;
    }
    return first;
}

/* What the table has to have said. */
static void expect_wake(struct twin *twin, struct twin_waiter *waiter, enum lease_wake how) {
    waiter->waits = false;
    assert_true(waiter->woken);
    assert_int_equal(waiter->how, how);
    assert_null(waiter->waiter.lease);
    waiter->woken = false;
    twin->wanted[twin->wanted_count++] = (uint32_t)(waiter - twin->waiters);
}

static void twin_end(struct twin *twin, uint32_t key, enum lease_end why, enum lease_wake how) {
    twin->of[key].held = false;
    twin->of[key].lapsed = why == LEASE_TIMED_OUT;
    if (why != LEASE_TIMED_OUT)
        forget_tokens(twin, key, why);
    for (struct twin_waiter *waiter; (waiter = first_waiter(twin, key, false));)
        expect_wake(twin, waiter, how);
}

static void twin_pass(struct twin *twin, uint32_t key, enum lease_end why) {
    struct twin_waiter *heir = first_waiter(twin, key, true);
    if (!heir) {
        twin_end(twin, key, why, LEASE_MISS);
        return;
    }
    if (why != LEASE_TIMED_OUT)
        forget_tokens(twin, key, why);
    expect_wake(twin, heir, LEASE_LOAD);
    twin->of[key].token = heir->token;
    twin->of[key].until_ms = twin->now_ms + heir->waiter.lease_ms;
    twin->of[key].stamp = twin->stamp; /* no other is given in one call, but for flushes: see there */
    if (why != LEASE_TIMED_OUT)
        twin->of[key].since_stamp = twin->stamp;
    remember(twin, key, heir->token);
}

/* Several may be woken in one call; of one key they are in order, and as many as expected. */
static void check_wakes(struct twin *twin, bool one_key) {
    assert_int_equal(twin->order_count, twin->wanted_count);
    for (uint32_t i = 0; one_key && i < twin->order_count; i++)
        assert_int_equal(twin->order[i], twin->wanted[i]);
    for (uint32_t i = 0; i < WAITERS; i++)
        assert_false(twin->waiters[i].woken);
    twin->order_count = twin->wanted_count = 0;
}

/* ------------------------------------------------------------------------------------------- the calls */

static uint32_t count_out(const struct twin *twin) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < KEYS; i++)
        count += twin->of[i].held;
    return count;
}

static uint32_t count_lapsed(const struct twin *twin) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < KEYS; i++)
        count += twin->of[i].lapsed;
    return count;
}

static uint32_t count_out_there(const struct twin *twin) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < KEYS; i++)
        count += twin->of[i].held && twin->of[i].there;
    return count;
}

static uint32_t count_waiting(const struct twin *twin) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < WAITERS; i++)
        count += twin->waiters[i].waits;
    return count;
}

static void ask(struct twin *twin, uint32_t at) {
    struct twin_waiter *waiter = rng_below(&twin->rng, 3) ? &twin->waiters[rng_below(&twin->rng, WAITERS)] : NULL;
    uint32_t lease_ms = (uint32_t)(rng_below(&twin->rng, 4) ? 1 + rng_below(&twin->rng, 30) : 0);
    if (waiter && waiter->waits)
        waiter = NULL;
    if (waiter) {
        if (waiter->key != at || rng_below(&twin->rng, 2)) { /* a new command, or one that comes again */
            waiter->waiter.arrived = 0;
            waiter->arrived = 0;
        }
        waiter->waiter.lease_ms = lease_ms;
        waiter->waiter.until_ms = twin->now_ms + 1 + rng_below(&twin->rng, 40);
        waiter->waiter.bytes = 10;
    }
    struct lease_key key = key_of(at);
    struct lease_given given = {0};
    struct twin_lease *lease = &twin->of[at];
    bool there = rng_below(&twin->rng, 4) == 0;
    bool over = lease->held && lease->until_ms <= twin->now_ms;
    enum lease_answer answer =
        leases_ask(&twin->leases, &key, lease_ms, there, waiter ? &waiter->waiter : NULL, twin->now_ms, &given);
    if (over)
        twin_pass(twin, at, LEASE_TIMED_OUT);
    enum lease_answer wanted = lease->held                         ? (!waiter                                ? LEASE_BUSY
                                                                      : count_waiting(twin) >= WAITS_AT_ONCE ? LEASE_TOO_MANY
                                                                                                             : LEASE_WAITS)
                               : !lease_ms                         ? LEASE_NOBODY
                               : count_out(twin) >= LEASES_AT_ONCE ? LEASE_TOO_MANY
                                                                   : LEASE_GIVEN;
    assert_int_equal(answer, wanted);
    if (answer == LEASE_BUSY)
        assert_int_equal(given.until_ms, lease->until_ms);
    if (answer == LEASE_WAITS) {
        waiter->waits = true;
        waiter->key = at;
        waiter->arrived = waiter->arrived ? waiter->arrived : ++twin->arrivals;
    }
    if (answer == LEASE_GIVEN) {
        uint32_t known = count_out(twin) + count_lapsed(twin);
        twin->displaced = !lease->lapsed && known >= LEASES_AT_ONCE ? known + 1 - LEASES_AT_ONCE : 0;
        *lease = (struct twin_lease){.held = true,
                                     .token = given.token,
                                     .until_ms = twin->now_ms + lease_ms,
                                     .stamp = twin->stamp,
                                     .since_stamp = lease->lapsed ? lease->since_stamp : twin->stamp,
                                     .there = there || (lease->lapsed && lease->there)};
        assert_int_equal(given.until_ms, lease->until_ms);
        remember(twin, at, given.token);
    }
    check_wakes(twin, true);
}

static bool tag_is_younger(const struct twin *twin, uint32_t tag, uint64_t stamp) {
    return twin->tag_stamps[tag] > stamp;
}

/* With one of the tokens that were ever seen, for the right key mostly. */
static void write_by_token(struct twin *twin) {
    if (!twin->token_count)
        return;
    uint32_t seen = twin->token_count < TOKENS ? twin->token_count : TOKENS;
    struct token_seen *token = &twin->tokens[rng_below(&twin->rng, seen)];
    uint32_t at = rng_below(&twin->rng, 5) ? token->key : (uint32_t)rng_below(&twin->rng, KEYS);
    uint32_t tag = (uint32_t)rng_below(&twin->rng, TAGS);
    bool fails = rng_below(&twin->rng, 4) == 0, tagged = rng_below(&twin->rng, 2);
    struct lease_key key = key_of(at);
    struct twin_lease *lease = &twin->of[token->key];
    uint64_t stamp = 0;
    enum lease_end wanted = token->why;
    bool own = token->token == lease->token;
    uint64_t given_stamp = own ? lease->stamp : lease->since_stamp;
    if (wanted == LEASE_HOLDS)
        wanted = at != token->key                                   ? LEASE_OF_OTHER_KEY
                 : tagged && tag_is_younger(twin, tag, given_stamp) ? LEASE_OF_TAG
                                                                    : LEASE_HOLDS;
    enum lease_end end =
        leases_begin_write(&twin->leases, &key, token->token, &twin->tag_hashes[tag], tagged, twin->now_ms, &stamp);
    if (end == LEASE_UNKNOWN)
        assert_int_not_equal(wanted, LEASE_HOLDS); /* it is not known for ever why */
    else
        assert_int_equal(end, wanted);
    if (own && end == LEASE_OF_TAG && lease->held)
        twin_pass(twin, token->key, end);
    else if (own && end == LEASE_OF_TAG)
        forget_lapsed(twin, token->key, end);
    if (end == LEASE_HOLDS) {
        assert_int_equal(stamp, given_stamp);
        if (!fails && rng_below(&twin->rng, 2))
            leases_written(&twin->leases, &key);
        leases_end_write(&twin->leases, token->token, !fails);
        if (!fails && lease->held)
            twin_end(twin, at, own ? LEASE_USED : LEASE_WRITTEN, LEASE_LOOK);
        else if (!fails)
            forget_lapsed(twin, at, own ? LEASE_USED : LEASE_WRITTEN);
    }
    check_wakes(twin, true);
}

static void release(struct twin *twin) {
    uint32_t at = (uint32_t)rng_below(&twin->rng, KEYS);
    struct lease_key key = key_of(at);
    struct twin_lease *lease = &twin->of[at];
    uint64_t token = lease->token;
    bool held = lease->held, in_time = lease->until_ms > twin->now_ms;
    assert_int_equal(leases_release(&twin->leases, rng_below(&twin->rng, 2) ? &key : NULL, token, twin->now_ms),
                     held && in_time);
    if (held)
        twin_pass(twin, at, in_time ? LEASE_RELEASED : LEASE_TIMED_OUT);
    else
        forget_lapsed(twin, at, LEASE_RELEASED);
    check_wakes(twin, true);
}

static void tell(struct twin *twin, uint32_t at) {
    struct lease_key key = key_of(at);
    uint32_t how = (uint32_t)rng_below(&twin->rng, 24);
    if (how < 10) {
        leases_written(&twin->leases, &key);
        if (twin->of[at].held)
            twin_end(twin, at, LEASE_WRITTEN, LEASE_LOOK);
        forget_lapsed(twin, at, LEASE_WRITTEN);
        check_wakes(twin, true);
    } else if (how < 20) {
        leases_removed(&twin->leases, key.place, key.hash, LEASE_DELETED, twin->now_ms);
        for (uint32_t i = 0; i < KEYS; i++) {
            if (key_of(i).hash != key.hash || key_of(i).place != key.place)
                continue;
            forget_lapsed(twin, i, LEASE_DELETED);
            if (twin->of[i].held)
                twin_pass(twin, i, LEASE_DELETED);
        }
        check_wakes(twin, false);
    } else {
        bool swapped = how == 20;
        uint32_t place = how == 23 ? LEASE_PLACES_ALL : key.place;
        leases_cleared(&twin->leases, place, swapped ? LEASE_SWAPPED : LEASE_FLUSHED, twin->now_ms);
        for (uint32_t i = 0; i < KEYS; i++) {
            if (place != LEASE_PLACES_ALL && key_of(i).place != place)
                continue;
            forget_lapsed(twin, i, swapped ? LEASE_SWAPPED : LEASE_FLUSHED);
            if (!twin->of[i].held)
                continue;
            if (swapped)
                twin_end(twin, i, LEASE_SWAPPED, LEASE_LOOK);
            else
                twin_pass(twin, i, LEASE_FLUSHED);
        }
        check_wakes(twin, false);
    }
}

/* Several leases may have passed on in one call: each stamp is one of those that were given in it, which is close enough as no tag was
 * invalidated meanwhile. */
static void spread_stamps(struct twin *twin) {
    for (uint32_t i = 0; i < KEYS; i++) {
        struct lease_key key = key_of(i);
        uint64_t stamp;
        if (!twin->of[i].held)
            continue;
        assert_int_equal(leases_begin_write(&twin->leases, &key, twin->of[i].token, NULL, 0, twin->now_ms, &stamp),
                         LEASE_HOLDS);
        leases_end_write(&twin->leases, twin->of[i].token, false);
        assert_true(stamp <= twin->of[i].stamp);
        if (twin->of[i].since_stamp == twin->of[i].stamp)
            twin->of[i].since_stamp = stamp;
        twin->of[i].stamp = stamp;
    }
}

/* Who came has displaced as many of those that had lapsed as it had to: which ones shows by their tokens. */
static void find_displaced(struct twin *twin) {
    uint32_t forgotten = 0;
    for (uint32_t i = 0; i < KEYS; i++) {
        struct lease_key key = key_of(i);
        uint64_t stamp;
        if (!twin->of[i].lapsed)
            continue;
        if (leases_begin_write(&twin->leases, &key, twin->of[i].token, NULL, 0, twin->now_ms, &stamp) == LEASE_HOLDS) {
            leases_end_write(&twin->leases, twin->of[i].token, false);
            continue;
        }
        forget_lapsed(twin, i, LEASE_TIMED_OUT);
        forgotten++;
    }
    assert_int_equal(forgotten, twin->displaced);
    twin->displaced = 0;
}

static void pass_time(struct twin *twin) {
    twin->now_ms += rng_below(&twin->rng, 12);
    if (rng_below(&twin->rng, 2))
        return; /* nobody looks at the clock */
    leases_run_due(&twin->leases, twin->now_ms);
    assert_true(leases_due_ms(&twin->leases) > twin->now_ms);
    for (;;) {
        /* What was due first has happened first; a lease that passes on may be due again only later. */
        uint64_t due_ms = twin->now_ms + 1;
        struct twin_waiter *late = NULL;
        uint32_t over = KEYS;
        for (uint32_t i = 0; i < WAITERS; i++)
            if (twin->waiters[i].waits && twin->waiters[i].woken && twin->waiters[i].how == LEASE_MISS &&
                twin->waiters[i].waiter.until_ms <= twin->now_ms)
                late = &twin->waiters[i];
        if (late) {
            expect_wake(twin, late, LEASE_MISS);
            continue;
        }
        for (uint32_t i = 0; i < KEYS; i++)
            if (twin->of[i].held && twin->of[i].until_ms < due_ms)
                over = i, due_ms = twin->of[i].until_ms;
        if (over == KEYS)
            break;
        twin_pass(twin, over, LEASE_TIMED_OUT);
    }
    for (uint32_t i = 0; i < WAITERS; i++)
        assert_false(twin->waiters[i].waits && twin->waiters[i].waiter.until_ms <= twin->now_ms);
    check_wakes(twin, false);
}

static void forget_one(struct twin *twin) {
    struct twin_waiter *waiter = &twin->waiters[rng_below(&twin->rng, WAITERS)];
    leases_forget(&twin->leases, &waiter->waiter);
    waiter->waits = false;
    waiter->waiter.arrived = waiter->arrived = 0;
}

static void invalidate(struct twin *twin) {
    uint32_t tag = (uint32_t)rng_below(&twin->rng, TAGS);
    leases_tag_invalidated(&twin->leases, twin->tag_hashes[tag]);
    twin->tag_stamps[tag] = twin->stamp;
}

static void the_table_does_what_a_naive_one_does(void **state) {
    static struct twin twin;
    (void)state;
    twin.rng = rng_seeded(unit_seed());
    struct leases_options options = {.leases_max = LEASES_AT_ONCE,
                                     .waiters_max = WAITS_AT_ONCE,
                                     .bytes_max = 1 << 20,
                                     .seed = rng_next(&twin.rng),
                                     .memory = &memory_libc,
                                     .stamp = next_stamp,
                                     .wake = note_wake,
                                     .context = &twin};
    printf("seed %llu\n", (unsigned long long)unit_seed());
    assert_int_equal(leases_init(&twin.leases, &options), STATUS_OK);
    for (uint32_t i = 0; i < TAGS; i++)
        twin.tag_hashes[i] = hash_bytes(slice_make(&i, sizeof i), 0);
    for (uint32_t step = 0; step < STEPS; step++) {
        uint32_t at = (uint32_t)rng_below(&twin.rng, KEYS), how = (uint32_t)rng_below(&twin.rng, 20);
        if (how < 9)
            ask(&twin, at);
        else if (how < 12)
            write_by_token(&twin);
        else if (how < 13)
            release(&twin);
        else if (how < 15)
            tell(&twin, at);
        else if (how < 17)
            pass_time(&twin);
        else if (how < 18)
            forget_one(&twin);
        else
            invalidate(&twin);
        spread_stamps(&twin);
        find_displaced(&twin);
        leases_verify(&twin.leases);
        assert_int_equal(twin.leases.out, count_out(&twin));
        assert_int_equal(twin.leases.lapsed, count_lapsed(&twin));
        assert_int_equal(twin.leases.out_there, count_out_there(&twin));
        assert_int_equal(twin.leases.waiting, count_waiting(&twin));
    }
    for (uint32_t i = 0; i < WAITERS; i++)
        leases_forget(&twin.leases, &twin.waiters[i].waiter);
    assert_true(twin.leases.given > STEPS / 100);
    assert_true(twin.leases.late > STEPS / 1000);
    leases_fini(&twin.leases);
}

UNIT_TESTS(lease_model, UNIT(the_table_does_what_a_naive_one_does));
