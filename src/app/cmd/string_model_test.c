#include "app/cmd/cmd_fixture.h"
#include "app/cmd/twin_fixture.c" /* its only user */
#include "base/number.h"
#include "base/rng.h"

/* Random commands on a few keys, run on the cache and, in plain words, on its twin. */

enum { STEPS = 20000, KEYS = 12, VALUE_SIZE_MAX = 70000, LARGE_ONE_IN = 10 };

struct model {
    struct cmd_fixture f;
    struct twin twin;
    struct rng rng;
    struct buf expected;
    uint8_t value[VALUE_SIZE_MAX];
};

static void say(struct model *m, const char *format, ...) {
    char text[128];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    assert_int_equal(buf_append(&m->expected, text, (size_t)size), STATUS_OK);
}

static void say_entry(struct model *m, const struct twin_entry *entry) {
    if (!entry) {
        say(m, "$-1\r\n");
        return;
    }
    say(m, "$%zu\r\n", entry->value.size);
    assert_int_equal(buf_append_slice(&m->expected, entry->value), STATUS_OK);
    say(m, "\r\n");
}

/* Runs the command and compares its reply with what has been said. */
static void check(struct model *m, const struct slice *argv, uint32_t argc) {
    struct slice reply = cmd_fixture_run_argv(&m->f, argv, argc);
    if (!slice_equal(reply, buf_slice(&m->expected))) {
        for (uint32_t i = 0; i < argc; i++)
            cmd_fixture_print("argument", slice_part(argv[i], 0, 200));
        cmd_fixture_print("expected", slice_part(buf_slice(&m->expected), 0, 200));
        cmd_fixture_print("received", slice_part(reply, 0, 200));
        fail_msg("seed %llu", (unsigned long long)unit_seed());
    }
    buf_clear(&m->expected);
}

static struct slice random_key(struct model *m, char text[8]) {
    return slice_make(text, (size_t)snprintf(text, 8, "key%u", (unsigned)rng_below(&m->rng, KEYS)));
}

/* Digits, a few letters, or now and then a value that stands in extents. */
static struct slice random_value(struct model *m) {
    if (rng_below(&m->rng, 3) == 0)
        return slice_make(m->value,
                          number_format_i64((int64_t)(rng_next(&m->rng) >> rng_below(&m->rng, 64)), (char *)m->value));
    size_t size = rng_below(&m->rng, rng_below(&m->rng, LARGE_ONE_IN) ? 40 : VALUE_SIZE_MAX);
    for (size_t i = 0; i < size; i++)
        m->value[i] = (uint8_t)('a' + rng_below(&m->rng, 4));
    return slice_make(m->value, size);
}

static void step_set(struct model *m, struct slice name, const struct twin_entry *old) {
    uint32_t argc = 3;
    struct slice argv[8] = {SLICE("SET"), name, random_value(m)};
    unsigned condition = (unsigned)rng_below(&m->rng, 3), time = (unsigned)rng_below(&m->rng, 3);
    bool gets = rng_below(&m->rng, 2), writes = !(condition == 1 && old) && !(condition == 2 && !old);
    uint64_t expires_at_ms = 0;
    if (condition)
        argv[argc++] = condition == 1 ? SLICE("NX") : SLICE("XX");
    if (gets)
        argv[argc++] = SLICE("GET");
    if (time == 1) {
        expires_at_ms = old ? old->expires_at_ms : 0;
        argv[argc++] = SLICE("KEEPTTL");
    } else if (time == 2) {
        expires_at_ms = m->twin.now_ms + 50;
        argv[argc++] = SLICE("PX");
        argv[argc++] = SLICE("50");
    }
    if (gets)
        say_entry(m, old);
    else
        say(m, writes ? "+OK\r\n" : "$-1\r\n");
    if (writes)
        twin_set(&m->twin, 0, name, CACHE_STRING, argv[2], expires_at_ms);
    check(m, argv, argc);
}

static void step_patch(struct model *m, struct slice name, const struct twin_entry *old, bool appends) {
    char digits[24];
    struct slice value = random_value(m);
    uint64_t size = old ? old->value.size : 0;
    uint64_t offset = appends ? size : rng_below(&m->rng, 100);
    if (size + value.size > 4 * VALUE_SIZE_MAX)
        return;
    struct slice at = slice_make(digits, number_format_u64(offset, digits));
    if (appends || value.size)
        twin_patch(&m->twin, 0, name, offset, value);
    old = twin_find(&m->twin, 0, name);
    say(m, ":%zu\r\n", old ? old->value.size : 0);
    if (appends)
        check(m, (struct slice[]){SLICE("APPEND"), name, value}, 3);
    else
        check(m, (struct slice[]){SLICE("SETRANGE"), name, at, value}, 4);
}

