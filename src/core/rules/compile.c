#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "core/rules/internal.h"

enum { ARENA_CHUNK = 4 * 1024 };

void build_tell(struct build *build, const struct manifest_problem *problem, const char *format, ...) {
    char text[PROBLEM_TEXT_MAX];
    struct manifest_problem told = *problem;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    told.message = text;
    build->errors += told.severity == MANIFEST_ERROR;
    build->sink->tell(build->sink->context, &told);
}

static uint32_t characters(struct slice text) {
    uint32_t count = 0;
    for (size_t i = 0; i < text.size; i++)
        count += (text.data[i] & 0xc0) != 0x80;
    return count;
}

struct manifest_place build_place_in(const struct manifest_text *text, size_t at, size_t size) {
    uint32_t before = characters(slice_part(text->text, 0, at)), width = characters(slice_part(text->text, at, size));
    if (text->place.width != characters(text->text) || before >= text->place.width)
        return text->place; /* it does not stand there as it is meant */
    return (struct manifest_place){text->place.line, text->place.column + before, width ? width : 1};
}

void *build_take(struct build *build, size_t count, size_t size) {
    void *bytes = arena_take(&build->rules->arena, (count ? count : 1) * size);
    if (bytes)
        memset(bytes, 0, (count ? count : 1) * size);
    return bytes;
}

static bool keep_text(struct build *build, struct slice text, struct slice *ret_copy) {
    return arena_copy(&build->rules->arena, text, ret_copy);
}

/* ------------------------------------------------------------------------------------------ services and stores */

/* A name of the list that is like the unknown one, as a help; `help` is room for it. */
static const char *like(struct build *build, struct slice name, const struct slice *names, uint32_t count,
                        char help[128], const char *otherwise) {
    const char *near = NULL;
    char words[MANIFEST_SERVICES_MAX][MANIFEST_NAME_MAX + 1];
    const char *list[MANIFEST_SERVICES_MAX + 1];
    uint32_t used = 0;
    for (uint32_t i = 0; i < count && used < MANIFEST_SERVICES_MAX; i++)
        if (names[i].size <= MANIFEST_NAME_MAX) {
            snprintf(words[used], sizeof words[used], "%.*s", SHOW(names[i]));
            list[used] = words[used];
            used++;
        }
    list[used] = NULL;
    if (build->sink->suggest && used)
        near = build->sink->suggest(name, list);
    if (!near)
        return otherwise;
    snprintf(help, 128, "did you mean '%.90s'?", near);
    return help;
}

static enum status compile_services(struct build *build) {
    const struct manifest *manifest = build->manifest;
    struct rules *rules = build->rules;
    uint32_t room = manifest->service_count;
    if (!manifest->says_services) /* then every name is one */
        for (uint32_t i = 0; i < manifest->class_count; i++)
            room += 1 + manifest->classes[i].borrower_count;
    rules->services = build_take(build, room, sizeof *rules->services);
    if (!rules->services)
        return STATUS_NO_MEMORY;
    for (uint32_t i = 0; i < manifest->service_count; i++) {
        const struct manifest_text *service = &manifest->services[i];
        uint32_t first = 0;
        while (!slice_equal(manifest->services[first].text, service->text))
            first++;
        if (first < i) {
            build_tell(build,
                       &(struct manifest_problem){.code = "duplicate-service",
                                                  .place = service->place,
                                                  .note_place = manifest->services[first].place,
                                                  .note = "it is there already",
                                                  .help = "remove one of them"},
                       "the service '%.*s' is listed twice", SHOW(service->text));
            continue;
        }
        if (!keep_text(build, service->text, &rules->services[rules->service_count++]))
            return STATUS_NO_MEMORY;
    }
    return STATUS_OK;
}

static enum status find_service(struct build *build, const struct manifest_text *name, uint32_t *ret_service) {
    struct rules *rules = build->rules;
    char help[128];
    *ret_service = rules_service_named(rules, name->text);
    if (*ret_service != RULES_NONE)
        return STATUS_OK;
    if (!build->manifest->says_services) {
        *ret_service = rules->service_count++;
        return keep_text(build, name->text, &rules->services[*ret_service]) ? STATUS_OK : STATUS_NO_MEMORY;
    }
    build_tell(build,
               &(struct manifest_problem){.code = "unknown-service",
                                          .place = name->place,
                                          .help = like(build, name->text, rules->services, rules->service_count, help,
                                                       "add it to the list 'services'")},
               "there is no service '%.*s'", SHOW(name->text));
    return STATUS_OK;
}

