#include "app/cmd/words.h"

#include <stdio.h>

#include "app/cmd/spec_docs.h"
#include "base/number.h"

enum { WORD_SHOWN_MAX = 64 /* bytes of an argument that an error repeats */ };

struct shown {
    char text[WORD_SHOWN_MAX + 4];
};

/* As much of an argument as fits into a line of text. */
static struct shown show(struct slice word) {
    struct shown shown;
    size_t size = word.size < WORD_SHOWN_MAX ? word.size : WORD_SHOWN_MAX;
    for (size_t i = 0; i < size; i++)
        shown.text[i] = (char)(word.data[i] < ' ' || word.data[i] == 0x7f ? '?' : word.data[i]);
    snprintf(shown.text + size, sizeof shown.text - size, "%s", size < word.size ? "..." : "");
    return shown;
}

bool words_refuse(struct cmd_call *call, uint32_t at, const char *expected) {
    bool ends = at >= call->argc;
    struct shown word = show(call->argv[ends ? call->argc - 1 : at]);
    reply_errorf(call->reply, "ERR syntax error %s '%s', expected %s", ends ? "after" : "at", word.text, expected);
    return false;
}

bool words_refuse_which(struct cmd_call *call, uint32_t at, const char *which) {
    struct shown word = show(call->argv[at]);
    reply_errorf(call->reply, "ERR syntax error at '%s', which %s", word.text, which);
    return false;
}

bool words_number(struct cmd_call *call, uint32_t at, int64_t least, int64_t most, const char *unit,
                  int64_t *ret_value) {
    int64_t value;
    if (at >= call->argc)
        return words_refuse(call, at, *unit ? unit + 1 : "a number");
    if (number_parse_i64(call->argv[at], &value) && value >= least && value <= most) {
        *ret_value = value;
        return true;
    }
    struct shown word = show(call->argv[at - 1]), number = show(call->argv[at]);
    for (char *c = word.text; *c; c++)
        *c = (char)(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c);
    if (least == INT64_MIN)
        reply_errorf(call->reply, "ERR %s takes a number, not '%s'", word.text, number.text);
    else
        reply_errorf(call->reply, "ERR %s takes %lld to %lld%s, not '%s'", word.text, (long long)least, (long long)most,
                     unit, number.text);
    return false;
}

struct slice words_usage(const struct cmd_spec *spec) {
    bool own = strncmp(spec->docs->since, "strata", sizeof "strata" - 1) == 0;
    return own ? slice_from_string(spec->docs->syntax) : SLICE("");
}
