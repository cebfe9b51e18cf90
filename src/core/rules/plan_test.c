#include "core/rules/plan.h"

#include "core/rules/rules_fixture.h"
#include "unit.h"

static struct rules *compiled(const struct fixture_class *classes, const struct fixture_event *events) {
    struct fixture_told told;
    struct rules *rules;
    enum status status = fixture_compile(classes, events, &memory_libc, &told, &rules);
    if (status != STATUS_OK)
        fail_msg("%u errors, first '%s'", told.errors, told.codes[0]);
    return rules;
}

/* The actions as one text: "key user:7, tag ~feed:7:*, class feed:{a}:{b} widened". */
static const char *said(const struct rules_plan *plan) {
    static const char *const kinds[] = {"key", "tag", "class", "pattern", "expression"};
    static char text[4096];
    size_t used = 0;
    text[0] = 0;
    for (uint32_t i = 0; i < plan->count && used < sizeof text; i++) {
        const struct rules_action *action = &plan->actions[i];
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s %.*s%s%s", i ? ", " : "", kinds[action->kind],
                                 (int)action->text.size, (const char *)action->text.data,
                                 action->widened ? " widened" : "", action->soft ? " softly" : "");
    }
    return text;
}

static void changed(struct rules_plan *plan, const char *key) {
    struct rules_fields fields;
    struct slice name = slice_from_string(key);
    rules_plan_reset(plan);
    uint32_t class = rules_match(plan->rules, name, &fields);
    assert_int_equal(rules_plan_changed(plan, name, class, &fields), STATUS_OK);
}

static const struct fixture_class shop[] = {
    {.pattern = "user:{id}", .tags = {"user:{id}"}, .invalidates = {"profile:{id}", "feed:{id}:*"}},
    {.pattern = "profile:{id}", .derives = {"user:{id}"}, .invalidates = {"card:{id}:small"}},
    {.pattern = "feed:{user}:{page}"},
    {.pattern = "feed:home:{page}"},
    {.pattern = "card:{id}:{size}"},
    {.pattern = "item:{shop}:{id}", .tags = {"shop:{shop}"}},
    {.pattern = "count:{shop}", .derives = {"item:{shop}:*"}},
    {.pattern = "search:{words}:{shop}", .derives = {"item:{shop}:*"}},
    {.pattern = "best", .derives = {"item:*"}},
    {.pattern = "plain:{id}"},
    {.pattern = "log-{day}-{hour}"},
    {.pattern = NULL},
};

static const struct fixture_event events[] = {
    {"user.updated", {"user:{data.id}"}},
    {"user.*", {"tag user:{data.id}"}},
    {"shop.closed", {"item:{data.shop}:*", "log-{data.day}-*"}},
    {"items.sold", {"item:{data.shop}:{data.ids[]}"}},
    {"all", {"feed:*"}},
    {NULL, {NULL}},
};

static void changes_follow_edges(void **state) {
    static const struct {
        const char *key, *plan;
    } cases[] = {
        {"plain:7", ""},
        {"nothing", ""},
        {"profile:7", "key card:7:small"},
        {"user:7", "key profile:7, tag ~feed:7:*, key card:7:small"},
        {"item:3:9", "key count:3, tag ^item:3:*, key best"},
    };
    struct rules *rules = compiled(shop, events);
    struct rules_plan plan;
    rules_plan_init(&plan, rules, &memory_libc, 0, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        changed(&plan, cases[i].key);
        assert_string_equal(said(&plan), cases[i].plan);
    }
    rules_plan_reset(&plan);
    assert_int_equal(rules_plan_key(&plan, SLICE("user:7")), STATUS_OK);
    assert_string_equal(said(&plan), "key user:7, key profile:7, tag ~feed:7:*, key card:7:small");
    assert_int_equal(plan.actions[0].edge, RULES_NONE);
    assert_int_equal(rules_edge(rules, plan.actions[1].edge)->place.line, 1);
    assert_int_equal(plan.actions[1].from, 0);
    assert_int_equal(rules_edge(rules, plan.actions[3].edge)->place.line, 2);
    assert_int_equal(plan.actions[3].from, 1);
    assert_int_equal(plan.actions[3].depth, 2);
    rules_plan_fini(&plan);
    rules_free(rules);
}

