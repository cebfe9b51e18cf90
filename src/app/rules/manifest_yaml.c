#include "app/rules/manifest_yaml.h"

#include <stdarg.h>
#include <stdio.h>

#include "app/config/config.h"
#include "app/yaml/yaml_text.h"
#include "base/bits.h"
#include "base/number.h"
#include "base/quantity.h"

#define SHOW(s) (int)((s).size < 64 ? (s).size : 64), (const char *)(s).data

/* A hundred years: an expiry never overflows. */
#define MANIFEST_MS_MAX (36500ull * 86400000)

struct reader {
    struct yaml_text yaml;
    struct slice text;
    struct arena *arena;
    const struct manifest_sink *sink;
    bool no_memory;
    struct manifest manifest;
    struct manifest_class *class; /* the one that is being read */
    struct manifest_store *store;
};

/* ------------------------------------------------------------------------------------------ places and problems */

/* Of what is meant: without the quotes around it. */
static struct manifest_place place_of(const yaml_node_t *node) {
    const yaml_mark_t *mark = &node->start_mark;
    bool quoted = node->type == YAML_SCALAR_NODE && (node->data.scalar.style == YAML_DOUBLE_QUOTED_SCALAR_STYLE ||
                                                     node->data.scalar.style == YAML_SINGLE_QUOTED_SCALAR_STYLE);
    bool one_line = node->end_mark.line == mark->line;
    uint32_t width = one_line ? (uint32_t)(node->end_mark.column - mark->column) : 1;
    if (quoted && one_line && width > 2)
        return (struct manifest_place){(uint32_t)mark->line + 1, (uint32_t)mark->column + 2, width - 2};
    return (struct manifest_place){(uint32_t)mark->line + 1, (uint32_t)mark->column + 1, width ? width : 1};
}

static void tell(struct reader *reader, struct manifest_place place, const char *code, const char *help,
                 const char *format, ...) __attribute__((format(printf, 5, 6)));

static void tell(struct reader *reader, struct manifest_place place, const char *code, const char *help,
                 const char *format, ...) {
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    reader->sink->tell(reader->sink->context,
                       &(struct manifest_problem){.code = code, .place = place, .message = text, .help = help});
}

static void *take(struct reader *reader, size_t count, size_t size) {
    void *bytes = arena_take(reader->arena, (count ? count : 1) * size);
    if (bytes)
        memset(bytes, 0, (count ? count : 1) * size);
    else
        reader->no_memory = true;
    return bytes;
}

static struct slice keep(struct reader *reader, struct slice text) {
    struct slice copy = slice_make("", 0);
    if (!arena_copy(reader->arena, text, &copy))
        reader->no_memory = true;
    return copy;
}

/* ------------------------------------------------------------------------------------------ single values */

static bool take_scalar(struct reader *reader, const yaml_node_t *node, const char *name, struct slice *ret_text) {
    if (node->type != YAML_SCALAR_NODE) {
        tell(reader, place_of(node), "type", NULL, "'%s' takes one value, not %s", name,
             node->type == YAML_SEQUENCE_NODE ? "a list" : "further keys");
        return false;
    }
    if (yaml_text_says_nothing(node)) {
        tell(reader, place_of(node), "no-value", "write a value behind it, or remove the line", "'%s' has no value",
             name);
        return false;
    }
    *ret_text = yaml_text_scalar(node);
    return true;
}

static bool take_text(struct reader *reader, const yaml_node_t *node, const char *name,
                      struct manifest_text *ret_text) {
    struct slice text;
    if (!take_scalar(reader, node, name, &text))
        return false;
    *ret_text = (struct manifest_text){keep(reader, text), place_of(node)};
    return true;
}

static bool is_name(struct slice name, size_t size_max) {
    if (name.size == 0 || name.size > size_max)
        return false;
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
              c == '.'))
            return false;
    }
    return true;
}

static bool take_name(struct reader *reader, const yaml_node_t *node, const char *name, size_t size_max,
                      struct manifest_text *ret_text) {
    struct manifest_text text;
    if (!take_text(reader, node, name, &text))
        return false;
    if (!is_name(text.text, size_max)) {
        tell(reader, text.place, "name", NULL, "a name has 1 to %zu letters, digits, '_', '-' and '.', unlike '%.*s'",
             size_max, SHOW(text.text));
        return false;
    }
    *ret_text = text;
    return true;
}

