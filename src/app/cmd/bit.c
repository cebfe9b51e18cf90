/* Commands on single bits and on ranges of bits: SETBIT GETBIT BITCOUNT BITPOS. */
#include "app/cmd/bit.h"

#include "app/cmd/commands.h"
#include "app/cmd/value.h"
#include "base/assert.h"
#include "base/number.h"

/* ------------------------------------------------------------ pure helpers */

static inline __attribute__((always_inline)) uint64_t count_bits(struct slice bytes) {
    const uint8_t *at = bytes.data;
    size_t left = bytes.size;
    uint64_t count = 0;
    for (uint64_t words[4]; left >= sizeof words; at += sizeof words, left -= sizeof words) {
        memcpy(words, at, sizeof words);
        count += (unsigned)__builtin_popcountll(words[0]) + (unsigned)__builtin_popcountll(words[1]) +
                 (unsigned)__builtin_popcountll(words[2]) + (unsigned)__builtin_popcountll(words[3]);
    }
    for (uint64_t word; left >= sizeof word; at += sizeof word, left -= sizeof word) {
        memcpy(&word, at, sizeof word);
        count += (unsigned)__builtin_popcountll(word);
    }
    while (left--)
        count += (unsigned)__builtin_popcount(*at++);
    return count;
}

#if defined(__x86_64__)
/* Without the instruction, which the oldest of these machines lack, a word takes some ten times as long. */
__attribute__((target("popcnt"))) static uint64_t count_bits_popcnt(struct slice bytes) { return count_bits(bytes); }

uint64_t bit_count(struct slice bytes) {
    return __builtin_cpu_supports("popcnt") ? count_bits_popcnt(bytes) : count_bits(bytes);
}
#else
uint64_t bit_count(struct slice bytes) { return count_bits(bytes); }
#endif

uint64_t bit_find(struct slice bytes, bool bit) {
    const uint64_t nothing = bit ? 0 : UINT64_MAX;
    size_t at = 0;
    for (uint64_t word; bytes.size - at >= sizeof word; at += sizeof word) {
        memcpy(&word, bytes.data + at, sizeof word);
        if (word != nothing)
            break;
    }
    for (; at < bytes.size; at++) {
        unsigned byte = bit ? bytes.data[at] : bytes.data[at] ^ 0xffu;
        if (byte)
            return at * 8 + (unsigned)__builtin_clz(byte) - 24;
    }
    return UINT64_MAX;
}

bool bit_offset(struct cmd_call *call, uint32_t at, uint32_t unit_bits, uint64_t *ret_offset) {
    struct slice text = call->argv[at];
    bool counts_units = unit_bits && text.size && text.data[0] == '#';
    int64_t offset;
    bool valid = number_parse_i64(counts_units ? slice_part(text, 1, text.size) : text, &offset) && offset >= 0 &&
                 !(counts_units && __builtin_mul_overflow(offset, (int64_t)unit_bits, &offset)) &&
                 offset / 8 < CACHE_VALUE_SIZE_MAX;
    if (valid)
        *ret_offset = (uint64_t)offset;
    else
        reply_error(call->reply, SLICE("ERR bit offset is not an integer or out of range"));
    return valid;
}

/* ---------------------------------------------------------------- one bit */

static uint8_t bit_mask(uint64_t offset) { return (uint8_t)(0x80u >> offset % 8); }

/* A bit that has its value already is not written, unless the value has to grow to hold it. */
static void setbit(struct cmd_call *call, struct cache_edit *edit, uint64_t offset, bool bit) {
    uint8_t byte = 0;
    bool inside = edit->found && offset / 8 < edit->size;
    if (inside)
        cache_edit_copy_out(edit, offset / 8, &byte, 1);
    bool old = byte & bit_mask(offset);
    enum status status = STATUS_OK;
    if (!inside || old != bit) {
        byte = (uint8_t)(bit ? byte | bit_mask(offset) : byte & ~bit_mask(offset));
        status = cache_edit_patch(edit, offset / 8, slice_make(&byte, 1));
    }
    if (status == STATUS_OK)
        reply_integer(call->reply, old);
    else
        cmd_error_status(call, status);
}