/* Which tags an entry gets when it is written, and that a change of the source fires exactly these. */
static void entries_bear_the_tags_that_edges_fire(void **state) {
    static const struct {
        const char *key, *tags;
    } cases[] = {
        {"feed:7:1", "~feed:7:*"}, {"feed:home:2", "~feed:home:*"},
        {"user:7", "user:7"},      {"search:red shoes:3", "^item:3:*"},
        {"count:3", ""},           {"item:3:9", "shop:3 ~item:3:*"},
    };
    struct rules *rules = compiled(shop, events);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rules_fields fields;
        struct slice key = slice_from_string(cases[i].key);
        uint32_t class = rules_match(rules, key, &fields);
        struct buf text;
        buf_init(&text, &memory_libc);
        assert_int_not_equal(class, RULES_NONE);
        for (uint32_t t = 0; t < rules_class(rules, class)->tag_count; t++) {
            assert_int_equal(buf_append(&text, " ", t > 0), STATUS_OK);
            assert_int_equal(rules_template_fill(&rules_class(rules, class)->tags[t].template, key, &fields, &text),
                             STATUS_OK);
        }
        if (!slice_equal(buf_slice(&text), slice_from_string(cases[i].tags)))
            fail_msg("'%s' bears '%.*s'", cases[i].key, (int)text.size, (const char *)text.data);
        buf_fini(&text);
    }
    rules_free(rules);
}

static void tags_and_classes_lead_on(void **state) {
    struct rules *rules = compiled(shop, events);
    struct rules_plan plan;
    rules_plan_init(&plan, rules, &memory_libc, 0, 0);
    assert_int_equal(rules_plan_tag(&plan, SLICE("user:7")), STATUS_OK);
    assert_string_equal(said(&plan), "tag user:7, key profile:7, tag ~feed:7:*, key card:7:small");
    rules_plan_reset(&plan);
    assert_int_equal(rules_plan_tag(&plan, SLICE("shop:3")), STATUS_OK);
    assert_string_equal(said(&plan), "tag shop:3, key count:3, tag ^item:3:*, key best");
    rules_plan_reset(&plan);
    assert_int_equal(rules_plan_tag(&plan, SLICE("unheard of")), STATUS_OK);
    assert_string_equal(said(&plan), "tag unheard of");
    rules_plan_reset(&plan);
    assert_int_equal(rules_plan_class(&plan, rules_class_named(rules, SLICE("user:{id}"))), STATUS_OK);
    assert_string_equal(said(&plan),
                        "class user:{id}, class profile:{id} widened, class feed:{user}:{page} widened, "
                        "class feed:home:{page} widened, class card:{id}:{size} widened");
    rules_plan_reset(&plan);
    assert_int_equal(rules_plan_pattern(&plan, SLICE("profile:*")), STATUS_OK);
    assert_string_equal(said(&plan), "class profile:{id}, pattern profile:*, class card:{id}:{size} widened");
    rules_plan_reset(&plan);
    assert_int_equal(rules_plan_pattern(&plan, SLICE("profile:1*")), STATUS_OK);
    assert_string_equal(said(&plan), "pattern profile:1*, class card:{id}:{size} widened");
    rules_plan_reset(&plan);
    assert_int_equal(rules_plan_pattern(&plan, SLICE("elsewhere")), STATUS_OK);
    assert_string_equal(said(&plan), "pattern elsewhere");
    rules_plan_reset(&plan);
    assert_int_equal(rules_plan_pattern(&plan, SLICE("best")), STATUS_OK);
    assert_string_equal(said(&plan), "class best");
    rules_plan_reset(&plan);
    assert_int_equal(rules_plan_pattern(&plan, SLICE("[")), STATUS_INVALID);
    rules_plan_reset(&plan);
    assert_int_equal(rules_plan_expression(&plan, SLICE("^profile:1+$"), SLICE("profile:*")), STATUS_OK);
    assert_string_equal(said(&plan), "expression ^profile:1+$, class card:{id}:{size} widened");
    rules_plan_reset(&plan);
    assert_int_equal(rules_plan_expression(&plan, SLICE("^else+"), SLICE("els*")), STATUS_OK);
    assert_string_equal(said(&plan), "expression ^else+");
    rules_plan_reset(&plan);
    assert_int_equal(rules_plan_expression(&plan, SLICE("1"), SLICE("*")), STATUS_OK);
    assert_string_equal(said(&plan),
                        "expression 1, class profile:{id} widened, class feed:{user}:{page} widened, class "
                        "feed:home:{page} widened, class card:{id}:{size} widened, class count:{shop} widened, class "
                        "search:{words}:{shop} widened, key best");
    rules_plan_reset(&plan);
    assert_int_equal(rules_plan_expression(&plan, SLICE("1"), SLICE("[")), STATUS_INVALID);
    rules_plan_fini(&plan);
    rules_free(rules);
}

