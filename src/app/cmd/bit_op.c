/* BITOP: a value made of others, bit by bit.
 *
 * Sources may be as long as a value can be, and so may the result: sources are read where they stand, a long result is built
 * as an upload, and no step needs more than a block beside them.
 */
#include "app/cmd/bit.h"
#include "app/cmd/commands.h"
#include "app/cmd/value.h"

enum bit_operation { BIT_AND, BIT_OR, BIT_XOR, BIT_NOT };

enum { BITOP_BLOCK_SIZE = 64 * 1024 };

struct bitop {
    enum bit_operation operation;
    uint32_t count;               /* of sources */
    const struct cache_key *keys; /* the target, then the sources */
    struct value_view *sources;
    uint8_t *block; /* BITOP_BLOCK_SIZE bytes for a part of a source */
    uint64_t size;  /* of the longest */
};

static bool bitop_operation(struct cmd_call *call, enum bit_operation *ret_operation) {
    static const char *const names[] = {[BIT_AND] = "and", [BIT_OR] = "or", [BIT_XOR] = "xor", [BIT_NOT] = "not"};
    for (int i = BIT_AND; i <= BIT_NOT; i++) {
        if (cmd_is(call, 1, names[i])) {
            *ret_operation = (enum bit_operation)i;
            return true;
        }
    }
    cmd_error_syntax(call);
    return false;
}

static inline uint64_t bitop_word(uint64_t to, uint64_t from, enum bit_operation operation) {
    switch (operation) {
        case BIT_AND:
            return to & from;
        case BIT_OR:
            return to | from;
        case BIT_XOR:
            return to ^ from;
        default:
            return ~from;
    }
}

/* Inlined with a constant operation, each becomes a loop of its own. */
static inline __attribute__((always_inline)) void bitop_loop(uint8_t *to, const uint8_t *from, uint64_t size,
                                                             enum bit_operation operation) {
    uint64_t at = 0, a, b;
    for (; size - at >= sizeof a; at += sizeof a) {
        memcpy(&a, to + at, sizeof a);
        memcpy(&b, from + at, sizeof b);
        a = bitop_word(a, b, operation);
        memcpy(to + at, &a, sizeof a);
    }
    for (; at < size; at++)
        to[at] = (uint8_t)bitop_word(to[at], from[at], operation);
}

/* BIT_NOT leaves what was there out of account. */
static void bitop_combine(uint8_t *to, const uint8_t *from, uint64_t size, enum bit_operation operation) {
    if (operation == BIT_AND)
        bitop_loop(to, from, size, BIT_AND);
    else if (operation == BIT_OR)
        bitop_loop(to, from, size, BIT_OR);
    else if (operation == BIT_XOR)
        bitop_loop(to, from, size, BIT_XOR);
    else
        bitop_loop(to, from, size, BIT_NOT);
}

/* Behind its end a source goes on with zeros. Copies what there is of it into the block. */
static void bitop_load(struct cmd_call *call, const struct value_view *source, uint64_t at, uint8_t *block,
                       uint64_t size) {
    uint64_t there = source->size > at ? source->size - at : 0;
    there = there < size ? there : size;
    if (there)
        value_copy(call, source, at, block, there);
    memset(block + there, 0, size - there);
}

/* The result's bytes from `at` on. */
static void bitop_block(struct cmd_call *call, const struct bitop *op, uint64_t at, uint8_t *to, uint64_t size) {
    bitop_load(call, &op->sources[0], at, to, size);
    if (op->operation == BIT_NOT)
        bitop_combine(to, to, size, BIT_NOT);
    for (uint32_t i = 1; i < op->count; i++) {
        bitop_load(call, &op->sources[i], at, op->block, size);
        bitop_combine(to, op->block, size, op->operation);
    }
}

static void bitop_fill(struct cmd_call *call, const struct bitop *op, uint64_t at, uint8_t *to, uint64_t size) {
    for (uint64_t done = 0, block; done < size; done += block) {
        block = size - done < BITOP_BLOCK_SIZE ? size - done : BITOP_BLOCK_SIZE;
        bitop_block(call, op, at + done, to + done, block);
    }
}