static void check_store(struct build *build, uint32_t store, uint32_t *permille) {
    const struct manifest_store *own = &build->manifest->stores[store];
    uint32_t first = 0;
    while (!slice_equal(build->manifest->stores[first].name.text, own->name.text))
        first++;
    if (first < store)
        build_tell(build,
                   &(struct manifest_problem){.code = "duplicate-store",
                                              .place = own->name.place,
                                              .note_place = build->manifest->stores[first].name.place,
                                              .note = "it is described here already",
                                              .help = "remove one of them"},
                   "the store '%.*s' is described twice", SHOW(own->name.text));
    bool fits = *permille <= MANIFEST_SHARE_ALL;
    *permille += own->share_permille;
    if (fits && *permille > MANIFEST_SHARE_ALL)
        build_tell(build,
                   &(struct manifest_problem){
                       .code = "shares", .place = own->memory_place, .help = "make the shares of the stores smaller"},
                   "the shares of the stores up to here come to %u.%u %%, more than there is", *permille / 10,
                   *permille % 10);
}

static enum status compile_stores(struct build *build) {
    const struct manifest *manifest = build->manifest;
    struct rules *rules = build->rules;
    uint32_t permille = 0;
    rules->stores = build_take(build, manifest->store_count, sizeof *rules->stores);
    if (!rules->stores)
        return STATUS_NO_MEMORY;
    rules->store_count = manifest->store_count;
    for (uint32_t i = 0; i < manifest->store_count; i++) {
        const struct manifest_store *from = &manifest->stores[i];
        struct rules_store *to = &rules->stores[i];
        check_store(build, i, &permille);
        *to = (struct rules_store){.place = from->name.place,
                                   .share_permille = from->share_permille,
                                   .guaranteed_bytes = from->guaranteed_bytes,
                                   .entries_max = from->entries_max,
                                   .filter_rate_ppm = from->filter_rate_ppm,
                                   .filter = from->filter};
        if (!keep_text(build, from->name.text, &to->name) || !keep_text(build, from->eviction.text, &to->eviction))
            return STATUS_NO_MEMORY;
    }
    return STATUS_OK;
}

/* ------------------------------------------------------------------------------------------ classes */

static void find_store(struct build *build, const struct manifest_text *name, uint32_t *ret_store) {
    const struct rules *rules = build->rules;
    struct slice names[MANIFEST_STORES_MAX + 1];
    char help[128];
    uint32_t count = 0;
    for (uint32_t i = 0; i < rules->store_count; i++) {
        if (slice_equal(rules->stores[i].name, name->text)) {
            *ret_store = slice_equal(name->text, SLICE("default")) ? RULES_NONE : i;
            return;
        }
        if (count <= MANIFEST_STORES_MAX)
            names[count++] = rules->stores[i].name;
    }
    if (slice_equal(name->text, SLICE("default")))
        return;
    build_tell(build,
               &(struct manifest_problem){
                   .code = "unknown-store",
                   .place = name->place,
                   .help = like(build, name->text, names, count, help,
                                "describe it under 'stores', or leave 'store' out for the default one")},
               "there is no store '%.*s'", SHOW(name->text));
}

static enum status compile_people(struct build *build, const struct manifest_class *from, struct rules_class *to) {
    uint32_t *borrowers = build_take(build, from->borrower_count, sizeof *borrowers);
    if (!borrowers)
        return STATUS_NO_MEMORY;
    to->borrowers = borrowers;
    to->owner = RULES_NONE;
    if (from->places[MANIFEST_OWNER].line)
        TRY(find_service(build, &from->owner, &to->owner));
    for (uint32_t i = 0; i < from->borrower_count; i++) {
        const struct manifest_text *name = &from->borrowers[i];
        uint32_t first = 0;
        while (!slice_equal(from->borrowers[first].text, name->text))
            first++;
        bool again = first < i,
             is_owner = from->places[MANIFEST_OWNER].line && slice_equal(name->text, from->owner.text);
        if (again || is_owner)
            build_tell(build,
                       &(struct manifest_problem){
                           .severity = MANIFEST_WARNING,
                           .code = "duplicate-borrower",
                           .place = name->place,
                           .note_place = again ? from->borrowers[first].place : from->owner.place,
                           .note = again ? "it is there already" : "it is the owner, who may read anyway",
                           .help = "remove it"},
                       "'%.*s' need not be listed here", SHOW(name->text));
        uint32_t service = RULES_NONE;
        TRY(find_service(build, name, &service));
        if (service != RULES_NONE && !again)
            borrowers[to->borrower_count++] = service;
    }
    return STATUS_OK;
}

