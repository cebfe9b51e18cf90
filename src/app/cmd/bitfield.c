/* BITFIELD and BITFIELD_RO: integers of 1 to 64 bits anywhere in a value.
 *
 * The subcommands of a call usually lie close together: the bytes they touch are copied into a window, changed there and
 * written back at once, so that a failure changes nothing. When they lie further apart than the window is long there are as many
 * windows as there are places where bytes are touched, and all are written back by one patch.
 */
#include <stdlib.h>

#include "app/cmd/bit.h"
#include "app/cmd/commands.h"
#include "app/cmd/value.h"
#include "base/number.h"

enum {
    FIELD_BYTES_MAX = 9, /* 64 bits that begin within a byte */
    WINDOW_SIZE_MAX = 64 * 1024,
};

enum field_action { FIELD_GET, FIELD_SET, FIELD_INCRBY };
enum field_overflow { OVERFLOW_WRAP, OVERFLOW_SAT, OVERFLOW_FAIL };

struct field {
    enum field_action action;
    enum field_overflow overflow;
    bool is_signed;
    uint32_t bits;
    uint64_t offset; /* in bits */
    int64_t operand;
};

/* Bytes from `from` up to and without `to`. */
struct field_span {
    uint64_t from, to;
};

struct field_list {
    struct field *fields;
    uint32_t count;
    bool writes;
    struct field_span touched, written; /* by all fields together */
};

/* -------------------------------------------------------------- arguments */

/* "i5" or "u12": signed up to 64 bits, unsigned up to 63. */
static bool field_type(struct cmd_call *call, uint32_t at, struct field *field) {
    struct slice text = call->argv[at];
    int64_t bits = 0;
    field->is_signed = text.size && text.data[0] == 'i';
    if ((field->is_signed || (text.size && text.data[0] == 'u')) &&
        number_parse_i64(slice_part(text, 1, text.size), &bits) && bits >= 1 && bits <= (field->is_signed ? 64 : 63)) {
        field->bits = (uint32_t)bits;
        return true;
    }
    reply_error(call->reply, SLICE("ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not "
                                   "supported but i64 is."));
    return false;
}

static bool overflow_type(struct cmd_call *call, uint32_t at, enum field_overflow *ret_overflow) {
    static const char *const names[] = {[OVERFLOW_WRAP] = "wrap", [OVERFLOW_SAT] = "sat", [OVERFLOW_FAIL] = "fail"};
    for (int i = OVERFLOW_WRAP; i <= OVERFLOW_FAIL; i++) {
        if (cmd_is(call, at, names[i])) {
            *ret_overflow = (enum field_overflow)i;
            return true;
        }
    }
    reply_error(call->reply, SLICE("ERR Invalid OVERFLOW type specified"));
    return false;
}

static uint64_t field_end(const struct field *field) { return (field->offset + field->bits + 7) / 8; }

/* One that ends at 0 is empty. */
static void span_join(struct field_span *span, struct field_span more) {
    if (span->to == 0 || (more.to && more.from < span->from))
        span->from = more.from;
    if (more.to > span->to)
        span->to = more.to;
}

static void span_add(struct field_span *span, const struct field *field) {
    span_join(span, (struct field_span){field->offset / 8, field_end(field)});
}

/* Reads the subcommand at `*at` and moves on behind it. */
static bool field_read(struct cmd_call *call, uint32_t *at, enum field_overflow *overflow, struct field_list *list) {
    uint32_t left = call->argc - *at - 1;
    struct field field = {.overflow = *overflow};
    if (cmd_is(call, *at, "overflow") && left >= 1) {
        *at += 2;
        return overflow_type(call, *at - 1, overflow);
    }
    if (cmd_is(call, *at, "get") && left >= 2) {
        field.action = FIELD_GET;
    } else if (cmd_is(call, *at, "set") && left >= 3) {
        field.action = FIELD_SET;
    } else if (cmd_is(call, *at, "incrby") && left >= 3) {
        field.action = FIELD_INCRBY;
    } else {
        cmd_error_syntax(call);
        return false;
    }
    if (!field_type(call, *at + 1, &field) || !bit_offset(call, *at + 2, field.bits, &field.offset))
        return false;
    if (field.action != FIELD_GET && !cmd_integer(call, *at + 3, &field.operand))
        return false;
    *at += field.action == FIELD_GET ? 3 : 4;
    list->fields[list->count++] = field;
    span_add(&list->touched, &field);
    if (field.action != FIELD_GET) {
        list->writes = true;
        span_add(&list->written, &field);
    }
    return true;
}

static bool field_list_read(struct cmd_call *call, struct field_list *ret_list) {
    struct field_list list = {.fields = arena_take(call->arena, call->argc * sizeof *list.fields)};
    enum field_overflow overflow = OVERFLOW_WRAP;
    if (!list.fields) {
        cmd_error_status(call, STATUS_NO_MEMORY);
        return false;
    }
    for (uint32_t at = 2; at < call->argc;)
        if (!field_read(call, &at, &overflow, &list))
            return false;
    *ret_list = list;
    return true;
}