static bool take_ms(struct reader *reader, const yaml_node_t *node, const char *name, uint64_t *ret_ms) {
    struct slice text;
    uint64_t ms, number;
    if (!take_scalar(reader, node, name, &text))
        return false;
    if (number_parse_u64(text, &number) && number > 0) {
        tell(reader, place_of(node), "no-unit", "write ms, s, m, h or d behind it, as in 30s",
             "the time '%.*s' has no unit", SHOW(text));
        return false;
    }
    if (!quantity_parse_ms(text, &ms) || ms == 0 || ms > MANIFEST_MS_MAX) {
        tell(reader, place_of(node), "duration",
             "write a whole number and ms, s, m, h or d, as in 30s; leave the line out for none",
             "'%.*s' is not a time between 1ms and 36500d", SHOW(text));
        return false;
    }
    *ret_ms = ms;
    return true;
}

static bool take_permille(struct reader *reader, const yaml_node_t *node, const char *name, uint32_t least,
                          uint32_t *ret_permille) {
    struct slice text;
    uint64_t permille;
    if (!take_scalar(reader, node, name, &text))
        return false;
    if (!quantity_parse_percent(text, 1, &permille) || permille < least || permille > MANIFEST_SHARE_ALL) {
        tell(reader, place_of(node), "share", "write it as in 10% or 12.5%",
             "'%.*s' is not a share between %u.%u%% and 100%%", SHOW(text), least / 10, least % 10);
        return false;
    }
    *ret_permille = (uint32_t)permille;
    return true;
}

/* A share of the memory, or a size. */
static void take_memory(struct reader *reader, const yaml_node_t *node, const char *name, uint32_t *ret_permille,
                        uint64_t *ret_bytes) {
    struct slice text;
    uint64_t bytes;
    if (!take_scalar(reader, node, name, &text))
        return;
    if (text.size && text.data[text.size - 1] == '%')
        (void)take_permille(reader, node, name, 1, ret_permille);
    else if (quantity_parse_bytes(text, &bytes) && bytes > 0 && bytes <= 1ull << 46)
        *ret_bytes = bytes;
    else
        tell(reader, place_of(node), "size", "write a size as in 64mb, or a share of the memory as in 20%",
             "'%.*s' is not an amount of memory", SHOW(text));
}

/* "a, b and c" of a list of words. */
static const char *join(const char *const *words, char *ret_text, size_t size) {
    size_t used = 0;
    for (size_t i = 0; words[i] && used < size; i++)
        used += (size_t)snprintf(ret_text + used, size - used, "%s%s",
                                 i == 0         ? ""
                                 : words[i + 1] ? ", "
                                                : " or ",
                                 words[i]);
    return ret_text;
}

static void tell_unknown(struct reader *reader, struct manifest_place place, const char *what, struct slice word,
                         const char *const *words) {
    char all[256], help[300];
    const char *near = reader->sink->suggest ? reader->sink->suggest(word, words) : NULL;
    if (near)
        snprintf(help, sizeof help, "did you mean '%s'?", near);
    else
        snprintf(help, sizeof help, words[1] ? "there are %s" : "there is only %s", join(words, all, sizeof all));
    tell(reader, place, "unknown-word", help, "%s '%.*s'", what, SHOW(word));
}

/* The number of the word, or -1. */
static int take_word(struct reader *reader, const yaml_node_t *node, const char *name, const char *const *words) {
    struct slice text;
    char what[96];
    if (!take_scalar(reader, node, name, &text))
        return -1;
    for (int i = 0; words[i]; i++)
        if (slice_equal(text, slice_from_string(words[i])))
            return i;
    snprintf(what, sizeof what, "'%s' has no value", name);
    tell_unknown(reader, place_of(node), what, text, words);
    return -1;
}

static bool take_bool(struct reader *reader, const yaml_node_t *node, const char *name, bool *ret_value) {
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on", NULL};
    int word = take_word(reader, node, name, words);
    if (word >= 0)
        *ret_value = word & 1;
    return word >= 0;
}

/* ------------------------------------------------------------------------------------------ mappings and lists */

struct field {
    const char *name;
    void (*take)(struct reader *reader, const yaml_node_t *node);
    int said; /* enum manifest_field whose place is kept, or -1 */
};

enum { FIELDS_MAX = 24 };

static void tell_again(struct reader *reader, const yaml_node_t *key, const yaml_node_t *first) {
    struct slice name = yaml_text_scalar(key);
    char text[128];
    snprintf(text, sizeof text, "'%.*s' stands there twice", SHOW(name));
    reader->sink->tell(reader->sink->context, &(struct manifest_problem){.code = "duplicate-key",
                                                                         .place = place_of(key),
                                                                         .message = text,
                                                                         .note_place = place_of(first),
                                                                         .note = "it is there already",
                                                                         .help = "remove one of them"});
}