/* "id=7 shop=3 ids=1,2,3" as the data of an event. */
static bool find_data(void *context, struct slice path, uint32_t index, struct slice *ret_text) {
    const char *at = context;
    while (*at) {
        size_t size = strcspn(at, " "), name = strcspn(at, "=");
        if (slice_equal(slice_make(at, name), path)) {
            struct slice value = slice_make(at + name + 1, size - name - 1);
            index = index == RULES_DATA_SINGLE ? 0 : index;
            for (;; index--) {
                size_t end = 0;
                while (end < value.size && value.data[end] != ',')
                    end++;
                if (index == 0) {
                    *ret_text = slice_part(value, 0, end);
                    return true;
                }
                if (end == value.size)
                    return false;
                value = slice_part(value, end + 1, value.size);
            }
        }
        at += size + (at[size] == ' ');
    }
    return false;
}

static void events_fill_their_data_in(void **state) {
    static const struct {
        const char *event, *data, *plan, *missing;
    } cases[] = {
        {"user.updated", "id=7", "key user:7, tag user:7, key profile:7, tag ~feed:7:*, key card:7:small", NULL},
        {"user.deleted", "id=7", "tag user:7, key profile:7, tag ~feed:7:*, key card:7:small", NULL},
        {"user.deleted", "uid=7", NULL, "id"},
        {"user.deleted", "id=", NULL, "id"},
        {"nobody.knows", "", "", NULL},
        {"shop.closed", "shop=3 day=1", "tag ~item:3:*, tag ~log-1-*, key count:3, tag ^item:3:*, key best", NULL},
        /* what cannot be a part of such a key has to be compared */
        {"shop.closed", "shop=3:4 day=1",
         "pattern item:3:4:*, tag ~log-1-*, class count:{shop} widened, class search:{words}:{shop} widened, key "
         "best",
         NULL},
        {"shop.closed", "shop=*:x day=1-2",
         "pattern item:\\*:x:*, pattern log-1-2-*, class count:{shop} widened, class search:{words}:{shop} widened, "
         "key best",
         NULL},
        {"items.sold", "shop=3 ids=1,2", "key item:3:1, key item:3:2, key count:3, tag ^item:3:*, key best", NULL},
        {"items.sold", "shop=3", "", NULL},
        {"all", "", "class feed:{user}:{page}, class feed:home:{page}", NULL},
    };
    struct rules *rules = compiled(shop, events);
    struct rules_plan plan;
    rules_plan_init(&plan, rules, &memory_libc, 0, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rules_data data = {find_data, (void *)(uintptr_t)cases[i].data};
        struct slice missing = SLICE("");
        rules_plan_reset(&plan);
        enum status status = rules_plan_event(&plan, slice_from_string(cases[i].event), &data, &missing);
        assert_int_equal(status, cases[i].missing ? STATUS_INVALID : STATUS_OK);
        if (cases[i].missing)
            assert_true(slice_equal(missing, slice_from_string(cases[i].missing)));
        else
            assert_string_equal(said(&plan), cases[i].plan);
    }
    rules_plan_fini(&plan);
    rules_free(rules);
}

/* A tag whose parts could be read in two ways says nothing of them. */
static void doubtful_tags_widen(void **state) {
    static const struct fixture_class classes[] = {
        {.pattern = "a:{x}:{y}", .tags = {"{x}-{y}-z"}, .invalidates = {"b:{x}"}},
        {.pattern = "b:{x}"},
        {.pattern = NULL}};
    struct rules *rules = compiled(classes, NULL);
    struct rules_plan plan;
    rules_plan_init(&plan, rules, &memory_libc, 0, 0);
    assert_int_equal(rules_plan_tag(&plan, SLICE("1-2-3-z")), STATUS_OK);
    assert_string_equal(said(&plan), "tag 1-2-3-z, class b:{x} widened");
    rules_plan_fini(&plan);
    rules_free(rules);
}