static enum status compile_class(struct build *build, uint32_t class) {
    const struct manifest_class *from = &build->manifest->classes[class];
    struct rules *rules = build->rules;
    struct rules_class *to = &rules->classes[class];
    struct rules_pattern_problem problem;
    struct slice text;
    *to = (struct rules_class){
        .place = from->pattern.place,
        .store = RULES_NONE,
        .ttl_default_ms = from->ttl_default_ms,
        .ttl_max_ms = from->ttl_max_ms,
        .stale_ms = from->stale_ms,
        .negative_ms = from->negative_ms,
        .jitter_permille = from->jitter_permille,
        .refresh_permille = from->refresh_permille,
        .quota_permille = from->quota_permille,
        .quota_bytes = from->quota_bytes,
        .layers = from->layers ? from->layers : MANIFEST_LAYER_SERVER,
        .evict = from->evict,
        .codec = from->codec,
        .on_quota = from->on_quota,
        .sliding = from->sliding,
        .leased = from->leased,
        .own_store = from->quota_permille || from->quota_bytes || from->evict != MANIFEST_EVICT_NORMAL};
    memcpy(to->places, from->places, sizeof to->places);
    if (!keep_text(build, from->pattern.text, &text))
        return STATUS_NO_MEMORY;
    enum status status = rules_pattern_parse(text, RULES_SYNTAX_KEYS, &rules->arena, &to->pattern, &problem);
    if (status == STATUS_INVALID) {
        build->broken[class] = true;
        build_tell(build,
                   &(struct manifest_problem){.code = "pattern",
                                              .place = build_place_in(&from->pattern, problem.at, problem.size),
                                              .help = problem.help},
                   "%s in the pattern '%.*s'", problem.what, SHOW(text));
        status = STATUS_OK;
    }
    TRY(status);
    rules->patterns[class] = to->pattern;
    if (from->places[MANIFEST_STORE].line)
        find_store(build, &from->store, &to->store);
    return compile_people(build, from, to);
}

static enum status compile_classes(struct build *build) {
    struct rules *rules = build->rules;
    uint32_t count = build->manifest->class_count;
    rules->classes = build_take(build, count, sizeof *rules->classes);
    rules->patterns = build_take(build, count, sizeof *rules->patterns);
    build->broken = build_take(build, count, sizeof *build->broken);
    if (!rules->classes || !rules->patterns || !build->broken)
        return STATUS_NO_MEMORY;
    rules->class_count = count;
    for (uint32_t i = 0; i < count; i++)
        TRY(compile_class(build, i));
    return STATUS_OK;
}

static enum status compile(struct build *build) {
    TRY(compile_services(build));
    TRY(compile_stores(build));
    TRY(compile_classes(build));
    TRY(build_edges(build));
    TRY(build_check(build));
    if (build->errors)
        return STATUS_INVALID;
    return rules_matcher_new(build->rules->patterns, build->rules->class_count, &build->rules->arena,
                             &build->rules->matcher);
}

enum status rules_compile(const struct manifest *manifest, const struct memory *memory,
                          const struct manifest_sink *sink, struct rules **ret_rules) {
    ASSERT(manifest->class_count <= MANIFEST_CLASSES_MAX && manifest->store_count <= 2 * MANIFEST_STORES_MAX);
    struct rules *rules = memory_take(memory, sizeof *rules);
    if (!rules)
        return STATUS_NO_MEMORY;
    *rules = (struct rules){.memory = memory};
    arena_init(&rules->arena, memory, ARENA_CHUNK);
    struct build build = {.manifest = manifest, .sink = sink, .rules = rules};
    arena_init(&build.scratch, memory, ARENA_CHUNK);
    enum status status = compile(&build);
    arena_fini(&build.scratch);
    if (status == STATUS_OK)
        *ret_rules = rules;
    else
        rules_free(rules);
    return status;
}

void rules_free(struct rules *rules) {
    if (!rules)
        return;
    const struct memory *memory = rules->memory;
    arena_fini(&rules->arena);
    memory_give(memory, rules, sizeof *rules);
}