/* Fields of other programs' words for the same thing. */
static const char *other_word(struct slice name) {
    static const char *const words[][2] = {
        {"policy", "eviction"}, {"eviction", "evict"},    {"readers", "borrowers"},
        {"writer", "owner"},    {"expire", "ttl"},        {"expiry", "ttl"},
        {"depends", "derives"}, {"compression", "codec"}, {"invalidate", "invalidates"},
        {"jitter", "ttl"},      {"max_ttl", "ttl"},       {"labels", "tags"}};
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (slice_equal_nocase(name, slice_from_string(words[i][0])))
            return words[i][1];
    return NULL;
}

static void tell_unknown_key(struct reader *reader, const yaml_node_t *key, const struct field *fields) {
    const char *names[FIELDS_MAX + 1] = {NULL};
    struct slice name = yaml_text_scalar(key);
    const char *other = other_word(name);
    for (int i = 0; fields[i].name; i++) {
        names[i] = fields[i].name;
        if (other && strcmp(other, fields[i].name) == 0) {
            char help[64];
            snprintf(help, sizeof help, "the word for it is '%s'", other);
            tell(reader, place_of(key), "unknown-word", help, "unknown key '%.*s'", SHOW(name));
            return;
        }
    }
    tell_unknown(reader, place_of(key), "unknown key", name, names);
}

static void take_fields(struct reader *reader, const yaml_node_t *node, const struct field *fields) {
    const yaml_node_t *first[FIELDS_MAX] = {NULL};
    yaml_node_t *key, *value;
    for (size_t at = 0; yaml_text_pair(&reader->yaml, node, &at, &key, &value);) {
        if (key->type != YAML_SCALAR_NODE) {
            tell(reader, place_of(key), "type", NULL, "a key must be a plain word");
            continue;
        }
        int i = 0;
        while (fields[i].name && !slice_equal(yaml_text_scalar(key), slice_from_string(fields[i].name)))
            i++;
        if (!fields[i].name) {
            tell_unknown_key(reader, key, fields);
        } else if (first[i]) {
            tell_again(reader, key, first[i]);
        } else {
            first[i] = key;
            if (fields[i].said >= 0)
                reader->class->places[fields[i].said] =
                    value->type == YAML_SCALAR_NODE ? place_of(value) : place_of(key);
            fields[i].take(reader, value);
        }
    }
}

/* Calls for each member of a list, or for the one value that stands there instead. Answers room for as many. */
static void *begin_list(struct reader *reader, const yaml_node_t *node, const char *name, size_t size, uint32_t most,
                        bool mappings, uint32_t *ret_count) {
    uint32_t count = 1;
    *ret_count = 0;
    if (yaml_text_says_nothing(node)) {
        tell(reader, place_of(node), "no-value", "write a value behind it, or remove the line", "'%s' has no value",
             name);
        return NULL;
    }
    if (node->type == YAML_MAPPING_NODE && !mappings) {
        tell(reader, place_of(node), "type", "as in [a, b]", "'%s' takes a list, not further keys", name);
        return NULL;
    }
    if (node->type == YAML_SEQUENCE_NODE)
        count = (uint32_t)(node->data.sequence.items.top - node->data.sequence.items.start);
    if (count == 0)
        tell(reader, place_of(node), "no-value", "write at least one, or remove the line", "the list '%s' is empty",
             name);
    if (count > most)
        tell(reader, place_of(node), "too-many", NULL, "'%s' has %u members, more than the %u there may be", name,
             count, most);
    if (count == 0 || count > most)
        return NULL;
    *ret_count = count;
    return take(reader, count, size);
}

static const yaml_node_t *list_item(struct reader *reader, const yaml_node_t *node, uint32_t i) {
    if (node->type != YAML_SEQUENCE_NODE)
        return node;
    return yaml_document_get_node(&reader->yaml.document, node->data.sequence.items.start[i]);
}

static const struct manifest_text *take_names(struct reader *reader, const yaml_node_t *node, const char *name,
                                              uint32_t most, bool as_names, uint32_t *ret_count) {
    uint32_t count, kept = 0;
    struct manifest_text *list = begin_list(reader, node, name, sizeof *list, most, false, &count);
    for (uint32_t i = 0; list && i < count; i++)
        kept += as_names ? take_name(reader, list_item(reader, node, i), name, MANIFEST_NAME_MAX, &list[kept])
                         : take_text(reader, list_item(reader, node, i), name, &list[kept]);
    *ret_count = kept;
    return list;
}

/* ------------------------------------------------------------------------------------------ targets */

static bool is_word(const yaml_node_t *node, const char *word) {
    return node->type == YAML_SCALAR_NODE && slice_equal(yaml_text_scalar(node), slice_from_string(word));
}