static void step_add(struct model *m, struct slice name, const struct twin_entry *old) {
    char text[24], digits[24];
    int64_t value = 0, delta = (int64_t)(rng_next(&m->rng) >> rng_below(&m->rng, 64));
    struct slice argument = slice_make(digits, number_format_i64(delta, digits));
    if (old && !number_parse_i64(old->value, &value)) {
        say(m, "-ERR value is not an integer or out of range\r\n");
    } else if (__builtin_add_overflow(value, delta, &value)) {
        say(m, "-ERR increment or decrement would overflow\r\n");
    } else {
        say(m, ":%lld\r\n", (long long)value);
        twin_set(&m->twin, 0, name, CACHE_STRING, slice_make(text, number_format_i64(value, text)),
                 old ? old->expires_at_ms : 0);
    }
    check(m, (struct slice[]){SLICE("INCRBY"), name, argument}, 3);
}

static void step_take(struct model *m, struct slice name, const struct twin_entry *old) {
    switch (rng_below(&m->rng, 4)) {
        case 0:
            say_entry(m, old);
            (void)twin_delete(&m->twin, 0, name);
            check(m, (struct slice[]){SLICE("GETDEL"), name}, 2);
            return;
        case 1:
            say_entry(m, old);
            (void)twin_expire(&m->twin, 0, name, m->twin.now_ms + 20);
            check(m, (struct slice[]){SLICE("GETEX"), name, SLICE("PX"), SLICE("20")}, 4);
            return;
        case 2:
            say_entry(m, old);
            (void)twin_expire(&m->twin, 0, name, 0);
            check(m, (struct slice[]){SLICE("GETEX"), name, SLICE("PERSIST")}, 3);
            return;
        default: {
            struct slice value = random_value(m);
            bool equal = old && slice_equal(old->value, value);
            say(m, ":%d\r\n", equal);
            if (equal)
                (void)twin_delete(&m->twin, 0, name);
            check(m, (struct slice[]){SLICE("DELIFEQ"), name, value}, 3);
        }
    }
}

static void step_mset(struct model *m, struct slice name) {
    char text[8];
    struct slice other = random_key(m, text), value = random_value(m);
    bool only_new = rng_below(&m->rng, 2);
    bool writes = !only_new || (!twin_find(&m->twin, 0, name) && !twin_find(&m->twin, 0, other));
    if (writes) {
        twin_set(&m->twin, 0, name, CACHE_STRING, value, 0);
        twin_set(&m->twin, 0, other, CACHE_STRING, SLICE("other"), 0);
    }
    say(m, only_new ? ":%d\r\n" : "+OK\r\n", writes);
    check(m, (struct slice[]){only_new ? SLICE("MSETNX") : SLICE("MSET"), name, value, other, SLICE("other")}, 5);
}

/* Everything that both hold, at one moment. */
static void compare(struct model *m) {
    char texts[KEYS][8];
    struct slice argv[1 + KEYS] = {SLICE("MGET")};
    say(m, "*%d\r\n", KEYS);
    for (unsigned i = 0; i < KEYS; i++) {
        argv[1 + i] = slice_make(texts[i], (size_t)snprintf(texts[i], 8, "key%u", i));
        const struct twin_entry *entry = twin_find(&m->twin, 0, argv[1 + i]);
        say_entry(m, entry);
        struct cache_key key = cache_key(m->f.cache, 0, argv[1 + i]);
        struct cache_info info;
        if (cache_find(m->f.cache, &m->f.actor, &key, false, &info))
            assert_int_equal(info.expires_at_ms, entry ? entry->expires_at_ms : UINT64_MAX);
    }
    check(m, argv, 1 + KEYS);
}

static void commands_do_what_the_twin_does(void **state) {
    struct model *m = calloc(1, sizeof *m);
    assert_non_null(m);
    print_message("seed %llu\n", (unsigned long long)unit_seed());
    cmd_fixture_open(&m->f);
    twin_init(&m->twin, m->f.actor.now_ms);
    m->rng = rng_seeded(unit_seed());
    buf_init(&m->expected, &memory_libc);
    for (int step = 0; step < STEPS; step++) {
        char text[8];
        struct slice name = random_key(m, text);
        const struct twin_entry *old = twin_find(&m->twin, 0, name);
        switch (rng_below(&m->rng, 6)) {
            case 0:
                step_set(m, name, old);
                break;
            case 1:
                step_patch(m, name, old, true);
                break;
            case 2:
                step_patch(m, name, old, false);
                break;
            case 3:
                step_add(m, name, old);
                break;
            case 4:
                step_take(m, name, old);
                break;
            default:
                step_mset(m, name);
        }
        if (step % 8 == 0)
            compare(m);
        m->twin.now_ms = m->f.actor.now_ms += rng_below(&m->rng, 4);
    }
    twin_fini(&m->twin);
    buf_fini(&m->expected);
    cmd_fixture_close(&m->f);
    free(m);
}

UNIT_TESTS(string_model, UNIT(commands_do_what_the_twin_does));
