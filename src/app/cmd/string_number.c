/* Values that are numbers: INCR DECR INCRBY DECRBY INCRBYFLOAT. */
#include <math.h>

#include "app/cmd/commands.h"
#include "app/cmd/value.h"
#include "base/decimal.h"
#include "base/number.h"

/* The value as an integer, 0 when there is none; false if it is something else. */
static bool read_integer(const struct cache_edit *edit, int64_t *ret_value) {
    char text[NUMBER_TEXT_MAX];
    if (!edit->found) {
        *ret_value = 0;
        return true;
    }
    if (edit->size >= sizeof text)
        return false;
    cache_edit_copy_out(edit, 0, text, edit->size);
    return number_parse_i64(slice_make(text, edit->size), ret_value);
}

static void add_integer(struct cmd_call *call, struct cache_edit *edit, int64_t delta) {
    int64_t value;
    if (!read_integer(edit, &value)) {
        reply_error(call->reply, SLICE("ERR value is not an integer or out of range"));
        return;
    }
    if (__builtin_add_overflow(value, delta, &value)) {
        reply_error(call->reply, SLICE("ERR increment or decrement would overflow"));
        return;
    }
    char text[NUMBER_TEXT_MAX];
    struct slice digits = slice_make(text, number_format_i64(value, text));
    enum status status = edit->found ? cache_edit_change(edit, digits) : cache_edit_set(edit, CACHE_STRING, digits, 0);
    if (status == STATUS_OK)
        reply_integer(call->reply, value);
    else
        cmd_error_status(call, status);
}

static void add(struct cmd_call *call, int64_t delta) {
    struct cache_key key = cmd_key(call, 1);
    struct cache_edit edit;
    cache_edit_begin(call->env->cache, call->actor, &key, &edit);
    if (value_is_string(call, &edit))
        add_integer(call, &edit, delta);
    cache_edit_end(&edit);
}

void cmd_incr(struct cmd_call *call) { add(call, 1); }

void cmd_decr(struct cmd_call *call) { add(call, -1); }

void cmd_incrby(struct cmd_call *call) {
    int64_t delta;
    if (cmd_integer(call, 2, &delta))
        add(call, delta);
}

void cmd_decrby(struct cmd_call *call) {
    int64_t delta;
    if (!cmd_integer(call, 2, &delta))
        return;
    if (delta == INT64_MIN)
        reply_error(call->reply, SLICE("ERR decrement would overflow"));
    else
        add(call, -delta);
}

static bool read_decimal(const struct cache_edit *edit, char text[DECIMAL_TEXT_MAX], long double *ret_value) {
    if (!edit->found) {
        *ret_value = 0;
        return true;
    }
    if (edit->size >= DECIMAL_TEXT_MAX)
        return false;
    cache_edit_copy_out(edit, 0, text, edit->size);
    return decimal_parse_long(slice_make(text, edit->size), ret_value);
}

static void add_decimal(struct cmd_call *call, struct cache_edit *edit) {
    char text[DECIMAL_TEXT_MAX];
    long double value, delta;
    if (!read_decimal(edit, text, &value)) {
        reply_error(call->reply, SLICE("ERR value is not a valid float"));
        return;
    }
    if (!cmd_float(call, 2, &delta))
        return;
    value += delta;
    if (!isfinite(value)) {
        reply_error(call->reply, SLICE("ERR increment would produce NaN or Infinity"));
        return;
    }
    struct slice digits = slice_make(text, decimal_format_plain(value, text));
    enum status status = edit->found ? cache_edit_change(edit, digits) : cache_edit_set(edit, CACHE_STRING, digits, 0);
    if (status == STATUS_OK)
        reply_bulk(call->reply, digits);
    else
        cmd_error_status(call, status);
}

void cmd_incrbyfloat(struct cmd_call *call) {
    struct cache_key key = cmd_key(call, 1);
    struct cache_edit edit;
    cache_edit_begin(call->env->cache, call->actor, &key, &edit);
    if (value_is_string(call, &edit))
        add_decimal(call, &edit);
    cache_edit_end(&edit);
}
