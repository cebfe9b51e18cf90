#include "app/config/config_value.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>

#include "app/config/config_events.h"
#include "base/assert.h"
#include "base/bits.h"
#include "base/number.h"

enum { SHOWN_MAX = 64 }; /* bytes of a wrong value that an error repeats */

#define SHOW(s) (int)((s).size < SHOWN_MAX ? (s).size : SHOWN_MAX), (const char *)(s).data

static struct slice trimmed(struct slice text) {
    while (text.size && (text.data[0] == ' ' || text.data[0] == '\t'))
        text = slice_part(text, 1, text.size);
    while (text.size && (text.data[text.size - 1] == ' ' || text.data[text.size - 1] == '\t'))
        text.size--;
    return text;
}

static bool problem(struct config_problem *ret_problem, const char *redis, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool problem(struct config_problem *ret_problem, const char *redis, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(ret_problem->plain, sizeof ret_problem->plain, format, arguments);
    va_end(arguments);
    snprintf(ret_problem->redis, sizeof ret_problem->redis, "%s", redis);
    return false;
}

static bool out_of_range(const struct config_key *key, struct slice text, struct config_problem *ret_problem) {
    char redis[128], low[32], high[32];
    snprintf(redis, sizeof redis, "argument must be between %lld and %lld inclusive", (long long)key->min,
             (long long)key->max);
    if (key->type == CONFIG_TYPE_SIZE) {
        if (text.size && text.data[0] == '-') /* Redis's sizes have no sign */
            snprintf(redis, sizeof redis, "argument must be a memory value");
        config_size_text((uint64_t)key->min, low, sizeof low);
        config_size_text((uint64_t)key->max, high, sizeof high);
    } else if (key->zero) {
        snprintf(low, sizeof low, "0, or %lld", (long long)key->min);
        snprintf(high, sizeof high, "%lld", (long long)key->max);
    } else {
        snprintf(low, sizeof low, key->type == CONFIG_TYPE_OCTAL ? "%llo" : "%lld", (long long)key->min);
        snprintf(high, sizeof high, key->type == CONFIG_TYPE_OCTAL ? "%llo" : "%lld", (long long)key->max);
    }
    return problem(ret_problem, redis, "'%.*s' is out of range: %s to %s%s", SHOW(text), low, high,
                   key->unit ? key->unit : "");
}

/* Splits "512mb" into 512 and "mb". False if there are no digits or too many of them. */
static bool split_number(struct slice text, int64_t *ret_number, struct slice *ret_unit) {
    size_t digits = text.size && text.data[0] == '-' ? 1 : 0;
    while (digits < text.size && text.data[digits] >= '0' && text.data[digits] <= '9')
        digits++;
    if (!number_parse_i64(slice_part(text, 0, digits), ret_number))
        return false;
    *ret_unit = slice_part(text, digits, text.size);
    return true;
}

static bool parse_int(const struct config_key *key, const struct config_machine *machine, struct slice text,
                      int64_t *field, struct config_problem *ret_problem) {
    int64_t value;
    if (key->auto_allowed && slice_equal_nocase(text, SLICE("auto"))) {
        value = machine->cores ? machine->cores : 1;
        *field = value < key->max ? value : key->max;
        return true;
    }
    if (!number_parse_i64(text, &value))
        return problem(ret_problem, "argument couldn't be parsed into an integer", "'%.*s' is not a whole number%s",
                       SHOW(text), key->auto_allowed ? " (or auto)" : "");
    if ((value < key->min || value > key->max) && !(key->zero && value == 0))
        return out_of_range(key, text, ret_problem);
    *field = value;
    return true;
}

static bool parse_octal(const struct config_key *key, struct slice text, int64_t *field,
                        struct config_problem *ret_problem) {
    int64_t value = 0;
    bool good = text.size > 0 && text.size <= 6;
    for (size_t i = 0; good && i < text.size; i++) {
        good = text.data[i] >= '0' && text.data[i] <= '7';
        value = value * 8 + (text.data[i] - '0');
    }
    if (!good)
        return problem(ret_problem, "argument couldn't be parsed into an integer",
                       "'%.*s' is not made of octal digits, as in 770", SHOW(text));
    if (value < key->min || value > key->max)
        return out_of_range(key, text, ret_problem);
    *field = value;
    return true;
}

static bool parse_bool(struct slice text, bool *field, struct config_problem *ret_problem) {
    static const char *const yes[] = {"yes", "true", "on"}, *const no[] = {"no", "false", "off"};
    for (size_t i = 0; i < COUNT_OF(yes); i++) {
        bool is_yes = slice_equal_nocase(text, slice_from_string(yes[i]));
        if (is_yes || slice_equal_nocase(text, slice_from_string(no[i]))) {
            *field = is_yes;
            return true;
        }
    }
    return problem(ret_problem, "argument must be 'yes' or 'no'", "'%.*s' is neither yes nor no", SHOW(text));
}

void config_value_join(const char *const *words, char *ret_text, size_t text_size) {
    size_t used = 0;
    ret_text[0] = 0;
    for (; *words && used < text_size; words++)
        used += (size_t)snprintf(ret_text + used, text_size - used, "%s%s", used ? ", " : "", *words);
}

static bool parse_enum(const struct config_key *key, struct slice text, int *field,
                       struct config_problem *ret_problem) {
    for (int i = 0; key->choices[i]; i++) {
        if (slice_equal_nocase(text, slice_from_string(key->choices[i]))) {
            *field = i;
            return true;
        }
    }
    char words[200], redis[256];
    config_value_join(key->choices, words, sizeof words);
    snprintf(redis, sizeof redis, "argument(s) must be one of the following: %s", key->listed ? key->listed : words);
    const char *near = config_suggest_word(text, key->choices);
    if (near)
        return problem(ret_problem, redis, "'%.*s' is not known: did you mean '%s'?", SHOW(text), near);
    return problem(ret_problem, redis, "'%.*s' is not one of %s", SHOW(text), words);
}

struct unit {
    const char *name;
    int64_t factor;
};

static const struct unit size_units[] = {
    {"", 1},         {"b", 1},          {"k", 1000},     {"kb", 1 << 10},      {"m", 1000000},
    {"mb", 1 << 20}, {"g", 1000000000}, {"gb", 1 << 30}, {"t", 1000000000000}, {"tb", 1ll << 40}};

static bool parse_percent(const struct config_key *key, const struct config_machine *machine, struct slice text,
                          int64_t share, uint64_t *field, struct config_problem *ret_problem) {
    if (share < 1 || share > 100)
        return problem(ret_problem, "argument must be a memory value",
                       "'%.*s' is out of range: 1%% to 100%% of the machine's memory", SHOW(text));
    uint64_t value = machine->memory_bytes / 100 * (uint64_t)share;
    *field = value < (uint64_t)key->min ? (uint64_t)key->min : value > (uint64_t)key->max ? (uint64_t)key->max : value;
    return true;
}

static bool parse_size(const struct config_key *key, const struct config_machine *machine, struct slice text,
                       uint64_t *field, struct config_problem *ret_problem) {
    const char *redis = "argument must be a memory value";
    int64_t number, value;
    struct slice unit;
    if (!split_number(text, &number, &unit))
        return problem(ret_problem, redis, "'%.*s' is not a size, as in 512mb%s", SHOW(text),
                       key->percent ? " or 70%" : "");
    if (key->percent && slice_equal(unit, SLICE("%")))
        return parse_percent(key, machine, text, number, field, ret_problem);
    for (size_t i = 0; i < COUNT_OF(size_units); i++) {
        if (!slice_equal_nocase(unit, slice_from_string(size_units[i].name)))
            continue;
        if (__builtin_mul_overflow(number, size_units[i].factor, &value) || value < key->min || value > key->max)
            return out_of_range(key, text, ret_problem);
        *field = (uint64_t)value;
        return true;
    }
    return problem(ret_problem, redis, "'%.*s' has the unknown unit '%.*s': use b, kb, mb, gb, tb%s", SHOW(text),
                   SHOW(unit), key->percent ? " or %" : "");
}

static const struct unit duration_units[] = {{"us", 1},       {"ms", 1000},        {"s", 1000000},
                                             {"m", 60000000}, {"h", 3600000000ll}, {"d", 86400000000ll}};

static int64_t duration_factor(struct slice unit) {
    for (size_t i = 0; i < COUNT_OF(duration_units); i++) {
        if (slice_equal_nocase(unit, slice_from_string(duration_units[i].name)))
            return duration_units[i].factor;
    }
    return 0;
}

static bool parse_duration(const struct config_key *key, struct slice text, int64_t *field,
                           struct config_problem *ret_problem) {
    int64_t number, micros, own = duration_factor(slice_from_string(key->unit));
    struct slice unit;
    ASSERT(own > 0);
    if (!split_number(text, &number, &unit))
        return problem(ret_problem, "argument couldn't be parsed into an integer",
                       "'%.*s' is not a duration, as in 300ms, 20s or 5m", SHOW(text));
    int64_t factor = unit.size ? duration_factor(unit) : own;
    if (!factor)
        return problem(ret_problem, "argument couldn't be parsed into an integer",
                       "'%.*s' has the unknown unit '%.*s': use us, ms, s, m, h or d", SHOW(text), SHOW(unit));
    if (factor == own) {
        if (number < key->min || number > key->max)
            return out_of_range(key, text, ret_problem);
        *field = number;
        return true;
    }
    if (__builtin_mul_overflow(number, factor, &micros) || micros / own < key->min || micros / own > key->max)
        return out_of_range(key, text, ret_problem);
    if (micros % own)
        return problem(ret_problem, "argument couldn't be parsed into an integer",
                       "'%.*s' is finer than this key's unit, %s", SHOW(text), key->unit);
    *field = micros / own;
    return true;
}

static bool parse_string(const struct config_key *key, struct slice text, char *field,
                         struct config_problem *ret_problem) {
    if (text.size > (size_t)key->max)
        return problem(ret_problem, "argument is too long", "is longer than %lld bytes", (long long)key->max);
    if (text.size && memchr(text.data, 0, text.size))
        return problem(ret_problem, "argument must not contain a null byte", "contains a null byte");
    if (text.size)
        memcpy(field, text.data, text.size);
    field[text.size] = 0;
    return true;
}

/* "*", "::*", an IPv4 or IPv6 address, or localhost; a '-' in front means that it may be missing. */
static bool is_address(const char *text) {
    unsigned char bytes[16];
    if (*text == '-')
        text++;
    return strcmp(text, "*") == 0 || strcmp(text, "::*") == 0 || strcmp(text, "localhost") == 0 ||
           inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
}

bool config_value_list_add(const struct config_key *key, struct config_list *list, struct slice item,
                           struct config_problem *ret_problem) {
    if (list->count >= (uint32_t)key->max)
        return problem(ret_problem, "Too many bind addresses specified.", "has more than %lld members",
                       (long long)key->max);
    char text[CONFIG_LIST_ITEM_MAX + 1];
    bool fits = item.size > 0 && item.size < sizeof text && !memchr(item.data, 0, item.size);
    if (fits) {
        memcpy(text, item.data, item.size);
        text[item.size] = 0;
    }
    if (!fits || !is_address(text))
        return problem(ret_problem, "argument must be a list of addresses",
                       "'%.*s' is not an IP address (127.0.0.1, ::1), '*' or '::*'", SHOW(item));
    memcpy(list->items[list->count++], text, item.size + 1);
    return true;
}

static struct slice next_word(struct slice *text, const char *separators) {
    size_t from = 0;
    while (from < text->size && strchr(separators, text->data[from]) && text->data[from])
        from++;
    size_t to = from;
    while (to < text->size && !(strchr(separators, text->data[to]) && text->data[to]))
        to++;
    struct slice word = slice_part(*text, from, to - from);
    *text = slice_part(*text, to, text->size);
    return word;
}

static bool parse_list(const struct config_key *key, struct slice text, struct config_list *field,
                       struct config_problem *ret_problem) {
    struct config_list list = {0};
    for (struct slice word = next_word(&text, " ,\t"); word.size; word = next_word(&text, " ,\t")) {
        if (!config_value_list_add(key, &list, word, ret_problem))
            return false;
    }
    *field = list;
    return true;
}

/* Three words after the class. */
static bool parse_output_class(const struct slice *words, struct config_output_limit *ret_limit,
                               struct config_problem *ret_problem) {
    static const struct config_key size = {.type = CONFIG_TYPE_SIZE, .max = 1ll << 46};
    static const struct config_key seconds = {.type = CONFIG_TYPE_DURATION, .unit = "s", .max = INT32_MAX};
    static const char error[] = "Error in hard, soft or soft_seconds setting in buffer limit configuration.";
    struct config_output_limit limit;
    if (!parse_size(&size, NULL, words[0], &limit.hard_bytes, ret_problem) ||
        !parse_size(&size, NULL, words[1], &limit.soft_bytes, ret_problem) ||
        !parse_duration(&seconds, words[2], &limit.soft_s, ret_problem)) {
        snprintf(ret_problem->redis, sizeof ret_problem->redis, "%s", error);
        return false;
    }
    if (limit.hard_bytes && limit.soft_bytes > limit.hard_bytes)
        return problem(ret_problem, error, "the soft limit %.*s is above the hard limit %.*s", SHOW(words[1]),
                       SHOW(words[0]));
    *ret_limit = limit;
    return true;
}

/* "normal 256mb 64mb 60 pubsub 32mb 8mb 60"; a class that is not named keeps what it has, and a single one without a name is normal. */
static bool parse_output_limit(struct slice text, struct config_output_limits *field,
                               struct config_problem *ret_problem) {
    enum { CLASS_WORDS = 4, CLASSES_MAX = 2 };
    struct slice words[CLASS_WORDS * CLASSES_MAX + 1];
    size_t count = 0;
    for (struct slice rest = text; count < COUNT_OF(words); count++) {
        words[count] = next_word(&rest, " \t");
        if (!words[count].size)
            break;
    }
    struct config_output_limits limits = *field;
    bool bare = count == 3 && words[0].data[0] >= '0' && words[0].data[0] <= '9';
    if (!bare && (count == 0 || count % CLASS_WORDS != 0))
        return problem(ret_problem, "Wrong number of arguments in buffer limit configuration.",
                       "'%.*s' is not of the form 'normal HARD SOFT SECONDS pubsub HARD SOFT SECONDS'", SHOW(text));
    for (size_t at = 0; at < count && !bare; at += CLASS_WORDS) {
        bool pubsub = slice_equal_nocase(words[at], SLICE("pubsub"));
        if (!pubsub && !slice_equal_nocase(words[at], SLICE("normal")))
            return problem(ret_problem, "Invalid client class specified in buffer limit configuration.",
                           "there is no class of clients '%.*s', only 'normal' and 'pubsub'", SHOW(words[at]));
        if (!parse_output_class(&words[at + 1], pubsub ? &limits.pubsub : &limits.normal, ret_problem))
            return false;
    }
    if (bare && !parse_output_class(words, &limits.normal, ret_problem))
        return false;
    *field = limits;
    return true;
}

static bool parse_events(struct slice text, uint32_t *field, struct config_problem *ret_problem) {
    if (config_events_parse(text, field))
        return true;
    return problem(ret_problem, "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.",
                   "'%.*s' has a letter that is none of Ag$lshzxetdmnKE", SHOW(text));
}

/* "3600 1 300 100" */
static bool parse_save_points(struct slice text, struct config_save_points *field, struct config_problem *ret_problem) {
    static const char error[] = "Invalid save parameters";
    struct config_save_points points = {.count = 0};
    for (struct slice word = next_word(&text, " \t"); word.size; word = next_word(&text, " \t")) {
        struct slice second = next_word(&text, " \t");
        uint64_t seconds, changes;
        if (!number_parse_u64(word, &seconds) || !number_parse_u64(second, &changes) || seconds == 0 ||
            seconds > INT32_MAX || changes > INT64_MAX)
            return problem(ret_problem, error, "'%.*s %.*s' are no seconds (from 1 on) and a number of changes",
                           SHOW(word), SHOW(second));
        if (points.count == CONFIG_SAVE_POINTS_MAX)
            return problem(ret_problem, error, "there are more than %d pairs", CONFIG_SAVE_POINTS_MAX);
        points.each[points.count++] = (struct config_save_point){(int64_t)seconds, (int64_t)changes};
    }
    *field = points;
    return true;
}

static bool parse_fixed(const struct config_key *key, struct slice text, struct config_problem *ret_problem) {
    if (slice_equal_nocase(text, slice_from_string(key->default_text)))
        return true;
    return problem(ret_problem, "can't set immutable config", "can only be '%s' here: %s", key->default_text,
                   key->description);
}

bool config_value_parse(const struct config_key *key, const struct config_machine *machine, struct slice text,
                        struct config_values *values, struct config_problem *ret_problem) {
    return config_value_read(key, machine, text, (char *)values + key->offset, ret_problem);
}

bool config_value_read(const struct config_key *key, const struct config_machine *machine, struct slice text,
                       void *field, struct config_problem *ret_problem) {
    if (key->type == CONFIG_TYPE_STRING)
        return parse_string(key, text, field, ret_problem);
    if (key->type == CONFIG_TYPE_EVENTS)
        return parse_events(text, field, ret_problem);
    text = trimmed(text);
    switch (key->type) {
        case CONFIG_TYPE_INT:
            return parse_int(key, machine, text, field, ret_problem);
        case CONFIG_TYPE_OCTAL:
            return parse_octal(key, text, field, ret_problem);
        case CONFIG_TYPE_BOOL:
            return parse_bool(text, field, ret_problem);
        case CONFIG_TYPE_ENUM:
            return parse_enum(key, text, field, ret_problem);
        case CONFIG_TYPE_SIZE:
            return parse_size(key, machine, text, field, ret_problem);
        case CONFIG_TYPE_DURATION:
            return parse_duration(key, text, field, ret_problem);
        case CONFIG_TYPE_LIST:
            return parse_list(key, text, field, ret_problem);
        case CONFIG_TYPE_OUTPUT_LIMIT:
            return parse_output_limit(text, field, ret_problem);
        case CONFIG_TYPE_SAVE_POINTS:
            return parse_save_points(text, field, ret_problem);
        default:
            ASSERT(key->type == CONFIG_TYPE_FIXED);
            return parse_fixed(key, text, ret_problem);
    }
}
