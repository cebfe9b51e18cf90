/* What a change is called: by the command that made it, and by its kind. */
#include "app/server/notify.h"

#include <stdio.h>

#include "base/bits.h"
#include "unit.h"

enum { ALL = (1 << (CACHE_MISSED + 1)) - 1 };

struct told {
    char text[256];
    size_t size;
    int fails_at; /* sendings until one fails; 0: none */
};

static enum status send(void *context, const struct notify_event *event) {
    struct told *told = context;
    char letter[CONFIG_EVENTS_TEXT_MAX + 1];
    config_events_text((uint32_t)event->class, letter);
    if (told->fails_at && --told->fails_at == 0)
        return STATUS_NO_MEMORY;
    told->size +=
        (size_t)snprintf(told->text + told->size, sizeof told->text - told->size, "%s%s:%.*s:%.*s@%u",
                         told->size ? " " : "", letter, (int)event->event.size, (const char *)event->event.data,
                         (int)event->key.size, event->key.size ? (const char *)event->key.data : "", event->db);
    return STATUS_OK;
}

/* Changes of one command, as the engine tells them. */
struct step {
    enum cache_change kind;
    const char *key;
    uint32_t db;
    enum cmd_change how;
    bool is_first;
};
static const struct {
    const char *command; /* NULL: none */
    struct step steps[3];
    const char *events;
} cases[] = {
    {"set", {{.kind = CACHE_CREATED, .key = "a", .db = 0}}, "n:new:a@0 $:set:a@0"},
    {"set", {{.kind = CACHE_REPLACED, .key = "a", .db = 3}}, "$:set:a@3"},
    {"set", {{.kind = CACHE_REPLACED, .key = "a", .db = 3, .how = CMD_CHANGE_EXPIRES}}, "$:set:a@3 g:expire:a@3"},
    {"set", {{.kind = CACHE_CREATED, .key = "", .db = 0, .how = CMD_CHANGE_EXPIRES}}, "n:new:@0 $:set:@0 g:expire:@0"},
    {"set", {{.kind = CACHE_DELETED, .key = "a", .db = 0}}, "g:del:a@0"},
    {"set",
     {{.kind = CACHE_EXPIRED, .key = "a", .db = 0}, {.kind = CACHE_CREATED, .key = "a", .db = 0}},
     "x:expired:a@0 n:new:a@0 $:set:a@0"},
    {"mset",
     {{.kind = CACHE_EVICTED, .key = "z", .db = 1}, {.kind = CACHE_CREATED, .key = "a", .db = 0}},
     "e:evicted:z@1 n:new:a@0 $:set:a@0"},
    {"append", {{.kind = CACHE_PATCHED, .key = "a", .db = 0}}, "$:append:a@0"},
    {"decrby", {{.kind = CACHE_REPLACED, .key = "a", .db = 0}}, "$:incrby:a@0"},
    {"incrbyfloat", {{.kind = CACHE_CREATED, .key = "a", .db = 0}}, "n:new:a@0 $:incrbyfloat:a@0"},
    {"bitfield", {{.kind = CACHE_PATCHED, .key = "a", .db = 0}}, "$:setbit:a@0"},
    {"expire", {{.kind = CACHE_EXPIRY_SET, .key = "a", .db = 0, .how = CMD_CHANGE_EXPIRES}}, "g:expire:a@0"},
    {"expire", {{.kind = CACHE_DELETED, .key = "a", .db = 0}}, "g:del:a@0"},
    {"getex", {{.kind = CACHE_EXPIRY_SET, .key = "a", .db = 0}}, "g:persist:a@0"},
    {"unlink",
     {{.kind = CACHE_DELETED, .key = "a", .db = 0}, {.kind = CACHE_DELETED, .key = "b", .db = 0}},
     "g:del:a@0 g:del:b@0"},
    {"rename",
     {{.kind = CACHE_CREATED, .key = "b", .db = 0}, {.kind = CACHE_DELETED, .key = "a", .db = 0, .is_first = true}},
     "n:new:b@0 g:rename_from:a@0 g:rename_to:b@0"},
    {"renamenx",
     {{.kind = CACHE_REPLACED, .key = "b", .db = 0}, {.kind = CACHE_DELETED, .key = "a", .db = 0, .is_first = true}},
     "n:new:b@0 g:rename_from:a@0 g:rename_to:b@0"},
    /* the members of a session go with its head */
    {"rename",
     {{.kind = CACHE_CREATED, .key = "b", .db = 0},
      {.kind = CACHE_DELETED, .key = "a:1", .db = 0},
      {.kind = CACHE_DELETED, .key = "a", .db = 0, .is_first = true}},
     "n:new:b@0 g:del:a:1@0 g:rename_from:a@0 g:rename_to:b@0"},
    {"rename",
     {{.kind = CACHE_CREATED, .key = "b", .db = 0},
      {.kind = CACHE_DELETED, .key = "a", .db = 0, .is_first = true},
      {.kind = CACHE_DELETED, .key = "a:1", .db = 0}},
     "n:new:b@0 g:rename_from:a@0 g:rename_to:b@0 g:del:a:1@0"},
    {"move",
     {{.kind = CACHE_CREATED, .key = "a", .db = 9}, {.kind = CACHE_DELETED, .key = "a", .db = 0, .is_first = true}},
     "n:new:a@9 g:move_from:a@0 g:move_to:a@9"},
    {"copy", {{.kind = CACHE_REPLACED, .key = "a", .db = 9}}, "n:new:a@9 g:copy_to:a@9"},
    {"restore", {{.kind = CACHE_CREATED, .key = "a", .db = 0}}, "n:new:a@0 g:restore:a@0"},
    {"get", {{.kind = CACHE_MISSED, .key = "a", .db = 2}}, "m:keymiss:a@2"},
    {"get", {{.kind = CACHE_INVALIDATED, .key = "a", .db = 2}}, "x:invalidated:a@2"},
    {"del", {{.kind = CACHE_NOTHING_DELETED, .key = "a", .db = 0}}, ""},
    {"flushall", {{.kind = CACHE_FLUSHED, .key = "", .db = 16}}, ""},
    {"tag", {{.kind = CACHE_TAG_INVALIDATED, .key = "a", .db = 16}}, ""},
    {NULL,
     {{.kind = CACHE_EXPIRED, .key = "a", .db = 0}, {.kind = CACHE_EVICTED, .key = "b", .db = 0}},
     "x:expired:a@0 e:evicted:b@0"},
    {NULL, {{.kind = CACHE_DELETED, .key = "a", .db = 0}, {.kind = CACHE_REPLACED, .key = "b", .db = 0}}, "g:del:a@0"},
};

