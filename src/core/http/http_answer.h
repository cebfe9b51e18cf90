/* core/http/http_answer.h: the head of an answer of HTTP/1.1, and what answers of any version say.
 *
 * Errors:  STATUS_INVALID for a field that would end its line or is no field; nothing is written then. STATUS_NO_MEMORY.
 * Threads: no state.
 */
#ifndef STRATA_CORE_HTTP_HTTP_ANSWER_H
#define STRATA_CORE_HTTP_HTTP_ANSWER_H

#include "base/buf.h"
#include "core/http/http_text.h"

enum { HTTP_DATE_SIZE = 29, HTTP_PROBLEM_MAX = 512 };

/* "Not Found"; of a number that has no name, that of its hundred. 100 <= status <= 599. */
const char *http_reason(uint16_t status);
/* Whether answers of this status have no body, whatever is said of its length. */
bool http_is_bodiless(uint16_t status);

/* "Sun, 06 Nov 1994 08:49:37 GMT", from Unix time; without terminator. */
void http_date(int64_t unix_s, char ret_text[HTTP_DATE_SIZE]);

bool http_field_is_good(const struct http_field *field);

/* "HTTP/1.1 200 OK" */
MUST_CHECK enum status http_write_status(struct buf *to, uint16_t status);
MUST_CHECK enum status http_write_field(struct buf *to, struct slice name, struct slice value);
MUST_CHECK enum status http_write_end(struct buf *to);

/* {"type":"about:blank","title":"Not Found","status":404,"detail":"..."} (RFC 9457); answers its size. `detail` is plain ASCII without quotes or backslashes; NULL: none. */
size_t http_problem(uint16_t status, const char *detail, char ret_text[HTTP_PROBLEM_MAX]);

#endif
