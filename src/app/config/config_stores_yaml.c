#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "app/config/config_value.h"
#include "app/config/config_yaml.h"
#include "base/bits.h"
#include "base/number.h"
#include "core/store/pattern.h"

#define SHOW(s) (int)((s).size < 64 ? (s).size : 64), (const char *)(s).data

enum { PATH_MAX_SIZE = 64 };

const char *const config_store_policies[] = {
    "noeviction",   "allkeys-lru",     "allkeys-lfu",  "allkeys-random", "volatile-lru",
    "volatile-lfu", "volatile-random", "volatile-ttl", "session",        NULL};
static const char *const filter_kinds[] = {"off", "cuckoo", NULL};

struct reader {
    struct config *config;
    struct yaml_text *yaml;
    const char *file;
    uint32_t *lines; /* of top-level keys, 0: not there yet */
    struct config_error *error;
    uint32_t pattern_lines[CACHE_STORES_MAX][CACHE_STORE_PATTERNS_MAX];
    /* what is being read */
    struct config_store *store;
    uint32_t number;
    char path[PATH_MAX_SIZE]; /* "stores.queues.memory", for errors */
};

static enum status refuse(struct reader *reader, yaml_mark_t mark, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static enum status refuse(struct reader *reader, yaml_mark_t mark, const char *format, ...) {
    char text[CONFIG_ERROR_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return config_yaml_refuse(reader->file, mark, reader->error, "%s: %.320s", reader->path, text);
}

static uint32_t line_of(const yaml_node_t *node) { return (uint32_t)node->start_mark.line + 1; }
static uint32_t column_of(const yaml_node_t *node) { return (uint32_t)node->start_mark.column + 1; }

/* ------------------------------------------------------------------------------------------ single values */

static bool says_nothing(const yaml_node_t *node) {
    return node->type == YAML_SCALAR_NODE && node->data.scalar.length == 0 &&
           node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

static enum status take_text(struct reader *reader, const yaml_node_t *node, struct slice *ret_text) {
    if (node->type == YAML_SEQUENCE_NODE)
        return refuse(reader, node->start_mark, "takes one value, not a list");
    if (node->type != YAML_SCALAR_NODE)
        return refuse(reader, node->start_mark, "takes one value, not further keys");
    if (says_nothing(node))
        return refuse(reader, node->start_mark, "has no value");
    *ret_text = config_yaml_text(node);
    return STATUS_OK;
}

static enum status take_value(struct reader *reader, const yaml_node_t *node, const struct config_key *key,
                              void *field) {
    struct slice text;
    struct config_problem problem;
    TRY(take_text(reader, node, &text));
    if (!config_value_read(key, NULL, text, field, &problem))
        return refuse(reader, node->start_mark, "%s", problem.plain);
    return STATUS_OK;
}

static bool is_percent(struct slice text) { return text.size && text.data[text.size - 1] == '%'; }

/* "12.5%" with one decimal is 125. False if that is not what stands there. */
static bool parse_percent(struct slice text, uint32_t decimals, int64_t *ret_scaled) {
    char digits[24];
    size_t used = 0, behind = 0;
    bool point = false;
    for (size_t i = 0; i + 1 < text.size; i++) {
        uint8_t c = text.data[i];
        if (c == '.' && !point && used > 0) {
            point = true;
        } else if (c < '0' || c > '9' || used + decimals + 1 >= sizeof digits || (point && ++behind > decimals)) {
            return false;
        } else {
            digits[used++] = (char)c;
        }
    }
    if (used == 0 || (point && behind == 0))
        return false;
    for (; behind < decimals; behind++)
        digits[used++] = '0';
    *ret_scaled = 0;
    for (size_t i = 0; i < used; i++)
        if (__builtin_mul_overflow(*ret_scaled, 10, ret_scaled) ||
            __builtin_add_overflow(*ret_scaled, digits[i] - '0', ret_scaled))
            return false;
    return true;
}

/* ------------------------------------------------------------------------------------------ fields */

/* The column of a byte of a value. Where the text does not stand as it is meant (escapes, several lines), the value's beginning. */
static yaml_mark_t mark_of_byte(const yaml_node_t *node, size_t at) {
    yaml_mark_t mark = node->start_mark;
    struct slice text = config_yaml_text(node);
    size_t characters = 0, before = 0, quote = node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE ? 0 : 1;
    for (size_t i = 0; i < text.size; i++)
        if ((text.data[i] & 0xc0) != 0x80) {
            characters++;
            before += i < at;
        }
    if (node->end_mark.line == mark.line && node->end_mark.index - mark.index == characters + 2 * quote)
        mark.column += quote + before;
    return mark;
}

static enum status check_new_pattern(struct reader *reader, const yaml_node_t *node, struct slice pattern) {
    const struct config_stores *stores = &reader->config->stores;
    size_t at;
    const char *wrong = pattern_check(pattern, &at);
    if (wrong)
        return refuse(reader, mark_of_byte(node, at), "'%.*s': %s", SHOW(pattern), wrong);
    for (uint32_t i = 0; i < stores->count; i++)
        for (uint32_t j = 0; j < stores->each[i].pattern_count; j++)
            if (pattern_same(pattern, config_store_pattern(stores, i, j)))
                return refuse(reader, node->start_mark, "'%.*s' takes the same keys as a pattern of '%s' in line %u",
                              SHOW(pattern), stores->each[i].name, reader->pattern_lines[i][j]);
    if (pattern.size > CONFIG_STORES_TEXT_MAX - stores->text_size)
        return refuse(reader, node->start_mark, "the patterns of all stores have more than %d bytes together",
                      CONFIG_STORES_TEXT_MAX);
    return STATUS_OK;
}

static enum status take_pattern(struct reader *reader, const yaml_node_t *node) {
    struct config_stores *stores = &reader->config->stores;
    struct config_store *store = reader->store;
    if (node->type != YAML_SCALAR_NODE)
        return refuse(reader, node->start_mark, "a pattern is one text: put it in quotes, as in \"session:{id}\"");
    struct slice pattern = config_yaml_text(node);
    if (store->pattern_count == CACHE_STORE_PATTERNS_MAX)
        return refuse(reader, node->start_mark, "more than %d patterns", CACHE_STORE_PATTERNS_MAX);
    TRY(check_new_pattern(reader, node, pattern));
    memcpy(stores->text + stores->text_size, pattern.data, pattern.size);
    reader->pattern_lines[reader->number][store->pattern_count] = line_of(node);
    store->patterns[store->pattern_count].at = (uint16_t)stores->text_size;
    store->patterns[store->pattern_count++].size = (uint16_t)pattern.size;
    stores->text_size += (uint32_t)pattern.size;
    return STATUS_OK;
}

static enum status take_keys(struct reader *reader, const yaml_node_t *node) {
    if (config_store_is_default(reader->store))
        return refuse(reader, node->start_mark,
                      "the default store takes the keys that no other store takes, so it has no patterns");
    if (node->type != YAML_SEQUENCE_NODE)
        return says_nothing(node) ? refuse(reader, node->start_mark, "has no value") : take_pattern(reader, node);
    for (yaml_node_item_t *item = node->data.sequence.items.start; item < node->data.sequence.items.top; item++)
        TRY(take_pattern(reader, yaml_document_get_node(&reader->yaml->document, *item)));
    return reader->store->pattern_count ? STATUS_OK : refuse(reader, node->start_mark, "the list is empty");
}

static enum status take_memory(struct reader *reader, const yaml_node_t *node) {
    static const struct config_key size = {.type = CONFIG_TYPE_SIZE, .max = 1ll << 46, .percent = true};
    struct config_store_place *place = &reader->config->store_places[reader->number];
    struct slice text;
    int64_t permille;
    place->memory_line = line_of(node);
    place->memory_column = column_of(node);
    TRY(take_text(reader, node, &text));
    if (!is_percent(text))
        return take_value(reader, node, &size, &reader->store->guaranteed_bytes);
    if (!parse_percent(text, 1, &permille))
        return refuse(reader, node->start_mark, "'%.*s' is not a share, as in 20%% or 12.5%%", SHOW(text));
    if (permille < 1 || permille > CACHE_SHARE_ALL)
        return refuse(reader, node->start_mark, "'%.*s' is out of range: 0.1%% to 100%% of maxmemory", SHOW(text));
    reader->store->share_permille = (uint32_t)permille;
    return STATUS_OK;
}

/* `policy` and `entries` of the default store: other names of settings that have their own line otherwise. */
static enum status take_setting(struct reader *reader, const yaml_node_t *node, enum config_key_id id) {
    struct config_origin origin = {CONFIG_FROM_FILE, line_of(node), column_of(node)};
    struct slice text;
    char where[CONFIG_WHERE_MAX + PATH_MAX_SIZE];
    TRY(take_text(reader, node, &text));
    if (reader->lines[id])
        return refuse(reader, node->start_mark, "means '%s', which is given in line %u", config_keys[id].name,
                      reader->lines[id]);
    reader->lines[id] = origin.line;
    snprintf(where, sizeof where, "%.100s:%u:%u: %s", reader->file, origin.line, origin.column, reader->path);
    return config_assign(reader->config, id, text, origin, where, reader->error) ? STATUS_OK : STATUS_INVALID;
}

static enum status take_policy(struct reader *reader, const yaml_node_t *node) {
    static const struct config_key policy = {.type = CONFIG_TYPE_ENUM, .choices = config_store_policies};
    if (!config_store_is_default(reader->store))
        return take_value(reader, node, &policy, &reader->store->policy);
    if (node->type == YAML_SCALAR_NODE && slice_equal_nocase(config_yaml_text(node), SLICE("session")))
        return refuse(reader, node->start_mark,
                      "'session' is for stores with a pattern such as session:{id}, which says what a session is");
    return take_setting(reader, node, CONFIG_MAXMEMORY_POLICY);
}

static enum status take_ttl(struct reader *reader, const yaml_node_t *node) {
    static const struct config_key ttl = {.type = CONFIG_TYPE_DURATION, .unit = "ms", .max = CONFIG_STORE_TTL_MAX_MS};
    struct slice text;
    int64_t bare, ms;
    TRY(take_text(reader, node, &text));
    if (number_parse_i64(text, &bare) && bare > 0)
        return refuse(reader, node->start_mark, "'%.*s' has no unit: use ms, s, m, h or d", SHOW(text));
    TRY(take_value(reader, node, &ttl, &ms));
    reader->store->ttl_ms = (uint64_t)ms;
    return STATUS_OK;
}

static enum status take_entries(struct reader *reader, const yaml_node_t *node) {
    int64_t entries;
    if (config_store_is_default(reader->store))
        return take_setting(reader, node, CONFIG_MAXENTRIES);
    TRY(take_value(reader, node, &config_keys[CONFIG_MAXENTRIES], &entries));
    reader->store->entries_max = (uint64_t)entries;
    return STATUS_OK;
}

static enum status take_filter_kind(struct reader *reader, const yaml_node_t *node) {
    static const struct config_key kind = {.type = CONFIG_TYPE_ENUM, .choices = filter_kinds};
    int chosen;
    TRY(take_value(reader, node, &kind, &chosen));
    reader->store->filter = chosen == 1;
    return STATUS_OK;
}

static enum status take_filter_rate(struct reader *reader, const yaml_node_t *node) {
    struct slice text;
    int64_t ppm;
    TRY(take_text(reader, node, &text));
    if (!is_percent(text) || !parse_percent(text, 4, &ppm))
        return refuse(reader, node->start_mark, "'%.*s' is not a rate, as in 1%% or 0.5%%", SHOW(text));
    if (ppm < CACHE_FILTER_RATE_PPM_MIN || ppm > CACHE_FILTER_RATE_PPM_MAX)
        return refuse(reader, node->start_mark, "'%.*s' is out of range: %g%% to %g%%", SHOW(text),
                      CACHE_FILTER_RATE_PPM_MIN / 1e4, CACHE_FILTER_RATE_PPM_MAX / 1e4);
    reader->store->filter_rate_ppm = (uint32_t)ppm;
    return STATUS_OK;
}

/* ------------------------------------------------------------------------------------------ mappings */

enum { FIELDS_MAX = 8 };

struct field {
    const char *name;
    enum status (*take)(struct reader *reader, const yaml_node_t *node);
};

/* Reads a mapping by a table that ends with a NULL name. The path is longer by the field's name meanwhile. */
static enum status take_fields(struct reader *reader, const yaml_node_t *node, const struct field *fields) {
    uint32_t lines[FIELDS_MAX] = {0};
    const char *names[FIELDS_MAX + 1] = {NULL};
    yaml_node_t *key, *value;
    size_t path_size = strlen(reader->path);
    for (uint32_t i = 0; fields[i].name; i++)
        names[i] = fields[i].name;
    for (size_t at = 0; config_yaml_pair(reader->yaml, node, &at, &key, &value);) {
        if (key->type != YAML_SCALAR_NODE)
            return refuse(reader, key->start_mark, "a field must be a plain word");
        struct slice name = config_yaml_text(key);
        uint32_t i = 0;
        while (fields[i].name && !slice_equal_nocase(name, slice_from_string(fields[i].name)))
            i++;
        if (!fields[i].name) {
            const char *near = config_suggest_word(name, names);
            char all[128];
            config_value_join(names, all, sizeof all);
            return refuse(reader, key->start_mark,
                          near ? "unknown field '%.*s': did you mean '%s'?" : "unknown field '%.*s': there are %s",
                          SHOW(name), near ? near : all);
        }
        if (lines[i])
            return refuse(reader, key->start_mark, "'%s' stands there twice, first in line %u", fields[i].name,
                          lines[i]);
        lines[i] = line_of(key);
        snprintf(reader->path + path_size, sizeof reader->path - path_size, ".%s", fields[i].name);
        TRY(fields[i].take(reader, value));
        reader->path[path_size] = 0;
    }
    return STATUS_OK;
}

static enum status take_filter(struct reader *reader, const yaml_node_t *node) {
    static const struct field fields[] = {{"kind", take_filter_kind}, {"rate", take_filter_rate}, {NULL, NULL}};
    if (node->type != YAML_MAPPING_NODE)
        TRY(take_filter_kind(reader, node));
    else
        TRY(take_fields(reader, node, fields));
    if (reader->store->filter_rate_ppm && !reader->store->filter)
        return refuse(reader, node->start_mark, "a rate without a filter: say { kind: cuckoo, rate: 1%% }");
    if (reader->store->filter && !reader->store->filter_rate_ppm)
        reader->store->filter_rate_ppm = CACHE_FILTER_RATE_PPM_DEFAULT;
    return STATUS_OK;
}

static bool is_name(struct slice name) {
    if (name.size == 0 || name.size > CACHE_STORE_NAME_MAX)
        return false;
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-'))
            return false;
    }
    return true;
}

/* Begins a store in the table; nothing else refers to it yet. */
static enum status begin_store(struct reader *reader, const yaml_node_t *node) {
    struct config_stores *stores = &reader->config->stores;
    if (node->type != YAML_SCALAR_NODE || !is_name(config_yaml_text(node)))
        return refuse(reader, node->start_mark, "a store's name is made of 1 to %d letters, digits, '_' and '-'",
                      CACHE_STORE_NAME_MAX);
    struct slice name = config_yaml_text(node);
    bool has_default = slice_equal(name, SLICE("default"));
    for (uint32_t i = 0; i < stores->count; i++) {
        has_default |= config_store_is_default(&stores->each[i]);
        if (slice_equal(name, slice_from_string(stores->each[i].name)))
            return refuse(reader, node->start_mark, "'%.*s' stands there twice, first in line %u", SHOW(name),
                          reader->config->store_places[i].line);
    }
    if (stores->count + !has_default >= CACHE_STORES_MAX)
        return refuse(reader, node->start_mark, "more than %d stores, the default one included", CACHE_STORES_MAX);
    reader->number = stores->count++;
    reader->store = &stores->each[reader->number];
    *reader->store = (struct config_store){.policy = CONFIG_STORE_POLICY_UNSAID};
    memcpy(reader->store->name, name.data, name.size);
    reader->config->store_places[reader->number] =
        (struct config_store_place){.line = line_of(node), .column = column_of(node)};
    return STATUS_OK;
}

/* A session is known by the key that a pattern names when its first part is filled in. */
static bool knows_sessions(const struct reader *reader) {
    for (uint32_t i = 0; i < reader->store->pattern_count; i++)
        if (pattern_names_one(config_store_pattern(&reader->config->stores, reader->number, i)))
            return true;
    return false;
}

static enum status take_store(struct reader *reader, const yaml_node_t *key, const yaml_node_t *value) {
    static const struct field fields[] = {{"keys", take_keys}, {"memory", take_memory},   {"policy", take_policy},
                                          {"ttl", take_ttl},   {"entries", take_entries}, {"filter", take_filter},
                                          {NULL, NULL}};
    static_assert(COUNT_OF(fields) <= FIELDS_MAX, "lines and names of the fields have room");
    TRY(begin_store(reader, key));
    snprintf(reader->path, sizeof reader->path, "stores.%s", reader->store->name);
    if (value->type != YAML_MAPPING_NODE)
        return refuse(reader, value->start_mark, "expected fields, as in { keys: [\"queue:*\"], memory: 20%% }");
    TRY(take_fields(reader, value, fields));
    if (!config_store_is_default(reader->store) && reader->store->pattern_count == 0)
        return refuse(reader, key->start_mark, "has no 'keys', so no key would ever be in it");
    if (reader->store->policy == CACHE_SESSION && !knows_sessions(reader))
        return refuse(reader, key->start_mark,
                      "the policy 'session' needs a pattern with one {part} and no '*', such as session:{id}");
    return STATUS_OK;
}

enum status config_stores_load(struct config *config, struct yaml_text *yaml, const yaml_node_t *node, const char *name,
                               uint32_t lines[CONFIG_KEY_COUNT], struct config_error *ret_error) {
    struct reader reader = {
        .config = config, .yaml = yaml, .file = name, .lines = lines, .error = ret_error, .path = "stores"};
    yaml_node_t *key, *value;
    memset(&config->stores, 0, sizeof config->stores);
    memset(config->store_places, 0, sizeof config->store_places);
    if (node->type != YAML_MAPPING_NODE)
        return refuse(&reader, node->start_mark, "expected names of stores, each with its fields");
    for (size_t at = 0; config_yaml_pair(yaml, node, &at, &key, &value);) {
        TRY(take_store(&reader, key, value));
        snprintf(reader.path, sizeof reader.path, "stores");
    }
    return STATUS_OK;
}
