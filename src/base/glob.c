#include "base/glob.h"

static uint8_t lower(uint8_t byte, bool nocase) { return nocase && byte >= 'A' && byte <= 'Z' ? byte | 0x20 : byte; }

/* Whether `byte` is in the class whose first byte is at `*at`; leaves `*at` behind the class. */
static bool class_matches(struct slice pattern, size_t *at, uint8_t byte, bool nocase) {
    size_t i = *at;
    bool negated = i < pattern.size && pattern.data[i] == '^', found = false;
    i += negated;
    byte = lower(byte, nocase);
    while (i < pattern.size && pattern.data[i] != ']') {
        if (pattern.data[i] == '\\' && i + 1 < pattern.size) {
            found |= lower(pattern.data[i + 1], nocase) == byte;
            i += 2;
        } else if (i + 2 < pattern.size && pattern.data[i + 1] == '-') {
            uint8_t from = lower(pattern.data[i], nocase), to = lower(pattern.data[i + 2], nocase);
            if (from > to) {
                uint8_t swapped = from;
                from = to;
                to = swapped;
            }
            found |= byte >= from && byte <= to;
            i += 3;
        } else {
            found |= lower(pattern.data[i], nocase) == byte;
            i++;
        }
    }
    *at = i < pattern.size ? i + 1 : i;
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
    size_t p = 0, t = 0;
    size_t star = SIZE_MAX, star_text = 0; /* behind the last star; what it has swallowed ends here */
    while (t < text.size) {
        if (p < pattern.size && pattern.data[p] == '*') {
            star = ++p;
            star_text = t;
            continue;
        }
        if (p < pattern.size && one_matches(pattern, &p, text.data[t], nocase)) {
            t++;
            continue;
        }
        if (star == SIZE_MAX)
            return false;
        p = star;
        t = ++star_text;
    }
    while (p < pattern.size && pattern.data[p] == '*')
        p++;
    return p == pattern.size;
}
