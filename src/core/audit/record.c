#include "core/audit/record.h"

#include "base/assert.h"
#include "base/json_text.h"
#include "base/number.h"

static const char class_names[AUDIT_CLASSES][16] = {
    [AUDIT_AUTHENTICATION] = "authentication",
    [AUDIT_ADMINISTRATION] = "administration",
    [AUDIT_RULES] = "rules",
    [AUDIT_INVALIDATION] = "invalidation",
    [AUDIT_DENIED] = "denied",
    [AUDIT_CONNECTION] = "connection",
    [AUDIT_DATA_READ] = "data-read",
    [AUDIT_DATA_WRITE] = "data-write",
};
static const char result_names[AUDIT_RESULTS][8] = {
    [AUDIT_OK] = "ok", [AUDIT_REFUSED] = "denied", [AUDIT_FAILED] = "failed"};

const char *audit_class_name(uint32_t class) { return class < AUDIT_CLASSES ? class_names[class] : NULL; }

uint32_t audit_class_find(struct slice name) {
    uint32_t class = 0;
    while (class < AUDIT_CLASSES && !slice_equal_nocase(name, slice_from_string(class_names[class])))
        class ++;
    return class;
}

const char *audit_result_name(uint32_t result) { return result < AUDIT_RESULTS ? result_names[result] : NULL; }

/* -------------------------------------------------------------------- time */

/* So many digits, and what stands behind them. */
static char *put_digits(char *to, uint64_t number, int count, char end) {
    for (int i = count; i > 0; i--, number /= 10)
        to[i - 1] = (char)('0' + number % 10);
    to[count] = end;
    return to + count + 1;
}

/* The calendar of 400 years begins in March, so that a leap day comes last. */
void audit_time_text(uint64_t time_us, char ret_text[AUDIT_TIME_SIZE + 1]) {
    enum { DAY_S = 86400, ERA_DAYS = 146097, TO_1970 = 719468, YEAR_MAX = 9999 };
    const uint64_t seconds = time_us / 1000000, days = seconds / DAY_S + TO_1970, of_day = seconds % DAY_S;
    const uint64_t era = days / ERA_DAYS, day = days % ERA_DAYS;
    const uint64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    const uint64_t of_year = day - (365 * year + year / 4 - year / 100);
    const uint64_t month = (5 * of_year + 2) / 153;
    uint64_t shown_year = year + era * 400 + (month >= 10);
    shown_year = shown_year < YEAR_MAX ? shown_year : YEAR_MAX;
    char *to = ret_text;
    to = put_digits(to, shown_year, 4, '-');
    to = put_digits(to, month < 10 ? month + 3 : month - 9, 2, '-');
    to = put_digits(to, of_year - (153 * month + 2) / 5 + 1, 2, 'T');
    to = put_digits(to, of_day / 3600, 2, ':');
    to = put_digits(to, of_day / 60 % 60, 2, ':');
    to = put_digits(to, of_day % 60, 2, '.');
    to = put_digits(to, time_us % 1000000, 6, 'Z');
    *to = 0;
}

enum status audit_time_write(uint64_t time_us, struct buf *to) {
    char text[AUDIT_TIME_SIZE + 1];
    audit_time_text(time_us, text);
    TRY(buf_append_slice(to, SLICE("\"time\":\"")));
    TRY(buf_append(to, text, AUDIT_TIME_SIZE));
    return buf_append(to, "\"", 1);
}

/* ------------------------------------------------------------------ fields */

/* Without printf, which would go over each byte twice. */
static enum status write_name(struct buf *to, const char *name) {
    TRY(buf_append(to, ",\"", 2));
    TRY(buf_append(to, name, strlen(name)));
    return buf_append(to, "\":", 2);
}

static enum status write_field(struct buf *to, const char *name, struct slice text, size_t size_max) {
    TRY(write_name(to, name));
    return json_text_write(to, slice_part(text, 0, size_max));
}

static enum status write_word(struct buf *to, const char *name, const char *word) {
    return write_field(to, name, slice_from_string(word), AUDIT_TEXT_SIZE_MAX);
}

static enum status write_number(struct buf *to, const char *name, uint64_t number) {
    char digits[NUMBER_TEXT_MAX];
    TRY(write_name(to, name));
    return buf_append(to, digits, number_format_u64(number, digits));
}

static enum status write_names(const struct audit_record *record, struct buf *to) {
    ASSERT(record->name_count <= AUDIT_NAMES_MAX);
    if (record->name_count) {
        TRY(buf_append_slice(to, SLICE(",\"names\":[")));
        for (uint32_t i = 0; i < record->name_count; i++) {
            if (i)
                TRY(buf_append_slice(to, SLICE(",")));
            TRY(json_text_write(to, slice_part(record->names[i], 0, AUDIT_NAME_SIZE_MAX)));
        }
        TRY(buf_append_slice(to, SLICE("]")));
    }
    return record->touched > record->name_count ? write_number(to, "touched", record->touched) : STATUS_OK;
}

static enum status write_client(const struct audit_record *record, struct buf *to) {
    static const char over[][8] = {"tcp", "unix", "tls", "http"};
    if (record->client.size == 0)
        return STATUS_OK;
    TRY(write_field(to, "client", record->client, AUDIT_TEXT_SIZE_MAX));
    if (record->client_id)
        TRY(write_number(to, "id", record->client_id));
    return record->transport < AUDIT_OVER_NOTHING ? write_word(to, "over", over[record->transport]) : STATUS_OK;
}

enum status audit_record_write(const struct audit_record *record, struct buf *to) {
    const size_t before = to->size;
    TRY(audit_time_write(record->time_us, to));
    TRY(buf_append_slice(to, SLICE(",\"kind\":\"event\"")));
    TRY(write_field(to, "node", record->node, 64));
    TRY(write_word(to, "class", class_names[record->class]));
    TRY(write_field(to, "action", record->action, AUDIT_TEXT_SIZE_MAX));
    if (record->user.size)
        TRY(write_field(to, "user", record->user, AUDIT_USER_SIZE_MAX));
    TRY(write_client(record, to));
    if (record->multi)
        TRY(buf_append_slice(to, SLICE(",\"multi\":true")));
    TRY(write_names(record, to));
    TRY(write_word(to, "result", result_names[record->result]));
    if (record->error.size)
        TRY(write_field(to, "error", record->error, AUDIT_TEXT_SIZE_MAX));
    if (record->timed)
        TRY(write_number(to, "us", record->us));
    if (record->counted)
        TRY(write_number(to, "removed", record->removed));
    if (record->left_out)
        TRY(write_number(to, "left_out", record->left_out));
    ASSERT(to->size - before <= AUDIT_BODY_SIZE_MAX);
    return STATUS_OK;
}

struct slice audit_key_family(struct slice key, char *to) {
    const uint8_t *colon = key.size ? memchr(key.data, ':', key.size) : NULL;
    size_t size = colon ? (size_t)(colon - key.data) + 1 : 0;
    if (size >= AUDIT_NAME_SIZE_MAX)
        size = 0;
    if (size)
        memcpy(to, key.data, size);
    to[size] = '*';
    return slice_make(to, size + 1);
}
