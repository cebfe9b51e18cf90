/* app/rules/manifest_fuzz.c: any text is either refused with at least one error in a place, or gives rules; and those answer for any key, and plan
 * for any change, without end or beyond their limits. What is told can be written in both forms. */
#include "app/rules/diagnostics.h"
#include "app/rules/manifest_yaml.h"
#include "base/assert.h"
#include "core/rules/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool any_data(void *context, struct slice path, uint32_t index, struct slice *ret_text) {
    *ret_text = path.size ? path : SLICE("x");
    return index < 3 || index == RULES_DATA_SINGLE;
}

/* A key of the class: parts are x, stars are nothing. */
static struct slice key_of(const struct rules_pattern *pattern, uint8_t bytes[RULES_PATTERN_SIZE_MAX]) {
    size_t size = 0;
    for (uint32_t i = 0; i < pattern->token_count; i++) {
        const struct rules_token *token = &pattern->tokens[i];
        unsigned byte = token->kind == RULES_BYTE ? token->byte : 'x';
        while (token->kind != RULES_BYTE && token->kind != RULES_STAR &&
               !rules_token_takes(pattern, token, (uint8_t)byte))
            byte = (byte + 1) & 0xff;
        if (token->kind != RULES_STAR)
            bytes[size++] = (uint8_t)byte;
    }
    return slice_make(bytes, size);
}

/* Every action comes from what was asked for, in so many steps at most; what is hard comes from what is. */
static void check_ways(const struct rules_plan *plan) {
    for (uint32_t i = 0; i < plan->count; i++) {
        const struct rules_action *action = &plan->actions[i];
        uint32_t steps = 0;
        for (const struct rules_action *at = action; at->from != RULES_NONE; at = &plan->actions[at->from])
            ASSERT(at->from < plan->count && steps++ < plan->count);
        ASSERT(action->soft || action->from == RULES_NONE || !plan->actions[action->from].soft);
    }
}

static void ask(const struct rules *rules) {
    struct rules_plan plan;
    rules_plan_init(&plan, rules, &memory_libc, 64, 4);
    for (uint32_t class = 0; class < rules_class_count(rules); class ++) {
        uint8_t bytes[RULES_PATTERN_SIZE_MAX];
        struct rules_fields fields;
        const struct rules_class *own = rules_class(rules, class);
        struct slice key = key_of(&own->pattern, bytes);
        uint32_t found = rules_match(rules, key, &fields);
        ASSERT(found != RULES_NONE && rules_pattern_order(&rules_class(rules, found)->pattern, &own->pattern) <= 0);
        ASSERT(own->ttl_max_ms == 0 || rules_ttl_ms(own, 0, class) <= own->ttl_max_ms);
        rules_plan_reset(&plan);
        ASSERT(rules_plan_key(&plan, key) == STATUS_OK && plan.count >= 1);
        check_ways(&plan);
    }
    struct rules_data data = {any_data, NULL};
    struct slice missing;
    for (uint32_t event = 0; event < rules_event_count(rules); event++) {
        uint8_t bytes[RULES_PATTERN_SIZE_MAX];
        rules_plan_reset(&plan);
        ASSERT(rules_plan_event(&plan, key_of(&rules_event(rules, event)->name, bytes), &data, &missing) == STATUS_OK);
    }
    struct rules_difference difference;
    ASSERT(rules_diff(rules, rules, &difference, 1) == 0);
    rules_plan_fini(&plan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice text = slice_make(data, size);
    static struct diagnostics diagnostics;
    struct rules *rules = NULL;
    struct buf out;
    if (size > 4096)
        return 0;
    diagnostics_init(&diagnostics, &memory_libc);
    buf_init(&out, &memory_libc);
    struct manifest_sink sink = diagnostics_sink(&diagnostics);
    enum status status = manifest_compile(text, &memory_libc, &sink, &rules);
    ASSERT(status == STATUS_OK || status == STATUS_INVALID);
    ASSERT((status == STATUS_OK) == (diagnostics.errors == 0));
    ASSERT(diagnostics_write(&diagnostics, DIAGNOSTICS_TEXT, "fuzz.yaml", text, &out) == STATUS_OK);
    ASSERT(diagnostics_write(&diagnostics, DIAGNOSTICS_JSON, "fuzz.yaml", text, &out) == STATUS_OK);
    if (status == STATUS_OK)
        ask(rules);
    rules_free(rules);
    buf_fini(&out);
    diagnostics_fini(&diagnostics);
    return 0;
}