static void limits_end_in_whole_classes(void **state) {
    static const struct fixture_class classes[] = {
        {.pattern = "a:{id}", .invalidates = {"b:{id}", "c:{id}"}},
        {.pattern = "b:{id}", .invalidates = {"d:{id}"}},
        {.pattern = "c:{id}"},
        {.pattern = "d:{id}", .invalidates = {"e:{id}"}},
        {.pattern = "e:{id}"},
        {.pattern = NULL},
    };
    static const struct fixture_event list[] = {{"many", {"a:{data.ids[]}", "tag t:{data.ids[]}"}}, {NULL, {NULL}}};
    struct rules *rules = compiled(classes, list);
    struct rules_plan plan;
    rules_plan_init(&plan, rules, &memory_libc, 0, 2);
    changed(&plan, "a:1");
    assert_string_equal(said(&plan), "key b:1, key c:1, key d:1, class e:{id} widened");
    assert_true(plan.limited);
    rules_plan_fini(&plan);
    rules_plan_init(&plan, rules, &memory_libc, 2, 0);
    changed(&plan, "a:1");
    assert_string_equal(said(&plan), "key b:1, key c:1, class d:{id} widened, class e:{id} widened");
    struct rules_data data = {find_data, (void *)(uintptr_t) "ids=1,2,3"};
    struct slice missing;
    rules_plan_reset(&plan);
    assert_int_equal(rules_plan_event(&plan, SLICE("many"), &data, &missing), STATUS_OK);
    assert_true(plan.limited);
    assert_string_equal(said(&plan),
                        "key a:1, key a:2, class a:{id} widened, class b:{id} widened, class c:{id} widened, "
                        "class d:{id} widened, class e:{id} widened, tag t:1, tag t:2, tag t:3");
    rules_plan_fini(&plan);
    rules_free(rules);
}

/* Prices make pages stale, and whatever follows from that; baskets go. */
static const struct fixture_class soft_shop[] = {
    {.pattern = "price:{id}", .invalidates = {"soft page:{id}", "soft list:{id}:*", "basket:*"}, .ttl_ms = 9000},
    {.pattern = "page:{id}", .tags = {"page:{id}"}, .invalidates = {"index"}, .ttl_ms = 9000},
    {.pattern = "list:{id}:{shop}", .ttl_ms = 9000},
    {.pattern = "index", .invalidates = {"soft card"}, .ttl_ms = 9000},
    {.pattern = "feed:{id}:{page}", .derives = {"soft price:{id}"}, .ttl_ms = 9000},
    {.pattern = "basket:{user}", .invalidates = {"index"}, .ttl_ms = 9000},
    {.pattern = "card", .ttl_ms = 9000},
    {.pattern = "cost:{id}", .invalidates = {"soft page:{id}"}, .ttl_ms = 9000},
    {.pattern = NULL},
};

static const struct fixture_event soft_events[] = {
    {"sale", {"soft tag page:{data.id}"}},
    {"both", {"soft page:{data.id}", "tag page:{data.id}", "soft index"}},
    {"end", {"page:{data.id}", "soft page:{data.id}", "soft index"}},
    {NULL, {NULL}},
};

