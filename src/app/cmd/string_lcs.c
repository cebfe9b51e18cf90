/* LCS: the longest common subsequence of two strings.
 *
 * The lengths of one row of the table are enough to know the next, and one bit a cell is enough to walk back
 * (which neighbour is longer), so a search takes a thirtieth of the memory that a whole table would. The row runs along the
 * shorter string. Redis bounds the table at 4 bytes a cell by proto-max-bulk-len; the bound is kept, with its text.
 */
#include "app/cmd/commands.h"
#include "app/cmd/value.h"
#include "base/assert.h"

enum { LCS_CELL_SIZE = 4 }; /* what a cell counts for against CACHE_VALUE_SIZE_MAX */

struct lcs_options {
    bool length, indexes, with_length;
    int64_t match_min;
};

struct lcs_text {
    uint64_t size;
    struct slice bytes;
};

struct lcs {
    struct slice a, b;
    uint32_t *row;        /* lengths; one more than the shorter string has bytes */
    uint64_t *a_is_ahead; /* a bit a cell: without the last byte of a the rest is longer than without b's */
    uint64_t stride;      /* bits a row */
    bool a_outer;         /* rows are bytes of a (b is the shorter) */
    uint32_t length;
};

/* A run of equal bytes, both ends inclusive. */
struct lcs_run {
    uint32_t a_first, a_last, b_first, b_last;
};

static bool lcs_options_read(struct cmd_call *call, struct lcs_options *ret) {
    struct lcs_options options = {0};
    for (uint32_t at = 3; at < call->argc; at++) {
        if (cmd_is(call, at, "idx")) {
            options.indexes = true;
        } else if (cmd_is(call, at, "len")) {
            options.length = true;
        } else if (cmd_is(call, at, "withmatchlen")) {
            options.with_length = true;
        } else if (cmd_is(call, at, "minmatchlen") && at + 1 < call->argc) {
            if (!cmd_integer(call, ++at, &options.match_min))
                return false;
        } else {
            cmd_error_syntax(call);
            return false;
        }
    }
    if (options.length && options.indexes) {
        reply_error(call->reply, SLICE("ERR If you want both the length and indexes, please just use IDX."));
        return false;
    }
    *ret = options;
    return true;
}

/* --------------------------------------------------------------- the table */

static bool lcs_init(struct lcs *lcs, struct arena *arena, struct slice a, struct slice b, bool walks_back) {
    *lcs = (struct lcs){.a = a, .b = b, .a_outer = a.size >= b.size};
    uint64_t inner = lcs->a_outer ? b.size : a.size, outer = lcs->a_outer ? a.size : b.size;
    lcs->stride = inner;
    lcs->row = arena_take(arena, (inner + 1) * sizeof *lcs->row);
    if (!lcs->row)
        return false;
    memset(lcs->row, 0, (inner + 1) * sizeof *lcs->row);
    if (!walks_back)
        return true;
    uint64_t words = inner * outer / 64 + 1;
    lcs->a_is_ahead = arena_take(arena, words * sizeof *lcs->a_is_ahead);
    if (lcs->a_is_ahead)
        memset(lcs->a_is_ahead, 0, words * sizeof *lcs->a_is_ahead);
    return lcs->a_is_ahead != NULL;
}

static uint64_t lcs_cell(const struct lcs *lcs, uint64_t i, uint64_t j) {
    return lcs->a_outer ? i * lcs->stride + j : j * lcs->stride + i;
}

/* One row: the outer string's byte at `at` against all of the inner one. */
static void lcs_row(struct lcs *lcs, struct slice inner, uint8_t byte, uint64_t at) {
    uint32_t *row = lcs->row;
    uint32_t diagonal = 0;
    for (uint64_t k = 0; k < inner.size; k++) {
        uint32_t above = row[k + 1], left = row[k];
        row[k + 1] = inner.data[k] == byte ? diagonal + 1 : above > left ? above : left;
        /* `above` leaves the outer string's byte out, `left` the inner one's. */
        if (lcs->a_is_ahead && (lcs->a_outer ? above > left : left > above)) {
            uint64_t cell = at * lcs->stride + k;
            lcs->a_is_ahead[cell / 64] |= 1ull << cell % 64;
        }
        diagonal = above;
    }
}

static void lcs_fill(struct lcs *lcs) {
    struct slice outer = lcs->a_outer ? lcs->a : lcs->b, inner = lcs->a_outer ? lcs->b : lcs->a;
    for (uint64_t at = 0; at < outer.size; at++)
        lcs_row(lcs, inner, outer.data[at], at);
    lcs->length = lcs->row[inner.size];
}

/* Walks from the ends to the fronts. Each call answers one common byte, the last first; false when there are no more. */
static bool lcs_back(const struct lcs *lcs, uint64_t *i, uint64_t *j) {
    while (*i && *j) {
        uint64_t cell = lcs_cell(lcs, *i - 1, *j - 1);
        if (lcs->a.data[*i - 1] == lcs->b.data[*j - 1]) {
            --*i;
            --*j;
            return true;
        }
        if (lcs->a_is_ahead[cell / 64] >> cell % 64 & 1)
            --*i;
        else
            --*j;
    }
    return false;
}

/* --------------------------------------------------------------- replies */

static void lcs_reply_text(struct cmd_call *call, const struct lcs *lcs) {
    uint8_t *text = reply_bulk_reserve(call->reply, lcs->length);
    uint64_t i = lcs->a.size, j = lcs->b.size;
    for (uint32_t at = lcs->length; text && lcs_back(lcs, &i, &j);)
        text[--at] = lcs->a.data[i];
}