/* -------------------------------------------------------------- arithmetic */

/* How far the field's last bit is from the end of FIELD_BYTES_MAX bytes that begin with its first byte. */
static unsigned field_shift(const struct field *field) {
    return FIELD_BYTES_MAX * 8 - (unsigned)(field->offset % 8) - field->bits;
}

static uint64_t field_mask(const struct field *field) { return UINT64_MAX >> (64 - field->bits); }

/* The field as a number; any 64 bits fit, with or without sign. */
static __int128 field_get(const struct field *field, const uint8_t *bytes) {
    unsigned __int128 all = 0;
    for (int i = 0; i < FIELD_BYTES_MAX; i++)
        all = all << 8 | bytes[i];
    uint64_t value = (uint64_t)(all >> field_shift(field)) & field_mask(field);
    bool negative = field->is_signed && value >> (field->bits - 1);
    return negative ? (__int128)value - ((__int128)1 << field->bits) : (__int128)value;
}

static void field_put(const struct field *field, uint8_t *bytes, uint64_t value) {
    unsigned __int128 all = 0, mask = (unsigned __int128)field_mask(field) << field_shift(field);
    for (int i = 0; i < FIELD_BYTES_MAX; i++)
        all = all << 8 | bytes[i];
    all = (all & ~mask) | ((unsigned __int128)value << field_shift(field) & mask);
    for (int i = FIELD_BYTES_MAX; i-- > 0; all >>= 8)
        bytes[i] = (uint8_t)all;
}

/* What the field becomes; false if the overflow rule is FAIL and it does not fit. */
static bool field_new(const struct field *field, __int128 old, __int128 *ret_value) {
    __int128 max = ((__int128)1 << (field->bits - field->is_signed)) - 1, min = field->is_signed ? -max - 1 : 0;
    bool sets = field->action == FIELD_SET;
    __int128 operand = sets && !field->is_signed ? (__int128)(uint64_t)field->operand : field->operand;
    __int128 value = sets ? operand : old + operand;
    if (value < min || value > max) {
        if (field->overflow == OVERFLOW_FAIL)
            return false;
        if (field->overflow == OVERFLOW_WRAP) {
            value = (__int128)((uint64_t)value & field_mask(field));
            if (field->is_signed && value > max)
                value -= (__int128)1 << field->bits;
        } else {
            /* Redis computes the distance to the maximum in 64 bits: a SET to less than max - 2^63 + 1 saturates
             * at the maximum there, and so it does here. */
            bool far_below = sets && max - value > INT64_MAX;
            value = value > max || far_below ? max : min;
        }
    }
    *ret_value = value;
    return true;
}

/* Runs one field on the bytes it begins in, and replies. Tells whether the bytes have changed. */
static bool field_run(struct reply *reply, const struct field *field, uint8_t *bytes) {
    __int128 old = field_get(field, bytes), value;
    if (field->action == FIELD_GET) {
        reply_integer(reply, (int64_t)old);
        return false;
    }
    if (!field_new(field, old, &value)) {
        reply_null(reply);
        return false;
    }
    field_put(field, bytes, (uint64_t)value);
    reply_integer(reply, (int64_t)(field->action == FIELD_SET ? old : value));
    return value != old;
}

/* --------------------------------------------------------------- execution */

static void fields_get(struct cmd_call *call, const struct cache_key *key, const struct field_list *list) {
    struct value_view view = {0};
    enum value_result result = value_view(call, key, false, &view);
    if (result == VALUE_WRONG_TYPE)
        cmd_error_wrong_type(call);
    if (result == VALUE_WRONG_TYPE || result == VALUE_FAILED)
        return;
    reply_array(call->reply, list->count);
    for (uint32_t i = 0; i < list->count; i++) {
        uint8_t bytes[FIELD_BYTES_MAX] = {0};
        uint64_t at = list->fields[i].offset / 8, there = view.size > at ? view.size - at : 0;
        value_copy(call, &view, there ? at : 0, bytes, there < sizeof bytes ? there : sizeof bytes);
        (void)field_run(call->reply, &list->fields[i], bytes);
    }
    value_release(call, &view);
}

/* Bytes of the value, zeros behind its end. */
static void fields_load(const struct cache_edit *edit, uint64_t at, uint8_t *bytes, uint64_t size) {
    uint64_t there = edit->found && edit->size > at ? edit->size - at : 0;
    there = there < size ? there : size;
    if (there)
        cache_edit_copy_out(edit, at, bytes, there);
    memset(bytes + there, 0, size - there);
}

static enum status fields_in_window(struct cmd_call *call, struct cache_edit *edit, const struct field_list *list) {
    struct field_span all = list->touched, written = list->written;
    uint64_t size = all.to - all.from;
    uint8_t *window = arena_take(call->arena, size + FIELD_BYTES_MAX); /* a field may be loaded past its end */
    if (!window)
        return STATUS_NO_MEMORY;
    fields_load(edit, all.from, window, size);
    memset(window + size, 0, FIELD_BYTES_MAX);
    bool changed = !edit->found || edit->size < written.to; /* the value grows even if every field fails */
    for (uint32_t i = 0; i < list->count; i++) {
        const struct field *field = &list->fields[i];
        changed |= field_run(call->reply, field, window + (field->offset / 8 - all.from));
    }
    if (!changed)
        return STATUS_OK;
    return cache_edit_patch(edit, written.from,
                            slice_make(window + (written.from - all.from), written.to - written.from));
}