static bool says_soft(struct reader *reader, const yaml_node_t *node) {
    yaml_node_t *key, *value;
    for (size_t at = 0; yaml_text_pair(&reader->yaml, node, &at, &key, &value);)
        if (is_word(key, "soft"))
            return true;
    return false;
}

/* What stands beside `soft`, or in its place, where the target itself has to stand. True if it was that, and was told of. */
static bool tell_odd_soft(struct reader *reader, const yaml_node_t *node) {
    static const char help[] = "write the target itself behind it, as in { soft: \"page:{id}\" }";
    yaml_node_t *key, *value;
    size_t at = 0;
    bool is_mapping = node->type == YAML_MAPPING_NODE;
    bool is_one = is_mapping && node->data.mapping.pairs.top - node->data.mapping.pairs.start == 1;
    bool is_bare = is_one ? yaml_text_pair(&reader->yaml, node, &at, &key, &value) && is_word(key, "soft") &&
                                yaml_text_says_nothing(value)
                          : is_word(node, "soft") && node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (is_bare)
        tell(reader, place_of(node), "target", help, "'soft' alone is no target");
    else if (is_mapping && !is_one && says_soft(reader, node))
        tell(reader, place_of(node), "target", "as in { soft: \"page:{id}\" } or { soft: { tag: \"user:{id}\" } }",
             "'soft' has nothing beside it: it stands around the target");
    else
        return false;
    return true;
}

/* What may stand behind `soft`: no list, no yes or no, not another one, and no event. */
static bool is_soft_target(struct reader *reader, const yaml_node_t *node, bool derives) {
    static const char *const switches[] = {"true", "false", "yes", "no", "on", "off"};
    for (size_t i = 0; i < COUNT_OF(switches); i++)
        if (is_word(node, switches[i]) && node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE) {
            tell(reader, place_of(node), "target", "as in { soft: \"page:{id}\" }", "'soft' takes the target itself");
            return false;
        }
    if (node->type == YAML_SEQUENCE_NODE)
        tell(reader, place_of(node), "target", "say it of each: [{ soft: \"page:{id}\" }, { soft: \"list:{id}\" }]",
             "'soft' takes one target, not a list");
    else if (node->type == YAML_MAPPING_NODE && says_soft(reader, node))
        tell(reader, place_of(node), "target", "leave one of them out", "'soft' stands there twice");
    else if (node->type == YAML_MAPPING_NODE && derives)
        tell(reader, place_of(node), "target", "write { soft: ... } under 'invalidate' of the event itself",
             "only keys can be a soft source");
    else
        return true;
    return false;
}

static bool take_target(struct reader *reader, const yaml_node_t *node, const char *name, bool derives,
                        struct manifest_target *ret_target) {
    const char *const words[] = {derives ? "event" : "tag", ret_target->soft ? NULL : "soft", NULL};
    yaml_node_t *key, *value;
    size_t at = 0;
    ret_target->kind = MANIFEST_TARGET_KEYS;
    if (tell_odd_soft(reader, node))
        return false;
    if (node->type != YAML_MAPPING_NODE)
        return take_text(reader, node, name, &ret_target->what);
    if (!yaml_text_pair(&reader->yaml, node, &at, &key, &value) ||
        node->data.mapping.pairs.top - node->data.mapping.pairs.start != 1) {
        tell(reader, place_of(node), "target",
             "as in { tag: \"user:{id}\" }; in YAML, patterns with braces need quotes", "one word was expected here");
        return false;
    }
    if (is_word(key, "soft")) {
        ret_target->soft = true; /* not again: a second one was refused */
        return is_soft_target(reader, value, derives) && take_target(reader, value, "soft", derives, ret_target);
    }
    if (!is_word(key, words[0])) {
        bool unquoted = key->type != YAML_SCALAR_NODE || yaml_text_says_nothing(value);
        if (unquoted)
            tell(reader, place_of(node), "target", "put the pattern in quotes, as in \"user:{id}\"",
                 "braces without quotes are a mapping of YAML");
        else
            tell_unknown(reader, place_of(key), "a target cannot be of the kind", yaml_text_scalar(key), words);
        return false;
    }
    ret_target->kind = derives ? MANIFEST_TARGET_EVENT : MANIFEST_TARGET_TAG;
    return take_text(reader, value, words[0], &ret_target->what);
}