/* The runs, the last first, of at least `match_min` bytes; NULL `runs` only counts them. */
static uint32_t lcs_runs(const struct lcs *lcs, int64_t match_min, struct lcs_run *runs) {
    uint64_t i = lcs->a.size, j = lcs->b.size;
    struct lcs_run run = {0};
    uint32_t count = 0;
    bool more = lcs_back(lcs, &i, &j);
    while (more) {
        run = (struct lcs_run){(uint32_t)i, (uint32_t)i, (uint32_t)j, (uint32_t)j};
        while ((more = lcs_back(lcs, &i, &j)) && i + 1 == run.a_first && j + 1 == run.b_first) {
            run.a_first = (uint32_t)i;
            run.b_first = (uint32_t)j;
        }
        if ((int64_t)run.a_last - run.a_first + 1 < match_min)
            continue;
        if (runs)
            runs[count] = run;
        count++;
    }
    return count;
}

static void lcs_reply_run(struct reply *reply, const struct lcs_run *run, bool with_length) {
    reply_array(reply, with_length ? 3 : 2);
    reply_array(reply, 2);
    reply_integer(reply, run->a_first);
    reply_integer(reply, run->a_last);
    reply_array(reply, 2);
    reply_integer(reply, run->b_first);
    reply_integer(reply, run->b_last);
    if (with_length)
        reply_integer(reply, (int64_t)run->a_last - run->a_first + 1);
}

static void lcs_reply_indexes(struct cmd_call *call, const struct lcs *lcs, const struct lcs_options *options) {
    uint32_t count = lcs_runs(lcs, options->match_min, NULL);
    struct lcs_run *runs = arena_take(call->arena, (count + 1ull) * sizeof *runs);
    if (!runs) {
        cmd_error_status(call, STATUS_NO_MEMORY);
        return;
    }
    uint32_t again = lcs_runs(lcs, options->match_min, runs);
    ASSERT(again == count);
    reply_map(call->reply, 2);
    reply_bulk_string(call->reply, "matches");
    reply_array(call->reply, count);
    for (uint32_t i = 0; i < count; i++)
        lcs_reply_run(call->reply, &runs[i], options->with_length);
    reply_bulk_string(call->reply, "len");
    reply_integer(call->reply, lcs->length);
}

/* --------------------------------------------------------------- command */

/* Size of each text; false, with the error written, if one of them is no string. */
static bool lcs_find(struct cmd_call *call, const struct cache_key *keys, struct lcs_text texts[2]) {
    for (int i = 0; i < 2; i++) {
        struct cache_info info;
        bool found = cache_find(call->env->cache, call->actor, &keys[i], true, &info);
        if (found && info.type != CACHE_STRING) {
            reply_error(call->reply, SLICE("ERR The specified keys must contain string values"));
            return false;
        }
        texts[i] = (struct lcs_text){.size = found ? info.size : 0};
    }
    return true;
}

/* A long text is copied too: the search wants its bytes in one piece. */
static enum status lcs_copy(struct cmd_call *call, const struct cache_key *key, struct lcs_text *text) {
    struct value_view view;
    TRY(value_view_any(call, key, &view));
    ASSERT(view.size == text->size);
    if (!view.pin.first) {
        text->bytes = view.bytes;
        return STATUS_OK;
    }
    uint8_t *bytes = arena_take(call->arena, text->size);
    if (bytes)
        value_copy(call, &view, 0, bytes, view.size);
    value_release(call, &view);
    text->bytes = slice_make(bytes, text->size);
    return bytes ? STATUS_OK : STATUS_NO_MEMORY;
}

/* Copies both texts as they are at one moment; the keys are locked. */
static bool lcs_read(struct cmd_call *call, const struct cache_key *keys, struct lcs_options *ret_options,
                     struct lcs_text texts[2]) {
    if (!lcs_find(call, keys, texts) || !lcs_options_read(call, ret_options))
        return false;
    uint64_t cells = (texts[0].size + 1) * (texts[1].size + 1); /* at most 2^58 */
    if (cells > CACHE_VALUE_SIZE_MAX / LCS_CELL_SIZE) {
        reply_error(call->reply, SLICE("ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len"));
        return false;
    }
    if (texts[0].size == 0 || texts[1].size == 0) /* nothing in common, however long the other is */
        return true;
    enum status status = lcs_copy(call, &keys[0], &texts[0]);
    if (status == STATUS_OK)
        status = lcs_copy(call, &keys[1], &texts[1]);
    if (status != STATUS_OK)
        cmd_error_status(call, status);
    return status == STATUS_OK;
}

void cmd_lcs(struct cmd_call *call) {
    struct cache_key keys[2] = {cmd_key(call, 1), cmd_key(call, 2)};
    struct lcs_options options;
    struct lcs_text texts[2];
    bool locked = value_lock(call, keys, 2, 0);
    bool read = lcs_read(call, keys, &options, texts);
    value_unlock(call, locked);
    if (!read)
        return;
    struct lcs lcs;
    if (!lcs_init(&lcs, call->arena, texts[0].bytes, texts[1].bytes, !options.length)) {
        cmd_error_status(call, STATUS_NO_MEMORY);
        return;
    }
    lcs_fill(&lcs);
    if (options.indexes)
        lcs_reply_indexes(call, &lcs, &options);
    else if (options.length)
        reply_integer(call->reply, lcs.length);
    else
        lcs_reply_text(call, &lcs);
}