static enum status bitop_set(struct cmd_call *call, const struct bitop *op, struct slice bytes,
                             struct cache_upload *upload) {
    struct cache_edit edit;
    enum status status = STATUS_OK;
    cache_edit_begin(call->env->cache, call->actor, &op->keys[0], &edit);
    if (upload)
        status = cache_edit_set_upload(&edit, upload, 0);
    else if (bytes.size)
        status = cache_edit_set(&edit, CACHE_STRING, bytes, 0);
    else
        cache_edit_delete(&edit);
    cache_edit_end(&edit);
    return status;
}

static enum status bitop_upload(struct cmd_call *call, const struct bitop *op, struct cache_upload *upload) {
    while (upload->filled < upload->size) {
        void *bytes;
        uint64_t size;
        TRY(cache_upload_room(call->env->cache, call->actor, upload, &bytes, &size));
        size = size < upload->size - upload->filled ? size : upload->size - upload->filled;
        bitop_fill(call, op, upload->filled, bytes, size);
        cache_upload_filled(upload, size);
    }
    return bitop_set(call, op, slice_make(NULL, 0), upload);
}

static enum status bitop_write(struct cmd_call *call, const struct bitop *op) {
    if (op->size && op->size >= cache_upload_size_min(call->env->cache)) {
        struct cache_upload upload;
        TRY(cache_upload_begin(call->env->cache, op->size, &upload));
        enum status status = cache_upload_aim(call->env->cache, call->actor, &upload, &op->keys[0]);
        if (status == STATUS_OK)
            status = bitop_upload(call, op, &upload);
        if (status != STATUS_OK)
            cache_upload_drop(call->env->cache, call->actor, &upload);
        return status;
    }
    uint8_t *bytes = arena_take(call->arena, op->size + 1);
    if (!bytes)
        return STATUS_NO_MEMORY;
    bitop_fill(call, op, 0, bytes, op->size);
    return bitop_set(call, op, slice_make(bytes, op->size), NULL);
}

/* Reads all sources; a missing one is empty. False, with the error written and nothing held, if one is no string. */
static bool bitop_read(struct cmd_call *call, struct bitop *op) {
    for (uint32_t i = 0; i < op->count; i++) {
        op->sources[i] = (struct value_view){0};
        enum value_result result = value_view(call, &op->keys[1 + i], false, &op->sources[i]);
        if (result == VALUE_WRONG_TYPE)
            cmd_error_wrong_type(call);
        if (result == VALUE_WRONG_TYPE || result == VALUE_FAILED) {
            while (i--)
                value_release(call, &op->sources[i]);
            return false;
        }
        op->size = op->sources[i].size > op->size ? op->sources[i].size : op->size;
    }
    return true;
}

/* What the longest source has now; only a hint for making room, so nobody minds if it changes. */
static uint64_t bitop_size_hint(struct cmd_call *call, const struct bitop *op) {
    uint64_t size = 0;
    for (uint32_t i = 0; i < op->count; i++) {
        struct cache_info info;
        if (cache_find(call->env->cache, call->actor, &op->keys[1 + i], false, &info) && info.size > size)
            size = info.size;
    }
    return size;
}

static void bitop_run(struct cmd_call *call, struct bitop *op) {
    if (!bitop_read(call, op))
        return;
    enum status status = bitop_write(call, op);
    for (uint32_t i = 0; i < op->count; i++)
        value_release(call, &op->sources[i]);
    if (status == STATUS_OK)
        reply_integer(call->reply, (int64_t)op->size);
    else
        cmd_error_status(call, status);
}

void cmd_bitop(struct cmd_call *call) {
    struct bitop op = {.count = call->argc - 3};
    if (!bitop_operation(call, &op.operation))
        return;
    if (op.operation == BIT_NOT && op.count != 1) {
        reply_error(call->reply, SLICE("ERR BITOP NOT must be called with a single source key."));
        return;
    }
    op.keys = value_keys(call, 2, 1, op.count + 1);
    op.sources = arena_take(call->arena, op.count * sizeof *op.sources);
    op.block = arena_take(call->arena, BITOP_BLOCK_SIZE);
    if (!op.keys || !op.sources || !op.block) {
        cmd_error_status(call, STATUS_NO_MEMORY);
        return;
    }
    bool locked = value_lock(call, op.keys, op.count + 1, bitop_size_hint(call, &op));
    bitop_run(call, &op);
    value_unlock(call, locked);
}
