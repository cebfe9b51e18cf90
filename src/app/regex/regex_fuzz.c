/* A line with an expression, then a key: whatever it is, it is compiled or refused, matched in bounded time, and each key that matches is matched by
 * the pattern around it, too. */
#include <string.h>

#include "app/regex/regex.h"
#include "base/assert.h"
#include "base/glob.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const uint8_t *end = size ? memchr(data, '\n', size) : NULL;
    struct slice text = slice_make(data, end ? (size_t)(end - data) : size);
    struct slice key = end ? slice_make(end + 1, size - text.size - 1) : slice_make(NULL, 0);
    struct regex *regex;
    struct regex_problem problem = {0};
    uint8_t glob[REGEX_GLOB_MAX];
    size_t glob_size = regex_around(text, glob);
    ASSERT(glob_size > 0 && glob_size <= REGEX_GLOB_MAX);
    enum status status = regex_new(text, &memory_libc, &regex, &problem);
    if (status != STATUS_OK) {
        ASSERT(status == STATUS_INVALID && problem.text[0] && problem.at <= text.size);
        return 0;
    }
    enum regex_answer answer = regex_match(regex, key);
    if (answer == REGEX_YES)
        ASSERT(glob_matches(slice_make(glob, glob_size), key, false));
    ASSERT(regex_match(regex, key) == answer);
    regex_free(regex);
    return 0;
}