/* Bytes that fields touch, and those of them that fields write. */
struct field_window {
    struct field_span all, written;
    uint8_t *bytes;
};

static int compare_windows(const void *left, const void *right) {
    const struct field_window *a = left, *b = right;
    return (a->all.from > b->all.from) - (a->all.from < b->all.from);
}

/* One window for each place, in ascending order; answers how many. */
static uint32_t windows_plan(const struct field_list *list, struct field_window *windows) {
    for (uint32_t i = 0; i < list->count; i++) {
        windows[i] = (struct field_window){.bytes = NULL};
        span_add(&windows[i].all, &list->fields[i]);
        if (list->fields[i].action != FIELD_GET)
            span_add(&windows[i].written, &list->fields[i]);
    }
    qsort(windows, list->count, sizeof *windows, compare_windows);
    uint32_t count = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        struct field_window *last = count ? &windows[count - 1] : NULL;
        if (!last || windows[i].all.from >= last->all.to) {
            windows[count++] = windows[i];
            continue;
        }
        span_join(&last->all, windows[i].all);
        span_join(&last->written, windows[i].written);
    }
    return count;
}

static bool windows_load(struct cmd_call *call, const struct cache_edit *edit, struct field_window *windows,
                         uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        uint64_t size = windows[i].all.to - windows[i].all.from;
        windows[i].bytes = arena_take(call->arena, size + FIELD_BYTES_MAX); /* a field may be loaded past its end */
        if (!windows[i].bytes)
            return false;
        fields_load(edit, windows[i].all.from, windows[i].bytes, size);
        memset(windows[i].bytes + size, 0, FIELD_BYTES_MAX);
    }
    return true;
}

/* The last one that begins at or before the field, which lies in it. */
static struct field_window *window_of(struct field_window *windows, uint32_t count, const struct field *field) {
    uint32_t low = 0, high = count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        *(windows[middle].all.from <= field->offset / 8 ? &low : &high) = middle;
    }
    return &windows[low];
}

static enum status fields_in_windows(struct cmd_call *call, struct cache_edit *edit, const struct field_list *list) {
    struct field_window *windows = arena_take(call->arena, list->count * sizeof *windows);
    struct cache_patch *patches = arena_take(call->arena, list->count * sizeof *patches);
    if (!windows || !patches)
        return STATUS_NO_MEMORY;
    uint32_t count = windows_plan(list, windows), patch_count = 0;
    if (!windows_load(call, edit, windows, count))
        return STATUS_NO_MEMORY;
    bool changed = !edit->found || edit->size < list->written.to; /* the value grows even if every field fails */
    for (uint32_t i = 0; i < list->count; i++) {
        const struct field *field = &list->fields[i];
        const struct field_window *window = window_of(windows, count, field);
        changed |= field_run(call->reply, field, window->bytes + (field->offset / 8 - window->all.from));
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct field_span *written = &windows[i].written;
        if (written->to)
            patches[patch_count++] = (struct cache_patch){
                written->from,
                slice_make(windows[i].bytes + (written->from - windows[i].all.from), written->to - written->from)};
    }
    return changed ? cache_edit_patch_all(edit, patches, patch_count) : STATUS_OK;
}

static void fields_edit(struct cmd_call *call, struct cache_edit *edit, const struct field_list *list) {
    if (!value_is_string(call, edit) || !value_size_allowed(call, 0, list->written.to))
        return;
    struct reply_mark mark = reply_mark(call->reply);
    reply_array(call->reply, list->count);
    bool fits = list->touched.to - list->touched.from <= WINDOW_SIZE_MAX;
    enum status status = fits ? fields_in_window(call, edit, list) : fields_in_windows(call, edit, list);
    if (status != STATUS_OK) {
        cmd_reply_rewind(call, mark);
        cmd_error_status(call, status);
    }
}

static void bitfield(struct cmd_call *call, bool read_only) {
    struct field_list list;
    if (!field_list_read(call, &list))
        return;
    struct cache_key key = cmd_key(call, 1);
    if (!list.writes) {
        fields_get(call, &key, &list);
        return;
    }
    if (read_only) {
        reply_error(call->reply, SLICE("ERR BITFIELD_RO only supports the GET subcommand"));
        return;
    }
    struct cache_edit edit;
    value_edit_begin(call, &key, list.written.to, &edit);
    fields_edit(call, &edit, &list);
    cache_edit_end(&edit);
}

void cmd_bitfield(struct cmd_call *call) { bitfield(call, false); }

void cmd_bitfield_ro(struct cmd_call *call) { bitfield(call, true); }
