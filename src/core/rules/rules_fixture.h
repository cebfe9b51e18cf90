/* core/rules/rules_fixture.h: manifests written down in C, and matching as it is defined rather than as it is done.
 *
 * Only for tests.
 */
#ifndef STRATA_CORE_RULES_RULES_FIXTURE_H
#define STRATA_CORE_RULES_RULES_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/rng.h"
#include "core/rules/rules.h"

/* Memory that has nothing from the n-th request on, or from then once. */
struct fixture_failing {
    long left; /* requests that are served; below 0: all */
    long live; /* bytes handed out and not given back */
};

static inline void *fixture_resize(void *context, void *old, size_t size_old, size_t size_new) {
    struct fixture_failing *failing = context;
    if (size_new == 0) {
        free(old);
        failing->live -= (long)size_old;
        return NULL;
    }
    if (failing->left == 0)
        return NULL;
    failing->left -= failing->left > 0;
    void *bytes = realloc(old, size_new);
    ASSERT(bytes);
    failing->live += (long)size_new - (long)size_old;
    return bytes;
}

/* Parsed patterns of a test, given back together. */
struct fixture_patterns {
    struct arena arena;
    struct rules_pattern list[64];
    uint32_t count;
};

static inline bool fixture_add(struct fixture_patterns *patterns, const char *text) {
    struct rules_pattern_problem problem;
    struct slice copy;
    bool copied = arena_copy(&patterns->arena, slice_from_string(text), &copy);
    ASSERT(copied && patterns->count < 64);
    enum status status =
        rules_pattern_parse(copy, RULES_SYNTAX_KEYS, &patterns->arena, &patterns->list[patterns->count], &problem);
    ASSERT(status != STATUS_NO_MEMORY);
    patterns->count += status == STATUS_OK;
    return status == STATUS_OK;
}

/* A random pattern over a few bytes; often it is none that may be. */
static inline void fixture_random_pattern(struct rng *rng, char text[64]) {
    static const char *const pieces[] = {"a", "b",    ":",    "a",    ":",   "{p}", "{q}",
                                         "*", "[ab]", "[^a]", "[^:]", "{r}", "*"};
    size_t count = 1 + rng_below(rng, 6);
    text[0] = 0;
    for (size_t i = 0; i < count; i++)
        strcat(text, pieces[rng_below(rng, sizeof pieces / sizeof *pieces)]);
}

/* Whether the tokens from `token` on take the key from `at` on: every way is tried. */
static inline bool fixture_takes(const struct rules_pattern *pattern, uint32_t token, struct slice key, size_t at) {
    if (token == pattern->token_count)
        return at == key.size;
    const struct rules_token *own = &pattern->tokens[token];
    if (own->kind == RULES_STAR) {
        for (size_t end = at; end <= key.size; end++)
            if (fixture_takes(pattern, token + 1, key, end))
                return true;
        return false;
    }
    if (own->kind == RULES_PART) {
        for (size_t end = at; end < key.size && rules_token_takes(pattern, own, key.data[end]); end++)
            if (fixture_takes(pattern, token + 1, key, end + 1))
                return true;
        return false;
    }
    if (at == key.size)
        return false;
    bool takes = own->kind == RULES_BYTE ? own->byte == key.data[at] : rules_token_takes(pattern, own, key.data[at]);
    return takes && fixture_takes(pattern, token + 1, key, at + 1);
}

/* The n-th key over the bytes a, b, c and ':', shortest first, beginning with the empty one. Answers its size. */
enum { FIXTURE_KEYS = 1 + 4 + 16 + 64 + 256 + 1024 }; /* up to five bytes */

static inline size_t fixture_key(uint32_t number, uint8_t bytes[8]) {
    size_t size = 0;
    for (uint32_t all = 1; number >= all; all *= 4)
        number -= all, size++;
    for (size_t i = 0; i < size; i++, number /= 4)
        bytes[i] = (uint8_t) "abc:"[number % 4];
    return size;
}

/* ------------------------------------------------------------------------------------------ manifests */

/* A class as tests write it; targets that begin with "tag " are tags, with "event " events, with "soft " before that soft. */
struct fixture_class {
    const char *pattern, *tags[4], *invalidates[4], *derives[4], *owner, *borrowers[4];
    uint64_t ttl_ms, max_ms;
    uint32_t jitter_permille;
};