static const struct manifest_target *take_targets(struct reader *reader, const yaml_node_t *node, const char *name,
                                                  bool derives, uint32_t *ret_count) {
    uint32_t count, kept = 0;
    struct manifest_target *list = begin_list(reader, node, name, sizeof *list, MANIFEST_TARGETS_MAX, true, &count);
    for (uint32_t i = 0; list && i < count; i++) {
        list[kept] = (struct manifest_target){.soft = false}; /* of one that was refused */
        kept += take_target(reader, list_item(reader, node, i), name, derives, &list[kept]);
    }
    *ret_count = kept;
    return list;
}

/* ------------------------------------------------------------------------------------------ classes */

static void take_owner(struct reader *reader, const yaml_node_t *node) {
    if (!take_name(reader, node, "owner", MANIFEST_NAME_MAX, &reader->class->owner))
        reader->class->places[MANIFEST_OWNER].line = 0;
}

static void take_borrowers(struct reader *reader, const yaml_node_t *node) {
    reader->class->borrowers =
        take_names(reader, node, "borrowers", MANIFEST_SERVICES_MAX, true, &reader->class->borrower_count);
}

static void take_layers(struct reader *reader, const yaml_node_t *node) {
    static const char *const words[] = {"server", "client", "edge", NULL};
    uint32_t count;
    if (!begin_list(reader, node, "layers", 1, 3, false, &count))
        return;
    for (uint32_t i = 0; i < count; i++) {
        int word = take_word(reader, list_item(reader, node, i), "layers", words);
        if (word >= 0)
            reader->class->layers |= (uint8_t)(1 << word);
    }
}

static void take_ttl_default(struct reader *reader, const yaml_node_t *node) {
    (void)take_ms(reader, node, "default", &reader->class->ttl_default_ms);
}
static void take_ttl_max(struct reader *reader, const yaml_node_t *node) {
    (void)take_ms(reader, node, "max", &reader->class->ttl_max_ms);
}
static void take_jitter(struct reader *reader, const yaml_node_t *node) {
    (void)take_permille(reader, node, "jitter", 1, &reader->class->jitter_permille);
}
static void take_sliding(struct reader *reader, const yaml_node_t *node) {
    (void)take_bool(reader, node, "sliding", &reader->class->sliding);
}

static void take_ttl(struct reader *reader, const yaml_node_t *node) {
    static const struct field fields[] = {{"default", take_ttl_default, MANIFEST_TTL_DEFAULT},
                                          {"max", take_ttl_max, MANIFEST_TTL_MAX},
                                          {"jitter", take_jitter, MANIFEST_TTL_JITTER},
                                          {"sliding", take_sliding, MANIFEST_TTL_SLIDING},
                                          {NULL, NULL, -1}};
    if (node->type == YAML_MAPPING_NODE) {
        take_fields(reader, node, fields);
        return;
    }
    reader->class->places[MANIFEST_TTL_DEFAULT] = place_of(node);
    (void)take_ms(reader, node, "ttl", &reader->class->ttl_default_ms);
}

static void take_stale(struct reader *reader, const yaml_node_t *node) {
    (void)take_ms(reader, node, "stale", &reader->class->stale_ms);
}
static void take_negative(struct reader *reader, const yaml_node_t *node) {
    (void)take_ms(reader, node, "negative", &reader->class->negative_ms);
}
static void take_refresh(struct reader *reader, const yaml_node_t *node) {
    (void)take_permille(reader, node, "refresh", 1, &reader->class->refresh_permille);
}
static void take_tags(struct reader *reader, const yaml_node_t *node) {
    reader->class->tags = take_names(reader, node, "tags", MANIFEST_TAGS_MAX, false, &reader->class->tag_count);
}
static void take_store_name(struct reader *reader, const yaml_node_t *node) {
    if (!take_name(reader, node, "store", MANIFEST_STORE_NAME_MAX, &reader->class->store))
        reader->class->places[MANIFEST_STORE].line = 0;
}

static void take_codec(struct reader *reader, const yaml_node_t *node) {
    static const char *const words[] = {"none", "lz4", "zstd", NULL};
    int word = take_word(reader, node, "codec", words);
    reader->class->codec = word > 0 ? (uint8_t)word : 0;
}

static void take_quota(struct reader *reader, const yaml_node_t *node) {
    take_memory(reader, node, "quota", &reader->class->quota_permille, &reader->class->quota_bytes);
}

static void take_on_quota(struct reader *reader, const yaml_node_t *node) {
    static const char *const words[] = {"evict", "refuse", NULL};
    reader->class->on_quota = take_word(reader, node, "on_quota", words) == 1;
}

static void take_evict(struct reader *reader, const yaml_node_t *node) {
    static const char *const words[] = {"normal", "never", "last", "first", NULL};
    int word = take_word(reader, node, "evict", words);
    reader->class->evict = word > 0 ? (uint8_t)word : 0;
}