static void what_follows_from_a_soft_edge_is_soft_unless_a_hard_way_leads_there(void **state) {
    static const struct {
        const char *key, *event, *plan;
        bool soft;
    } cases[] = {
        /* an edge without a word passes on what it got */
        {.key = "cost:1", .plan = "key page:1 softly, key index softly, key card softly"},
        /* a write is hard; an edge that is soft stays soft behind it */
        {.key = "page:1", .plan = "key index, key card softly"},
        /* by the basket the index goes, which was found by the page before: by every way on from there, too */
        {.key = "price:1",
         .plan = "key page:1 softly, tag ~list:1:* softly, class basket:{user}, tag ^price:1 softly, key index, key "
                 "card softly"},
        {.event = "sale", .plan = "tag page:1 softly, key index softly, key card softly"},
        {.event = "both", .plan = "key page:1 softly, tag page:1, key index, key card softly"},
        {.event = "end", .plan = "key page:1, key index, key card softly"},
        {.event = "both",
         .soft = true,
         .plan = "key page:1 softly, tag page:1 softly, key index softly, key card softly"},
    };
    struct rules *rules = compiled(soft_shop, soft_events);
    struct rules_plan plan;
    struct rules_data data = {find_data, (void *)(uintptr_t) "id=1"};
    struct slice missing;
    rules_plan_init(&plan, rules, &memory_libc, 0, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        plan.soft = cases[i].soft;
        rules_plan_reset(&plan);
        if (cases[i].key)
            changed(&plan, cases[i].key);
        else
            assert_int_equal(rules_plan_event(&plan, slice_from_string(cases[i].event), &data, &missing), STATUS_OK);
        assert_string_equal(said(&plan), cases[i].plan);
    }
    changed(&plan, "price:1");
    plan.soft = false;
    rules_plan_reset(&plan);
    changed(&plan, "price:1"); /* the index says that it went by the basket */
    assert_int_equal(plan.actions[4].from, 2);
    assert_int_equal(rules_edge(rules, plan.actions[4].edge)->place.line, 6);
    assert_int_equal(plan.actions[5].from, 4);
    rules_plan_fini(&plan);
    rules_free(rules);
}

static void a_soft_beginning_makes_everything_soft(void **state) {
    struct rules *rules = compiled(shop, events);
    struct rules_plan plan;
    for (int limit = 0; limit < 3; limit++) {
        struct rules_data data = {find_data, (void *)(uintptr_t) "id=7 shop=3 day=1"};
        struct slice missing;
        rules_plan_init(&plan, rules, &memory_libc, (uint32_t)limit, (uint32_t)limit);
        plan.soft = true;
        assert_int_equal(rules_plan_key(&plan, SLICE("user:7")), STATUS_OK);
        assert_int_equal(rules_plan_tag(&plan, SLICE("shop:3")), STATUS_OK);
        assert_int_equal(rules_plan_class(&plan, rules_class_named(rules, SLICE("profile:{id}"))), STATUS_OK);
        assert_int_equal(rules_plan_pattern(&plan, SLICE("us*")), STATUS_OK);
        assert_int_equal(rules_plan_expression(&plan, SLICE("^item:.$"), SLICE("item:*")), STATUS_OK);
        assert_int_equal(rules_plan_event(&plan, SLICE("shop.closed"), &data, &missing), STATUS_OK);
        assert_true(plan.count > 9);
        for (uint32_t i = 0; i < plan.count; i++)
            assert_true(plan.actions[i].soft);
        rules_plan_fini(&plan);
    }
    rules_free(rules);
}

static void memory_that_ends_is_an_answer(void **state) {
    struct rules *rules = compiled(shop, events);
    bool done = false;
    for (long left = 0; !done; left++) {
        struct fixture_failing failing = {.left = left};
        struct memory memory = {fixture_resize, &failing};
        struct rules_plan plan;
        struct rules_data data = {find_data, (void *)(uintptr_t) "shop=3:4 day=1"};
        struct slice missing;
        rules_plan_init(&plan, rules, &memory, 0, 0);
        enum status one = rules_plan_key(&plan, SLICE("user:7"));
        enum status two = rules_plan_pattern(&plan, SLICE("item:*"));
        enum status three = rules_plan_event(&plan, SLICE("shop.closed"), &data, &missing);
        enum status four = rules_plan_expression(&plan, SLICE("^item:.$"), SLICE("item:*"));
        done = one == STATUS_OK && two == STATUS_OK && three == STATUS_OK && four == STATUS_OK;
        assert_true(done || one == STATUS_NO_MEMORY || two == STATUS_NO_MEMORY || three == STATUS_NO_MEMORY ||
                    four == STATUS_NO_MEMORY);
        rules_plan_fini(&plan);
        assert_int_equal(failing.live, 0);
        assert_true(left < 1000);
    }
    rules_free(rules);
}

UNIT_TESTS(plan, UNIT(changes_follow_edges), UNIT(entries_bear_the_tags_that_edges_fire),
           UNIT(tags_and_classes_lead_on), UNIT(events_fill_their_data_in), UNIT(doubtful_tags_widen),
           UNIT(limits_end_in_whole_classes), UNIT(what_follows_from_a_soft_edge_is_soft_unless_a_hard_way_leads_there),
           UNIT(a_soft_beginning_makes_everything_soft), UNIT(memory_that_ends_is_an_answer));