void cmd_setbit(struct cmd_call *call) {
    uint64_t offset;
    int64_t bit;
    if (!bit_offset(call, 2, 0, &offset))
        return;
    if (!number_parse_i64(call->argv[3], &bit) || bit < 0 || bit > 1) {
        reply_error(call->reply, SLICE("ERR bit is not an integer or out of range"));
        return;
    }
    struct cache_key key = cmd_key(call, 1);
    struct cache_edit edit;
    value_edit_begin(call, &key, offset / 8 + 1, &edit);
    if (value_is_string(call, &edit))
        setbit(call, &edit, offset, bit);
    cache_edit_end(&edit);
}

static void *reserve_byte(void *context, uint64_t size) {
    ASSERT(size <= 1);
    return context;
}

void cmd_getbit(struct cmd_call *call) {
    uint64_t offset;
    if (!bit_offset(call, 2, 0, &offset))
        return;
    uint8_t byte = 0;
    struct cache_key key = cmd_key(call, 1);
    struct cache_read read = {.offset = offset / 8, .size_max = 1, .reserve = reserve_byte, .context = &byte};
    bool found = false;
    enum status status = cache_get(call->env->cache, call->actor, &key, &read, &found);
    if (status != STATUS_OK)
        cmd_error_status(call, status);
    else if (found && read.info.type != CACHE_STRING)
        cmd_error_wrong_type(call);
    else
        reply_integer(call->reply, found && read.size && (byte & bit_mask(offset)));
}

/* ----------------------------------------------------------------- ranges */

/* Bits `first` to `last`, inclusive. */
struct bit_range {
    bool empty;
    uint64_t first, last;
};

/* Counts from the end if negative, and never leaves the value at the front. */
static int64_t bit_place(int64_t place, int64_t total) {
    if (place < 0)
        place += total;
    return place < 0 ? 0 : place;
}

static bool bit_unit(struct cmd_call *call, uint32_t at, bool *ret_bits) {
    *ret_bits = cmd_is(call, at, "bit");
    if (*ret_bits || cmd_is(call, at, "byte"))
        return true;
    cmd_error_syntax(call);
    return false;
}

/* Bounds of either sign, as BITCOUNT and BITPOS clamp them. */
static struct bit_range bit_range(uint64_t size, int64_t start, int64_t end, bool bits) {
    int64_t total = (int64_t)(bits ? size * 8 : size);
    start = bit_place(start, total);
    end = bit_place(end, total);
    end = end >= total ? total - 1 : end;
    if (start > end)
        return (struct bit_range){.empty = true};
    return (struct bit_range){
        .first = (uint64_t)start * (bits ? 1 : 8),
        .last = bits ? (uint64_t)end : (uint64_t)end * 8 + 7,
    };
}

/* One byte of the value, with the bits outside of the range set to `fill`. */
static uint8_t bit_edge(struct cmd_call *call, const struct value_view *view, uint64_t at,
                        const struct bit_range *range, bool fill) {
    uint8_t byte = *value_piece(call, view, at).data, mask = 0xff;
    if (at == range->first / 8)
        mask &= (uint8_t)(0xffu >> range->first % 8);
    if (at == range->last / 8)
        mask &= (uint8_t)(0xffu << (7 - range->last % 8));
    return (uint8_t)(fill ? byte | (uint8_t)~mask : byte & mask);
}

/* First and last byte may belong to the range in part; what is between them is counted by words. */
static uint64_t bit_count_range(struct cmd_call *call, const struct value_view *view, const struct bit_range *range) {
    uint64_t at = range->first / 8, last = range->last / 8;
    uint64_t count = (unsigned)__builtin_popcount(bit_edge(call, view, at, range, false));
    if (at == last)
        return count;
    for (at++; at < last;) {
        struct slice piece = slice_part(value_piece(call, view, at), 0, last - at);
        count += bit_count(piece);
        at += piece.size;
    }
    return count + (unsigned)__builtin_popcount(bit_edge(call, view, last, range, false));
}