static void take_writes(struct reader *reader, const yaml_node_t *node) {
    static const char *const words[] = {"any", "leased", NULL};
    reader->class->leased = take_word(reader, node, "writes", words) == 1;
}

static void take_invalidates(struct reader *reader, const yaml_node_t *node) {
    reader->class->invalidates = take_targets(reader, node, "invalidates", false, &reader->class->invalidate_count);
}

static void take_derives(struct reader *reader, const yaml_node_t *node) {
    reader->class->derives = take_targets(reader, node, "derives", true, &reader->class->derive_count);
}

static const struct field class_fields[] = {
    {"owner", take_owner, MANIFEST_OWNER},
    {"borrowers", take_borrowers, MANIFEST_BORROWERS},
    {"layers", take_layers, MANIFEST_LAYERS},
    {"ttl", take_ttl, -1},
    {"stale", take_stale, MANIFEST_STALE},
    {"negative", take_negative, MANIFEST_NEGATIVE},
    {"refresh", take_refresh, MANIFEST_REFRESH},
    {"tags", take_tags, MANIFEST_TAGS},
    {"store", take_store_name, MANIFEST_STORE},
    {"codec", take_codec, MANIFEST_CODEC},
    {"quota", take_quota, MANIFEST_QUOTA},
    {"on_quota", take_on_quota, MANIFEST_ON_QUOTA},
    {"evict", take_evict, MANIFEST_EVICT},
    {"writes", take_writes, MANIFEST_WRITES},
    {"invalidates", take_invalidates, MANIFEST_INVALIDATES},
    {"derives", take_derives, MANIFEST_DERIVES},
    {NULL, NULL, -1},
};

/* Whether the same key of YAML stands there already; patterns that mean the same are found later. */
static bool is_again(struct reader *reader, const yaml_node_t *mapping, size_t at, const yaml_node_t *key) {
    yaml_node_t *other, *value;
    size_t before = 0;
    while (before + 1 < at && yaml_text_pair(&reader->yaml, mapping, &before, &other, &value)) {
        if (other->type != YAML_SCALAR_NODE || !slice_equal(yaml_text_scalar(other), yaml_text_scalar(key)))
            continue;
        tell_again(reader, key, other);
        return true;
    }
    return false;
}

static uint32_t pairs_of(const yaml_node_t *node) {
    return (uint32_t)(node->data.mapping.pairs.top - node->data.mapping.pairs.start);
}

/* Whether the value is a mapping with at most so many keys. */
static bool is_section(struct reader *reader, const yaml_node_t *node, const char *name, uint32_t most,
                       const char *help) {
    if (yaml_text_says_nothing(node))
        return false;
    if (node->type != YAML_MAPPING_NODE)
        tell(reader, place_of(node), "type", help, "'%s' takes names, each with what is to be said of it", name);
    else if (pairs_of(node) > most)
        tell(reader, place_of(node), "too-many", NULL, "'%s' has %u members, more than the %u there may be", name,
             pairs_of(node), most);
    return node->type == YAML_MAPPING_NODE && pairs_of(node) <= most;
}

static bool is_key(struct reader *reader, const yaml_node_t *key) {
    if (key->type != YAML_SCALAR_NODE)
        tell(reader, place_of(key), "type", "put the pattern in quotes, as in \"user:{id}\"",
             "braces without quotes are a mapping of YAML");
    return key->type == YAML_SCALAR_NODE;
}

static void take_keys(struct reader *reader, const yaml_node_t *node) {
    yaml_node_t *key, *value;
    if (!is_section(reader, node, "keys", MANIFEST_CLASSES_MAX, "as in \"user:{id}\": { ttl: 5m }"))
        return;
    struct manifest_class *classes = take(reader, pairs_of(node), sizeof *classes);
    reader->manifest.classes = classes;
    for (size_t at = 0; classes && yaml_text_pair(&reader->yaml, node, &at, &key, &value);) {
        if (!is_key(reader, key) || is_again(reader, node, at, key))
            continue;
        reader->class = &classes[reader->manifest.class_count++];
        reader->class->pattern = (struct manifest_text){keep(reader, yaml_text_scalar(key)), place_of(key)};
        if (value->type == YAML_MAPPING_NODE)
            take_fields(reader, value, class_fields);
        else if (!yaml_text_says_nothing(value))
            tell(reader, place_of(value), "type", "as in { ttl: 5m, owner: web }",
                 "what is said of '%.*s' must be keys with values", SHOW(yaml_text_scalar(key)));
    }
}

/* ------------------------------------------------------------------------------------------ stores */