struct fixture_event {
    const char *name, *targets[4];
};

struct fixture_told {
    uint32_t errors, warnings;
    char codes[32][32];
    uint32_t count;
};

static inline void fixture_tell(void *context, const struct manifest_problem *problem) {
    struct fixture_told *told = context;
    ASSERT(problem->message && *problem->message && problem->code);
    told->errors += problem->severity == MANIFEST_ERROR;
    told->warnings += problem->severity == MANIFEST_WARNING;
    if (told->count < 32)
        snprintf(told->codes[told->count++], sizeof told->codes[0], "%s", problem->code);
}

static inline struct manifest_text fixture_text(const char *text, uint32_t line) {
    return (struct manifest_text){slice_from_string(text), {line, 1, (uint32_t)strlen(text)}};
}

static inline uint32_t fixture_targets(const char *const *from, uint32_t line, struct manifest_target *to) {
    uint32_t count = 0;
    for (; count < 4 && from[count]; count++) {
        const char *text = from[count];
        bool soft = strncmp(text, "soft ", 5) == 0;
        text += soft ? 5 : 0;
        enum manifest_target_kind kind = strncmp(text, "tag ", 4) == 0     ? MANIFEST_TARGET_TAG
                                         : strncmp(text, "event ", 6) == 0 ? MANIFEST_TARGET_EVENT
                                                                           : MANIFEST_TARGET_KEYS;
        text += kind == MANIFEST_TARGET_TAG ? 4 : kind == MANIFEST_TARGET_EVENT ? 6 : 0;
        to[count] = (struct manifest_target){.kind = kind, .soft = soft, .what = fixture_text(text, line)};
    }
    return count;
}

static inline uint32_t fixture_texts(const char *const *from, uint32_t line, struct manifest_text *to) {
    uint32_t count = 0;
    for (; count < 4 && from[count]; count++)
        to[count] = fixture_text(from[count], line);
    return count;
}

/* Class n stands in line n + 1, event n in line n + 101. Lists end with a pattern or name that is NULL. */
static inline enum status fixture_compile(const struct fixture_class *classes, const struct fixture_event *events,
                                          const struct memory *memory, struct fixture_told *ret_told,
                                          struct rules **ret_rules) {
    static struct manifest_class list[64];
    static struct manifest_event event_list[16];
    static struct manifest_target invalidates[64][4], derives[64][4], targets[16][4];
    static struct manifest_text tags[64][4], borrowers[64][4];
    struct manifest manifest = {.classes = list, .events = event_list};
    for (uint32_t i = 0; classes[i].pattern; i++, manifest.class_count++) {
        const struct fixture_class *from = &classes[i];
        list[i] = (struct manifest_class){.pattern = fixture_text(from->pattern, i + 1),
                                          .ttl_default_ms = from->ttl_ms,
                                          .ttl_max_ms = from->max_ms,
                                          .jitter_permille = from->jitter_permille,
                                          .invalidates = invalidates[i],
                                          .derives = derives[i],
                                          .tags = tags[i],
                                          .borrowers = borrowers[i]};
        list[i].invalidate_count = fixture_targets(from->invalidates, i + 1, invalidates[i]);
        list[i].derive_count = fixture_targets(from->derives, i + 1, derives[i]);
        list[i].tag_count = fixture_texts(from->tags, i + 1, tags[i]);
        list[i].borrower_count = fixture_texts(from->borrowers, i + 1, borrowers[i]);
        if (from->owner) {
            list[i].owner = fixture_text(from->owner, i + 1);
            list[i].places[MANIFEST_OWNER] = list[i].owner.place;
        }
        if (list[i].borrower_count)
            list[i].places[MANIFEST_BORROWERS] = borrowers[i][0].place;
    }
    for (uint32_t i = 0; events && events[i].name; i++, manifest.event_count++) {
        event_list[i] = (struct manifest_event){.name = fixture_text(events[i].name, i + 101), .targets = targets[i]};
        event_list[i].target_count = fixture_targets(events[i].targets, i + 101, targets[i]);
    }
    struct manifest_sink sink = {fixture_tell, NULL, ret_told};
    *ret_told = (struct fixture_told){0};
    return rules_compile(&manifest, memory, &sink, ret_rules);
}

#endif
