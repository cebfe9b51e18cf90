#include "base/glob.h"

static int lower(int byte, bool nocase) { return nocase && byte >= 'A' && byte <= 'Z' ? byte | 0x20 : byte; }

/* Redis orders the ends of a range before it lowers them, and compares signed bytes. */
static bool range_matches(int8_t from, int8_t to, int8_t byte, bool nocase) {
    int first = lower(from < to ? from : to, nocase), last = lower(from < to ? to : from, nocase);
    int wanted = lower(byte, nocase);
    return wanted >= first && wanted <= last;
}

/* Whether `byte` is in the class that begins at `*at`, behind its bracket; leaves `*at` behind the class. */
static bool class_matches(struct slice pattern, size_t *at, uint8_t byte, bool nocase) {
    const uint8_t *c = pattern.data + *at, *const end = pattern.data + pattern.size;
    bool negated = c < end && *c == '^', found = false;
    c += negated;
    while (c < end && *c != ']') {
        if (*c == '\\' && end - c >= 2) {
            found |= c[1] == byte;
            c += 2;
        } else if (end - c >= 3 && c[1] == '-') {
            found |= range_matches((int8_t)c[0], (int8_t)c[2], (int8_t)byte, nocase);
            c += 3;
        } else {
            found |= lower(*c, nocase) == lower(byte, nocase);
            c++;
        }
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

bool glob_matches(struct slice pattern, struct slice text, bool nocase) {
    size_t at = 0, text_at = 0;
    bool starred = false;
    size_t star_at = 0, star_text_at = 0; /* behind the last star, and behind the bytes it stands for */
    while (text_at < text.size) {
        if (at < pattern.size && pattern.data[at] == '*') {
            starred = true;
            star_at = ++at;
            star_text_at = text_at;
        } else if (at < pattern.size && one_matches(pattern, &at, text.data[text_at], nocase)) {
            text_at++;
        } else if (starred) {
            at = star_at;
            text_at = ++star_text_at;
        } else {
            return false;
        }
    }
    while (at < pattern.size && pattern.data[at] == '*')
        at++;
    return at == pattern.size;
}