static void take_store_memory(struct reader *reader, const yaml_node_t *node) {
    reader->store->memory_place = place_of(node);
    take_memory(reader, node, "memory", &reader->store->share_permille, &reader->store->guaranteed_bytes);
}

static void take_eviction(struct reader *reader, const yaml_node_t *node) {
    static const char *const words[] = {
        "s3-fifo",      "session",      "noeviction",      "allkeys-lru",  "allkeys-lfu", "allkeys-random",
        "volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl", NULL};
    int word = take_word(reader, node, "eviction", words);
    if (word >= 0)
        reader->store->eviction = (struct manifest_text){slice_from_string(words[word]), place_of(node)};
}

static void take_entries(struct reader *reader, const yaml_node_t *node) {
    struct slice text;
    uint64_t entries;
    if (!take_scalar(reader, node, "entries", &text))
        return;
    if (!number_parse_u64(text, &entries) || entries < 10 || entries > 1ull << 40)
        tell(reader, place_of(node), "number", "leave the line out for any number",
             "'%.*s' is not a number of entries from 10 on", SHOW(text));
    else
        reader->store->entries_max = entries;
}

static void take_filter_kind(struct reader *reader, const yaml_node_t *node) {
    static const char *const words[] = {"off", "cuckoo", NULL};
    reader->store->filter = take_word(reader, node, "filter", words) == 1;
}

static void take_filter_rate(struct reader *reader, const yaml_node_t *node) {
    struct slice text;
    uint64_t ppm;
    if (!take_scalar(reader, node, "rate", &text))
        return;
    if (!quantity_parse_percent(text, 4, &ppm) || ppm < 200 || ppm > 500000)
        tell(reader, place_of(node), "share", "write it as in 1% or 0.5%",
             "'%.*s' is not a rate between 0.02%% and 50%%", SHOW(text));
    else
        reader->store->filter_rate_ppm = (uint32_t)ppm;
}

static void take_filter(struct reader *reader, const yaml_node_t *node) {
    static const struct field fields[] = {
        {"kind", take_filter_kind, -1}, {"rate", take_filter_rate, -1}, {NULL, NULL, -1}};
    if (node->type == YAML_MAPPING_NODE)
        take_fields(reader, node, fields);
    else
        take_filter_kind(reader, node);
    if (reader->store->filter_rate_ppm && !reader->store->filter)
        tell(reader, place_of(node), "rate-without-filter", "write { kind: cuckoo, rate: 1% }",
             "a rate without a filter");
}

static void take_stores(struct reader *reader, const yaml_node_t *node) {
    static const struct field fields[] = {{"memory", take_store_memory, -1},
                                          {"eviction", take_eviction, -1},
                                          {"entries", take_entries, -1},
                                          {"filter", take_filter, -1},
                                          {NULL, NULL, -1}};
    yaml_node_t *key, *value;
    if (!is_section(reader, node, "stores", 2 * MANIFEST_STORES_MAX, "as in sessions: { memory: 20% }"))
        return;
    struct manifest_store *stores = take(reader, pairs_of(node), sizeof *stores);
    reader->manifest.stores = stores;
    for (size_t at = 0; stores && yaml_text_pair(&reader->yaml, node, &at, &key, &value);) {
        reader->store = &stores[reader->manifest.store_count];
        if (key->type == YAML_SCALAR_NODE && is_again(reader, node, at, key))
            continue;
        if (!take_name(reader, key, "stores", MANIFEST_STORE_NAME_MAX, &reader->store->name))
            continue;
        reader->manifest.store_count++;
        if (value->type == YAML_MAPPING_NODE)
            take_fields(reader, value, fields);
        else if (!yaml_text_says_nothing(value))
            tell(reader, place_of(value), "type", "as in { memory: 20% }",
                 "what is said of a store must be keys with values");
    }
}

/* ------------------------------------------------------------------------------------------ events and the whole */

static void take_event(struct reader *reader, const yaml_node_t *value, struct manifest_event *event) {
    static const struct field only[] = {{"invalidate", NULL, -1}, {NULL, NULL, -1}};
    yaml_node_t *word, *targets;
    if (value->type != YAML_MAPPING_NODE || pairs_of(value) == 0) {
        tell(reader, place_of(value), "type", "as in { invalidate: [\"user:{data.id}\"] }",
             "an event says what it invalidates");
        return;
    }
    const yaml_node_t *first = NULL;
    for (size_t at = 0; yaml_text_pair(&reader->yaml, value, &at, &word, &targets);) {
        if (word->type != YAML_SCALAR_NODE || !slice_equal(yaml_text_scalar(word), SLICE("invalidate"))) {
            if (is_key(reader, word))
                tell_unknown_key(reader, word, only);
        } else if (first) {
            tell_again(reader, word, first);
        } else {
            first = word;
            event->targets = take_targets(reader, targets, "invalidate", false, &event->target_count);
        }
    }
}

