#include "base/glob.h"

static int lower(int byte, bool nocase) { return nocase && byte >= 'A' && byte <= 'Z' ? byte | 0x20 : byte; }

/* Redis orders the ends of a range before it lowers them, and compares signed bytes. */
static bool range_matches(int8_t from, int8_t to, int8_t byte, bool nocase) {
    int first = lower(from < to ? from : to, nocase), last = lower(from < to ? to : from, nocase);
    int wanted = lower(byte, nocase);
    return wanted >= first && wanted <= last;
}

/* A part of a class: an escaped byte, a range, or a byte. */
struct part {
    uint8_t first, last; /* the same: no range */
    bool escaped;
    size_t size; /* in the pattern */
};

/* The part at `c`; size 0: the class ends here. */
static inline struct part next_part(const uint8_t *c, const uint8_t *end) {
    if (c == end || *c == ']')
        return (struct part){0};
    if (*c == '\\' && end - c >= 2)
        return (struct part){c[1], c[1], true, 2};
    if (end - c >= 3 && c[1] == '-')
        return (struct part){c[0], c[2], false, 3};
    return (struct part){*c, *c, false, 1};
}

/* Whether `byte` is in the class that begins at `*at`, behind its bracket; leaves `*at` behind the class. */
static bool class_matches(struct slice pattern, size_t *at, uint8_t byte, bool nocase) {
    const uint8_t *c = pattern.data + *at, *const end = pattern.data + pattern.size;
    bool negated = c < end && *c == '^', found = false;
    c += negated;
    for (struct part part; (part = next_part(c, end)).size; c += part.size) {
        if (part.size == 3)
            found |= range_matches((int8_t)part.first, (int8_t)part.last, (int8_t)byte, nocase);
        else if (part.escaped)
            found |= part.first == byte;
        else
            found |= lower(part.first, nocase) == lower(byte, nocase);
    }
    c += c < end;
    *at = (size_t)(c - pattern.data);
    return found != negated;
}

/* Matches one byte against what is at `*at`, which is not a star; leaves `*at` behind it. */
static bool one_matches(struct slice pattern, size_t *at, uint8_t byte, bool nocase) {
    uint8_t wanted = pattern.data[(*at)++];
    if (wanted == '?')
        return true;
    if (wanted == '[')
        return class_matches(pattern, at, byte, nocase);
    if (wanted == '\\' && *at < pattern.size)
        wanted = pattern.data[(*at)++];
    return lower(wanted, nocase) == lower(byte, nocase);
}

/* The last star so far. */
struct star {
    bool seen;
    size_t at, plain; /* behind it in the pattern, and how many bytes there stand for themselves */
    size_t text_at;   /* behind the bytes it stands for */
};

static void read_star(struct slice pattern, size_t at, bool nocase, struct star *ret_star) {
    *ret_star = (struct star){.seen = true, .at = at};
    while (!nocase && at < pattern.size && !memchr("*?[\\", pattern.data[at], 4))
        at++;
    ret_star->plain = at - ret_star->at;
}

/* The first place from `from` on where what follows the star may begin: its plain bytes stand there, or behind it there is only the end of both. False:
 * there is none. */
static bool find_place(struct slice pattern, struct slice text, size_t from, struct star *star) {
    if (star->at + star->plain == pattern.size) {
        star->text_at = text.size - star->plain;
        return text.size - from >= star->plain;
    }
    const uint8_t *found = memmem(text.data + from, text.size - from, pattern.data + star->at, star->plain);
    star->text_at = found ? (size_t)(found - text.data) : text.size;
    return found;
}

bool glob_matches(struct slice pattern, struct slice text, bool nocase) {
    size_t at = 0, text_at = 0;
    struct star star = {.seen = false};
    while (text_at < text.size) {
        bool is_star = at < pattern.size && pattern.data[at] == '*';
        if (!is_star && at < pattern.size && one_matches(pattern, &at, text.data[text_at], nocase)) {
            text_at++;
            continue;
        }
        if (is_star)
            read_star(pattern, at + 1, nocase, &star);
        if (!star.seen || !find_place(pattern, text, is_star ? text_at : star.text_at + 1, &star))
            return false;
        at = star.at;
        text_at = star.text_at;
    }
    while (at < pattern.size && pattern.data[at] == '*')
        at++;
    return at == pattern.size;
}

/* Writes the class of these bytes, or of all others if they are fewer: each escaped, so none means anything else. */
static size_t write_class(const bool members[256], uint8_t *to) {
    size_t size = 0, count = 0;
    for (int byte = 0; byte < 256; byte++)
        count += members[byte];
    bool negated = count > 128;
    to[size++] = '[';
    if (negated)
        to[size++] = '^';
    for (int byte = 0; byte < 256; byte++) {
        if (members[byte] == negated)
            continue;
        to[size++] = '\\';
        to[size++] = (uint8_t)byte;
    }
    to[size++] = ']';
    return size;
}

/* Looks once at each part of the class behind `at`; answers where it ends. */
static size_t read_class(struct slice pattern, size_t at, bool ret_members[256]) {
    const uint8_t *c = pattern.data + at, *const end = pattern.data + pattern.size;
    bool negated = c < end && *c == '^';
    c += negated;
    memset(ret_members, negated, 256);
    for (struct part part; (part = next_part(c, end)).size; c += part.size) {
        int8_t first = (int8_t)part.first, last = (int8_t)part.last;
        for (int byte = first < last ? first : last, until = first < last ? last : first; byte <= until; byte++)
            ret_members[(uint8_t)byte] = !negated;
    }
    c += c < end;
    return (size_t)(c - pattern.data);
}

size_t glob_shorten(struct slice pattern, uint8_t *ret_pattern) {
    size_t size = 0;
    for (size_t at = 0, end; at < pattern.size; at = end) {
        bool members[256];
        if (pattern.data[at] == '[')
            end = read_class(pattern, at + 1, members);
        else
            end = at + (pattern.data[at] == '\\' && at + 1 < pattern.size ? 2 : 1);
        if (end - at > GLOB_CLASS_MAX) {
            size += write_class(members, ret_pattern + size);
        } else {
            memcpy(ret_pattern + size, pattern.data + at, end - at);
            size += end - at;
        }
    }
    return size;
}
