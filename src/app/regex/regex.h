/* app/regex/regex.h: regular expressions over keys, which end in bounded time.
 *
 * The syntax is that of Perl, as PCRE2 has it. Keys are bytes: `.` is any byte, newlines included, `$` the end and nothing else, and there is no UTF
 * mode. An expression is found anywhere in the key unless `^` and `$` say otherwise.
 *
 * Whether a key matches may take exponentially long with such expressions. So steps, depth and memory are limited, and a third answer says that a
 * limit was reached, and a fourth that there was no memory: then nothing is known, and whoever must not leave a match out counts it as one.
 *
 * Threads: an expression belongs to one thread at a time.
 * Memory:  from `memory`; a match takes at most REGEX_HEAP_MAX_BYTES.
 * Time:    a key takes at most REGEX_STEPS_ALL steps of some 10 ns, hardly any more than one for each of its bytes.
 * Errors:  STATUS_INVALID: it is no expression, or too large; what is wrong and where stands in the problem.
 */
#ifndef STRATA_APP_REGEX_REGEX_H
#define STRATA_APP_REGEX_REGEX_H

#include "base/memory.h"
#include "base/slice.h"
#include "base/status.h"

enum {
    REGEX_SIZE_MAX = 1024,
    REGEX_NESTING_MAX = 50,
    REGEX_STEPS_ALL = 1000000, /* of a key, shared among the places where it may begin; */
    REGEX_STEPS_MAX = 20000,   /* of one of them: at most, */
    REGEX_STEPS_MIN = 1000,    /* and at least, with the longest keys */
    REGEX_DEPTH_MAX = 1000,
    REGEX_HEAP_MAX_BYTES = 1024 * 1024,
    REGEX_PROBLEM_MAX = 128,
    REGEX_GLOB_MAX = 200, /* of regex_around */
};

struct regex;

struct regex_problem {
    size_t at; /* in the expression */
    char text[REGEX_PROBLEM_MAX];
};

enum regex_answer { REGEX_NO, REGEX_YES, REGEX_GAVE_UP, REGEX_NO_MEMORY };

MUST_CHECK enum status regex_new(struct slice text, const struct memory *memory, struct regex **ret_regex,
                                 struct regex_problem *ret_problem);
void regex_free(struct regex *regex);

enum regex_answer regex_match(struct regex *regex, struct slice key);

/* A pattern as KEYS takes it that is matched by all keys that match the expression, and by others: `user:*` of ^user:[0-9]+$. Answers its
 * size. */
size_t regex_around(struct slice text, uint8_t ret_glob[REGEX_GLOB_MAX]);

#endif
