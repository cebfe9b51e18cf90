#include "app/regex/regex.h"

#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/assert.h"

enum { KIB = 1024, LARGEST_UNIT = 16 };

struct regex {
    const struct memory *memory;
    pcre2_general_context *general;
    pcre2_code *code;
    pcre2_match_context *limits;
    pcre2_match_data *data;
};

/* ------------------------------------------------------------------------------------------ memory */

/* Our allocators want sizes back, which PCRE2 does not know: they stand before what it gets. */
static void *take(size_t size, void *context) {
    const struct memory *memory = context;
    if (size > SIZE_MAX - LARGEST_UNIT)
        return NULL;
    uint8_t *bytes = memory_take(memory, size + LARGEST_UNIT);
    if (!bytes)
        return NULL;
    memcpy(bytes, &size, sizeof size);
    return bytes + LARGEST_UNIT;
}

static void give(void *taken, void *context) {
    const struct memory *memory = context;
    size_t size;
    if (!taken)
        return;
    uint8_t *bytes = (uint8_t *)taken - LARGEST_UNIT;
    memcpy(&size, bytes, sizeof size);
    memory_give(memory, bytes, size + LARGEST_UNIT);
}

/* ------------------------------------------------------------------------------------------ expressions */

static enum status compile(struct regex *regex, struct slice text, struct regex_problem *ret_problem) {
    int problem = 0;
    PCRE2_SIZE at = 0;
    pcre2_compile_context *context = pcre2_compile_context_create(regex->general);
    if (!context)
        return STATUS_NO_MEMORY;
    pcre2_set_parens_nest_limit(context, REGEX_NESTING_MAX);
    regex->code =
        pcre2_compile(text.size ? text.data : (const uint8_t *)"", text.size,
                      PCRE2_DOTALL | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_UTF | PCRE2_NEVER_UCP, &problem, &at, context);
    pcre2_compile_context_free(context);
    if (regex->code)
        return STATUS_OK;
    if (problem == PCRE2_ERROR_HEAP_FAILED)
        return STATUS_NO_MEMORY;
    ret_problem->at = at < text.size ? at : text.size;
    int size = pcre2_get_error_message(problem, (PCRE2_UCHAR *)ret_problem->text, sizeof ret_problem->text);
    MAYBE(size < 0); /* it was cut */
    return STATUS_INVALID;
}

static enum status build(struct regex *regex, struct slice text, struct regex_problem *ret_problem) {
    regex->general = pcre2_general_context_create(take, give, (void *)(uintptr_t)regex->memory);
    if (!regex->general)
        return STATUS_NO_MEMORY;
    TRY(compile(regex, text, ret_problem));
    /* One pair: where the match is, nobody asks. */
    regex->data = pcre2_match_data_create(1, regex->general);
    regex->limits = pcre2_match_context_create(regex->general);
    if (!regex->data || !regex->limits)
        return STATUS_NO_MEMORY;
    pcre2_set_depth_limit(regex->limits, REGEX_DEPTH_MAX);
    pcre2_set_heap_limit(regex->limits, REGEX_HEAP_MAX_BYTES / KIB);
    return STATUS_OK;
}

enum status regex_new(struct slice text, const struct memory *memory, struct regex **ret_regex,
                      struct regex_problem *ret_problem) {
    if (text.size > REGEX_SIZE_MAX) {
        *ret_problem = (struct regex_problem){REGEX_SIZE_MAX, "it is too long"};
        return STATUS_INVALID;
    }
    struct regex *regex = memory_take(memory, sizeof *regex);
    if (!regex)
        return STATUS_NO_MEMORY;
    *regex = (struct regex){.memory = memory};
    enum status status = build(regex, text, ret_problem);
    if (status == STATUS_OK)
        *ret_regex = regex;
    else
        regex_free(regex);
    return status;
}

void regex_free(struct regex *regex) {
    if (!regex)
        return;
    pcre2_match_context_free(regex->limits);
    pcre2_match_data_free(regex->data);
    pcre2_code_free(regex->code);
    pcre2_general_context_free(regex->general);
    memory_give(regex->memory, regex, sizeof *regex);
}

enum regex_answer regex_match(struct regex *regex, struct slice key) {
    uint64_t steps = REGEX_STEPS_ALL / (key.size + 1);
    steps = steps > REGEX_STEPS_MAX ? REGEX_STEPS_MAX : steps < REGEX_STEPS_MIN ? REGEX_STEPS_MIN : steps;
    pcre2_set_match_limit(regex->limits, (uint32_t)steps);
    int answer =
        pcre2_match(regex->code, key.size ? key.data : (const uint8_t *)"", key.size, 0, 0, regex->data, regex->limits);
    if (answer >= 0)
        return REGEX_YES;
    if (answer == PCRE2_ERROR_NOMATCH)
        return REGEX_NO;
    return answer == PCRE2_ERROR_NOMEMORY ? REGEX_NO_MEMORY : REGEX_GAVE_UP;
}

/* ------------------------------------------------------------------------------------------ what is around it */

static bool is_special(uint8_t byte) { return memchr("\\^$.[|()?*+{", byte, 12) != NULL; }

/* How many bytes every match begins with: those behind `^` up to the first that means something, and without the one before a quantifier. */
static size_t literal_size(struct slice text) {
    size_t end = 1;
    if (text.size == 0 || text.data[0] != '^' || memchr(text.data, '|', text.size))
        return 0;
    while (end < text.size && text.data[end] && !is_special(text.data[end]))
        end++;
    if (end < text.size && end > 1 && memchr("?*+{", text.data[end], 4))
        end--;
    return end - 1;
}

size_t regex_around(struct slice text, uint8_t ret_glob[REGEX_GLOB_MAX]) {
    size_t literal = literal_size(text), size = 0;
    for (size_t i = 0; i < literal && size + 3 <= REGEX_GLOB_MAX; i++) {
        uint8_t byte = text.data[1 + i];
        if (byte == ']' || byte == '\\')
            ret_glob[size++] = '\\';
        ret_glob[size++] = byte;
    }
    ret_glob[size++] = '*';
    return size;
}
