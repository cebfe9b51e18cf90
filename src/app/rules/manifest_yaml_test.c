#include "app/rules/manifest_yaml.h"

#include "app/rules/diagnostics.h"
#include "app/rules/graph.h"
#include "scarce.h"
#include "unit.h"

static const char everything[] =
    "version: 1\n"
    "services: [shop, mail]\n"
    "stores:\n"
    "  default: { memory: 50%, eviction: allkeys-lru, entries: 1000 }\n"
    "  pages: { memory: 12.5%, filter: { kind: cuckoo, rate: 0.5% } }\n"
    "keys:\n"
    "  \"item:{shop}:{id}\":\n"
    "    owner: shop\n"
    "    borrowers: [mail]\n"
    "    layers: [server, edge]\n"
    "    ttl: { default: 10m, max: 1d, jitter: 12.5%, sliding: on }\n"
    "    stale: 1m\n"
    "    negative: 5s\n"
    "    refresh: 80%\n"
    "    tags: [\"shop:{shop}\", items]\n"
    "    codec: lz4\n"
    "    writes: leased\n"
    "    quota: 10%\n"
    "    on_quota: refuse\n"
    "    evict: never\n"
    "    store: pages\n"
    "    invalidates: [\"list:{shop}:*\", { tag: items2 }]\n"
    "  \"list:{shop}:{page}\": { ttl: 1m, tags: items2 }\n"
    "  \"count:{shop}\": { ttl: 10m, derives: [\"item:{shop}:*\", { event: \"o.*\" }] }\n"
    "events:\n"
    "  \"o.paid\": { invalidate: [\"count:{data.shop}\"] }\n";

/* More problems than are kept, of every form. */
static const char wrong[] =
    "version: 1\nkeys:\n  \"a:{id\": {}\n  \"b:{id}\": { owner: 'x y', ttl: 5 }\n  \"b:{x}\": { invalidates: [\"c\", "
    "\"b:{y}\"] }\n";

static enum status compile(const char *text, const struct memory *memory, struct diagnostics *diagnostics,
                           struct rules **ret_rules) {
    diagnostics_init(diagnostics, memory);
    struct manifest_sink sink = diagnostics_sink(diagnostics);
    return manifest_compile(slice_from_string(text), memory, &sink, ret_rules);
}

static void everything_that_is_said_is_in_the_rules(void **state) {
    static struct diagnostics diagnostics;
    struct rules *rules;
    assert_int_equal(compile(everything, &memory_libc, &diagnostics, &rules), STATUS_OK);
    assert_int_equal(diagnostics.errors, 0);
    assert_int_equal(diagnostics.warnings, 1); /* of `codec`: it is not in force */
    const struct rules_class *item = rules_class(rules, 0);
    assert_true(slice_equal(rules_service(rules, item->owner), SLICE("shop")));
    assert_int_equal(item->borrower_count, 1);
    assert_int_equal(item->layers, MANIFEST_LAYER_SERVER | MANIFEST_LAYER_EDGE);
    assert_int_equal(item->ttl_default_ms, 600000);
    assert_int_equal(item->ttl_max_ms, 86400000);
    assert_int_equal(item->jitter_permille, 125);
    assert_true(item->sliding && item->leased && item->own_store);
    assert_int_equal(item->stale_ms, 60000);
    assert_int_equal(item->negative_ms, 5000);
    assert_int_equal(item->refresh_permille, 800);
    assert_int_equal(item->quota_permille, 100);
    assert_int_equal(item->on_quota, MANIFEST_ON_QUOTA_REFUSE);
    assert_int_equal(item->evict, MANIFEST_EVICT_NEVER);
    assert_int_equal(item->codec, MANIFEST_CODEC_LZ4);
    assert_int_equal(item->tag_count, 2);
    assert_int_equal(item->place.line, 7);
    assert_int_equal(item->places[MANIFEST_TTL_MAX].line, 11);
    assert_int_equal(rules_class(rules, 1)->places[MANIFEST_TTL_MAX].line, 0);
    assert_int_equal(rules_class(rules, 1)->layers, MANIFEST_LAYER_SERVER);
    const struct rules_store *pages = rules_store(rules, item->store), *usual = rules_store(rules, 0);
    assert_true(slice_equal(pages->name, SLICE("pages")) && pages->filter);
    assert_int_equal(pages->filter_rate_ppm, 5000);
    assert_int_equal(pages->share_permille, 125);
    assert_int_equal(usual->entries_max, 1000);
    assert_true(slice_equal(usual->eviction, SLICE("allkeys-lru")));
    assert_int_equal(rules_class(rules, 2)->store, RULES_NONE);
    assert_int_equal(rules_event_count(rules), 1);
    rules_free(rules);
    diagnostics_fini(&diagnostics);
}

