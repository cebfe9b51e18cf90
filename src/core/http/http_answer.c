#include "core/http/http_answer.h"

#include <stdio.h>

#include "base/assert.h"

const char *http_reason(uint16_t status) {
    static const struct {
        uint16_t status;
        char reason[32];
    } reasons[] = {
        {100, "Continue"},
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {207, "Multi-Status"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {416, "Range Not Satisfiable"},
        {417, "Expectation Failed"},
        {421, "Misdirected Request"},
        {422, "Unprocessable Content"},
        {423, "Locked"},
        {425, "Too Early"},
        {426, "Upgrade Required"},
        {428, "Precondition Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
        {507, "Insufficient Storage"},
    };
    static const char hundreds[][16] = {"Informational", "OK", "Redirection", "Client Error", "Server Error"};
    ASSERT(status >= 100 && status <= 599);
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return hundreds[status / 100 - 1];
}

bool http_is_bodiless(uint16_t status) { return status < 200 || status == 204 || status == 304; }

/* Days since 1970 to the calendar (proleptic Gregorian): years begin in March, so that the day more stands at the end. */
static void calendar(int64_t days, int64_t *ret_year, unsigned *ret_month, unsigned *ret_day) {
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    unsigned day_of_era = (unsigned)(days - era * 146097);
    unsigned year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    unsigned day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    unsigned month = (5 * day_of_year + 2) / 153;
    *ret_day = day_of_year - (153 * month + 2) / 5 + 1;
    *ret_month = month < 10 ? month + 3 : month - 9;
    *ret_year = year_of_era + era * 400 + (*ret_month <= 2);
}

void http_date(int64_t unix_s, char ret_text[HTTP_DATE_SIZE]) {
    static const char days_of_week[] = "ThuFriSatSunMonTueWed", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    enum { DAY_S = 86400 };
    const int64_t last_s = 253402300799; /* the end of 9999 */
    unix_s = unix_s < 0 ? 0 : unix_s > last_s ? last_s : unix_s;
    int64_t year, days = unix_s / DAY_S;
    unsigned month, day, of_day = (unsigned)(unix_s % DAY_S);
    calendar(days, &year, &month, &day);
    char text[64];
    int size = snprintf(text, sizeof text, "%.3s, %02u %.3s %04u %02u:%02u:%02u GMT", days_of_week + days % 7 * 3, day,
                        months + (month - 1) * 3, (unsigned)year, of_day / 3600, of_day / 60 % 60, of_day % 60);
    ASSERT(size == HTTP_DATE_SIZE);
    memcpy(ret_text, text, HTTP_DATE_SIZE);
}

bool http_field_is_good(const struct http_field *field) {
    return http_is_token(field->name) && http_is_value(field->value);
}

enum status http_write_status(struct buf *to, uint16_t status) {
    return buf_printf(to, "HTTP/1.1 %u %s\r\n", status, http_reason(status));
}

enum status http_write_field(struct buf *to, struct slice name, struct slice value) {
    if (!http_is_token(name) || !http_is_value(value))
        return STATUS_INVALID;
    TRY(buf_reserve(to, name.size + value.size + 4));
    TRY(buf_append_slice(to, name));
    TRY(buf_append(to, ": ", 2));
    TRY(buf_append_slice(to, value));
    return buf_append(to, "\r\n", 2);
}

enum status http_write_end(struct buf *to) { return buf_append(to, "\r\n", 2); }

size_t http_problem(uint16_t status, const char *detail, char ret_text[HTTP_PROBLEM_MAX]) {
    int size =
        snprintf(ret_text, HTTP_PROBLEM_MAX, "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%u%s%.300s%s}",
                 http_reason(status), status, detail ? ",\"detail\":\"" : "", detail ? detail : "", detail ? "\"" : "");
    return (size_t)size;
}