static enum status run(struct notify *notify, const struct step *step, const char *command, struct told *told) {
    const struct cmd_spec *spec = command ? cmd_lookup(slice_from_string(command)) : NULL;
    assert_true(!command || spec);
    struct change change = {.kind = step->kind,
                            .db = step->db,
                            .name = slice_from_string(step->key),
                            .spec = spec,
                            .how = step->how,
                            .is_first = step->is_first};
    return notify_each(notify, &change, send, told);
}

static void a_change_has_the_names_that_redis_gives_it(void **state) {
    (void)state;
    struct notify notify;
    notify_init(&notify, &memory_libc);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct told told = {.size = 0};
        for (size_t at = 0; at < 3 && cases[i].steps[at].key; at++)
            assert_int_equal(run(&notify, &cases[i].steps[at], cases[i].command, &told), STATUS_OK);
        assert_string_equal(told.text, cases[i].events);
        assert_false(notify.holds);
    }
    notify_fini(&notify);
}

static void what_was_held_is_not_sent_for_another(void **state) {
    (void)state;
    struct notify notify;
    struct told told = {.size = 0};
    notify_init(&notify, &memory_libc);
    const struct step write = {.kind = CACHE_CREATED, .key = "b", .db = 1},
                      other = {.kind = CACHE_CREATED, .key = "d", .db = 2},
                      removal = {.kind = CACHE_DELETED, .key = "c", .db = 0, .is_first = true};
    assert_int_equal(run(&notify, &write, "rename", &told), STATUS_OK);
    assert_int_equal(run(&notify, &other, "rename", &told), STATUS_OK);
    assert_int_equal(run(&notify, &removal, "rename", &told), STATUS_OK);
    assert_int_equal(run(&notify, &removal, "rename", &told), STATUS_OK);
    assert_string_equal(told.text, "n:new:b@1 n:new:d@2 g:rename_from:c@0 g:rename_to:d@2 g:rename_from:c@0");
    notify_fini(&notify);
}

static void *no_memory(void *context, void *old, size_t size_old, size_t size_new) {
    (void)context, (void)old, (void)size_old, (void)size_new;
    return NULL;
}

static void failures_are_said(void **state) {
    (void)state;
    struct notify notify;
    notify_init(&notify, &memory_libc);
    const struct step write = {.kind = CACHE_CREATED, .key = "b", .db = 1, .how = CMD_CHANGE_EXPIRES};
    for (int at = 1; at <= 3; at++) {
        struct told told = {.fails_at = at};
        assert_int_equal(run(&notify, &write, "set", &told), STATUS_NO_MEMORY);
    }
    notify_fini(&notify);
    const struct memory memory = {no_memory, NULL};
    notify_init(&notify, &memory);
    struct told told = {.size = 0};
    assert_int_equal(run(&notify, &write, "rename", &told), STATUS_NO_MEMORY);
    assert_false(notify.holds);
    notify_fini(&notify);
}

static void only_what_events_come_from_is_wanted(void **state) {
    (void)state;
    static const struct {
        const char *letters;
        uint32_t kinds;
    } wanted[] = {
        {"", 0},
        {"KE", 0},
        {"A", 0},
        {"Anm", 0},
        {"Elshztd", 0},
        {"Kx", 1 << CACHE_EXPIRED | 1 << CACHE_INVALIDATED},
        {"Ee", 1 << CACHE_EVICTED},
        {"KEm", 1 << CACHE_MISSED},
        {"En", 1 << CACHE_CREATED | 1 << CACHE_REPLACED},
        {"K$", 1 << CACHE_CREATED | 1 << CACHE_REPLACED | 1 << CACHE_PATCHED},
        {"Eg",
         1 << CACHE_CREATED | 1 << CACHE_REPLACED | 1 << CACHE_PATCHED | 1 << CACHE_DELETED | 1 << CACHE_EXPIRY_SET},
        {"AKEm", ALL & ~(1 << CACHE_FLUSHED | 1 << CACHE_TAG_INVALIDATED | 1 << CACHE_NOTHING_DELETED |
                         1 << CACHE_SWAPPED | 1 << CACHE_TAG_GOING | 1 << CACHE_PATTERN_GOING | 1 << CACHE_RETAGGED)},
    };
    for (size_t i = 0; i < COUNT_OF(wanted); i++) {
        uint32_t events;
        assert_true(config_events_parse(slice_from_string(wanted[i].letters), &events));
        assert_int_equal(notify_kinds(events), wanted[i].kinds);
    }
}

UNIT_TESTS(notify, UNIT(a_change_has_the_names_that_redis_gives_it), UNIT(what_was_held_is_not_sent_for_another),
           UNIT(failures_are_said), UNIT(only_what_events_come_from_is_wanted));
