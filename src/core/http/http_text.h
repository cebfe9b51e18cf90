/* core/http/http_text.h: what fields and targets are made of.
 *
 *     /v1/keys/a%2Fb ? tags=x%2Cy & ttl=30s
 *              http_percent_decode    http_query_next
 *
 * Threads: no state, no locale.
 * Memory:  what is answered points into what was handed in.
 */
#ifndef STRATA_CORE_HTTP_HTTP_TEXT_H
#define STRATA_CORE_HTTP_HTTP_TEXT_H

#include "base/slice.h"

/* Names in small letters. */
struct http_field {
    struct slice name, value;
};

/* A letter, digit or one of !#$%&'*+-.^_`|~ (RFC 9110, 5.6.2). */
bool http_is_token_byte(uint8_t byte);
bool http_is_token(struct slice text);
/* No control character but the tab; bytes over 127 are allowed. */
bool http_is_value(struct slice text);
/* Without spaces and tabs around it. */
struct slice http_trim(struct slice text);

/* Writes what `text` stands for to `ret_bytes`, which has room for text.size bytes and may be where `text` is, and answers its size in `ret_size`. False: a percent sign
 * without two hexadecimal digits. `plus_is_space`: as in queries that forms send. */
bool http_percent_decode(struct slice text, bool plus_is_space, uint8_t *ret_bytes, size_t *ret_size);

/* Takes the first `name=value` off the query, still encoded; a part without '=' has an empty value, empty parts are skipped. False: there is none. */
bool http_query_next(struct slice *query, struct slice *ret_name, struct slice *ret_value);

/* Takes the first member off a list that commas part (RFC 9110, 5.6.1), trimmed; empty ones are skipped. Quoted strings are not looked into. */
bool http_list_next(struct slice *list, struct slice *ret_member);

#endif