static uint64_t bit_find_range(struct cmd_call *call, const struct value_view *view, const struct bit_range *range,
                               bool bit) {
    uint64_t at = range->first / 8, last = range->last / 8;
    uint8_t edge = bit_edge(call, view, at, range, !bit);
    uint64_t found = bit_find(slice_make(&edge, 1), bit);
    if (found != UINT64_MAX || at == last)
        return found == UINT64_MAX ? found : at * 8 + found;
    for (at++; at < last;) {
        struct slice piece = slice_part(value_piece(call, view, at), 0, last - at);
        found = bit_find(piece, bit);
        if (found != UINT64_MAX)
            return at * 8 + found;
        at += piece.size;
    }
    edge = bit_edge(call, view, last, range, !bit);
    found = bit_find(slice_make(&edge, 1), bit);
    return found == UINT64_MAX ? found : last * 8 + found;
}

/* Reads "[start end [BYTE|BIT]]"; false, with the error written, when it is no such thing. */
static bool bitcount_range(struct cmd_call *call, uint64_t size, struct bit_range *ret_range) {
    int64_t start = 0, end = -1;
    bool bits = false;
    if (call->argc == 3 || call->argc > 5) {
        cmd_error_syntax(call);
        return false;
    }
    if (call->argc > 3 && (!cmd_integer(call, 2, &start) || !cmd_integer(call, 3, &end)))
        return false;
    if (start < 0 && end < 0 && start > end) { /* even if both lie before the value, and whatever the unit */
        *ret_range = (struct bit_range){.empty = true};
        return true;
    }
    if (call->argc == 5 && !bit_unit(call, 4, &bits))
        return false;
    *ret_range = bit_range(size, start, end, bits);
    return true;
}

void cmd_bitcount(struct cmd_call *call) {
    struct cache_key key = cmd_key(call, 1);
    struct value_view view;
    struct bit_range range;
    enum value_result result = value_view(call, &key, false, &view);
    if (result == VALUE_MISSING)
        reply_integer(call->reply, 0);
    else if (result == VALUE_WRONG_TYPE)
        cmd_error_wrong_type(call);
    if (result != VALUE_FOUND)
        return;
    if (bitcount_range(call, view.size, &range))
        reply_integer(call->reply, range.empty ? 0 : (int64_t)bit_count_range(call, &view, &range));
    value_release(call, &view);
}

/* Reads "[start [end [BYTE|BIT]]]"; the unit is looked at before the end. */
static bool bitpos_range(struct cmd_call *call, uint64_t size, struct bit_range *ret_range) {
    int64_t start = 0, end = -1;
    bool bits = false;
    if (call->argc > 6) {
        cmd_error_syntax(call);
        return false;
    }
    if (call->argc > 3 && !cmd_integer(call, 3, &start))
        return false;
    if (call->argc > 5 && !bit_unit(call, 5, &bits))
        return false;
    if (call->argc > 4 && !cmd_integer(call, 4, &end))
        return false;
    *ret_range = bit_range(size, start, end, bits);
    return true;
}

/* Behind the end of a value stand zeros without end, so a search for 0 that was given no end finds one there. */
static int64_t bitpos(struct cmd_call *call, const struct value_view *view, const struct bit_range *range, bool bit) {
    if (range->empty)
        return -1;
    uint64_t at = bit_find_range(call, view, range, bit);
    if (at != UINT64_MAX)
        return (int64_t)at;
    return !bit && call->argc <= 4 ? (int64_t)(view->size * 8) : -1;
}

void cmd_bitpos(struct cmd_call *call) {
    int64_t bit;
    if (!cmd_integer(call, 2, &bit))
        return;
    if (bit != 0 && bit != 1) {
        reply_error(call->reply, SLICE("ERR The bit argument must be 1 or 0."));
        return;
    }
    struct cache_key key = cmd_key(call, 1);
    struct value_view view;
    struct bit_range range;
    enum value_result result = value_view(call, &key, false, &view);
    if (result == VALUE_MISSING)
        reply_integer(call->reply, bit ? -1 : 0);
    else if (result == VALUE_WRONG_TYPE)
        cmd_error_wrong_type(call);
    if (result != VALUE_FOUND)
        return;
    if (bitpos_range(call, view.size, &range))
        reply_integer(call->reply, bitpos(call, &view, &range, bit));
    value_release(call, &view);
}