static void take_events(struct reader *reader, const yaml_node_t *node) {
    yaml_node_t *key, *value;
    if (!is_section(reader, node, "events", MANIFEST_EVENTS_MAX,
                    "as in user.updated: { invalidate: [\"user:{data.id}\"] }"))
        return;
    struct manifest_event *events = take(reader, pairs_of(node), sizeof *events);
    reader->manifest.events = events;
    for (size_t at = 0; events && yaml_text_pair(&reader->yaml, node, &at, &key, &value);) {
        if (!is_key(reader, key) || is_again(reader, node, at, key))
            continue;
        struct manifest_event *event = &events[reader->manifest.event_count++];
        event->name = (struct manifest_text){keep(reader, yaml_text_scalar(key)), place_of(key)};
        take_event(reader, value, event);
    }
}

static void take_services(struct reader *reader, const yaml_node_t *node) {
    reader->manifest.says_services = true;
    reader->manifest.services =
        take_names(reader, node, "services", MANIFEST_SERVICES_MAX, true, &reader->manifest.service_count);
}

static void take_nothing(struct reader *reader, const yaml_node_t *node) {
    (void)reader;
    (void)node;
}

/* The version comes first: what another one says cannot be judged. */
static bool check_version(struct reader *reader) {
    yaml_node_t *key, *value;
    for (size_t at = 0; reader->yaml.root && yaml_text_pair(&reader->yaml, reader->yaml.root, &at, &key, &value);) {
        struct slice text;
        if (key->type != YAML_SCALAR_NODE || !slice_equal(yaml_text_scalar(key), SLICE("version")))
            continue;
        if (!take_scalar(reader, value, "version", &text))
            return false;
        if (!slice_equal(text, SLICE("1")))
            tell(reader, place_of(value), "version", "write 'version: 1'",
                 "manifests of version '%.*s' are not known here", SHOW(text));
        return slice_equal(text, SLICE("1"));
    }
    tell(reader, (struct manifest_place){1, 1, 1}, "version", "begin the file with 'version: 1'",
         "the manifest does not say its version");
    return false;
}

enum status manifest_read(struct slice text, struct arena *arena, const struct manifest_sink *sink,
                          struct manifest *ret_manifest) {
    static const struct yaml_text_limits limits = {MANIFEST_TEXT_MAX, MANIFEST_DEPTH_MAX, MANIFEST_NODES_MAX};
    static const struct field fields[] = {{"version", take_nothing, -1}, {"services", take_services, -1},
                                          {"stores", take_stores, -1},   {"keys", take_keys, -1},
                                          {"events", take_events, -1},   {NULL, NULL, -1}};
    struct reader reader = {.text = text, .arena = arena, .sink = sink};
    struct yaml_text_problem problem;
    enum status status = yaml_text_open(&reader.yaml, text, &limits, &problem);
    if (status != STATUS_OK) {
        tell(&reader, (struct manifest_place){problem.line, problem.column, 1}, "yaml", NULL, "%s", problem.text);
        return status;
    }
    if (check_version(&reader))
        take_fields(&reader, reader.yaml.root, fields);
    else
        status = STATUS_INVALID;
    yaml_text_close(&reader.yaml);
    if (reader.no_memory)
        return STATUS_NO_MEMORY;
    if (status == STATUS_OK)
        *ret_manifest = reader.manifest;
    return status;
}

/* Counts errors on their way. */
struct counting {
    const struct manifest_sink *sink;
    uint32_t errors;
};

static void count_problem(void *context, const struct manifest_problem *problem) {
    struct counting *counting = context;
    counting->errors += problem->severity == MANIFEST_ERROR;
    counting->sink->tell(counting->sink->context, problem);
}

enum status manifest_compile(struct slice text, const struct memory *memory, const struct manifest_sink *sink,
                             struct rules **ret_rules) {
    struct counting counting = {sink, 0};
    const struct manifest_sink counted = {count_problem, sink->suggest, &counting};
    struct manifest manifest;
    struct rules *rules = NULL;
    struct arena arena;
    arena_init(&arena, memory, 16 * 1024);
    enum status status = manifest_read(text, &arena, &counted, &manifest);
    if (status == STATUS_OK)
        status = rules_compile(&manifest, memory, &counted, &rules);
    arena_fini(&arena);
    if (status == STATUS_OK && counting.errors) {
        rules_free(rules);
        status = STATUS_INVALID;
    }
    if (status == STATUS_OK)
        *ret_rules = rules;
    return status;
}