/* Answers whether there was enough. */
static bool runs_with(const char *text, enum status expected, unsigned allowed) {
    static struct diagnostics diagnostics;
    struct scarce scarce;
    const struct memory *memory = scarce_begin(&scarce, allowed);
    struct rules *rules = NULL;
    struct buf out;
    buf_init(&out, memory);
    enum status status = compile(text, memory, &diagnostics, &rules);
    enum status written = diagnostics_write(&diagnostics, DIAGNOSTICS_TEXT, "m.yaml", slice_from_string(text), &out);
    if (written == STATUS_OK)
        written = diagnostics_write(&diagnostics, DIAGNOSTICS_JSON, "m.yaml", slice_from_string(text), &out);
    for (int form = GRAPH_TEXT; form <= GRAPH_DOT && status == STATUS_OK && written == STATUS_OK; form++)
        written = graph_write(rules, (enum graph_form)form, memory, &out);
    assert_true(status == expected || status == STATUS_NO_MEMORY);
    assert_true(written == STATUS_OK || written == STATUS_NO_MEMORY);
    assert_true(status == STATUS_OK || rules == NULL);
    rules_free(rules);
    buf_fini(&out);
    diagnostics_fini(&diagnostics);
    assert_int_equal(scarce.held, 0);
    return status == expected && written == STATUS_OK;
}

static void every_allocation_may_fail(void **state) {
    unsigned allowed = 0;
    while (!runs_with(everything, STATUS_OK, allowed))
        assert_true(++allowed < 10000);
    assert_true(allowed > 5);
    for (allowed = 0; !runs_with(wrong, STATUS_INVALID, allowed);)
        assert_true(++allowed < 10000);
}

/* Of problems beyond the number kept, those that stand first in the file stay. */
static void problems_are_sorted_and_bounded(void **state) {
    static struct diagnostics diagnostics;
    diagnostics_init(&diagnostics, &memory_libc);
    struct manifest_sink sink = diagnostics_sink(&diagnostics);
    for (uint32_t i = 0; i < 250; i++)
        sink.tell(sink.context, &(struct manifest_problem){.severity = i % 2 ? MANIFEST_WARNING : MANIFEST_ERROR,
                                                           .code = "x",
                                                           .place = {1 + i * 37 % 250, 1, 1},
                                                           .message = "m"});
    assert_int_equal(diagnostics.count, MANIFEST_PROBLEMS_MAX);
    assert_int_equal(diagnostics.errors, 125);
    assert_int_equal(diagnostics.warnings, 125);
    for (uint32_t i = 0; i < MANIFEST_PROBLEMS_MAX; i++)
        assert_int_equal(diagnostics.problems[i].place.line, i + 1);
    diagnostics_fini(&diagnostics);
}

static void sizes_and_depths_are_bounded(void **state) {
    static struct diagnostics diagnostics;
    struct rules *rules;
    static char text[MANIFEST_TEXT_MAX + 2];
    memset(text, '#', MANIFEST_TEXT_MAX + 1);
    assert_int_equal(compile(text, &memory_libc, &diagnostics, &rules), STATUS_INVALID);
    assert_non_null(strstr(diagnostics.problems[0].message, "larger than"));
    diagnostics_fini(&diagnostics);
    assert_int_equal(compile("version: 1\nkeys: {a: {b: [[[[[[[[[1]]]]]]]]]}}", &memory_libc, &diagnostics, &rules),
                     STATUS_INVALID);
    assert_non_null(strstr(diagnostics.problems[0].message, "nested deeper than"));
    diagnostics_fini(&diagnostics);
    size_t used = (size_t)snprintf(text, sizeof text, "version: 1\nkeys:\n");
    for (int i = 0; i <= MANIFEST_CLASSES_MAX; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "  k%d: {}\n", i);
    assert_int_equal(compile(text, &memory_libc, &diagnostics, &rules), STATUS_INVALID);
    assert_non_null(strstr(diagnostics.problems[0].message, "more than the 4096"));
    diagnostics_fini(&diagnostics);
}

UNIT_TESTS(manifest_yaml, UNIT(everything_that_is_said_is_in_the_rules), UNIT(every_allocation_may_fail),
           UNIT(problems_are_sorted_and_bounded), UNIT(sizes_and_depths_are_bounded));
