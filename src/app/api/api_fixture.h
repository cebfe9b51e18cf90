/* app/api/api_fixture.h: a server, the API, and exchanges that keep what they are answered, for the tests of this folder.
 *
 * The functions of app/http/exchange.h stand in api_test.c in place of the transport's.
 */
#ifndef STRATA_APP_API_API_FIXTURE_H
#define STRATA_APP_API_API_FIXTURE_H

#include "app/api/api.h"
#include "app/server/server.h"
#include "base/buf.h"
#include "unit.h"

enum { FIXTURE_FIELDS_MAX = 40, FIXTURE_TURNS_MAX = 2000 };

struct http_exchange {
    void *data;
    struct http_request request;
    struct http_field fields[FIXTURE_FIELDS_MAX];
    uint16_t status; /* 0: none yet */
    struct buf head, body;
    bool started, ended, aborted, is_gone;
    size_t taken; /* of the body, by whoever reads it */
};

struct api_fixture {
    struct server *server;
    struct http_loop *loop;
    struct api *api;
    struct http_handler handler;
    const char *client; /* whose address requests have */
};

void api_fixture_start(struct api_fixture *fixture, const char *users);
void api_fixture_stop(struct api_fixture *fixture);

/* `fields`: "name: value" lines with \n between; NULL: none. The answer is whole, or has begun, when this returns; the caller frees it. */
struct http_exchange *api_fixture_ask(struct api_fixture *fixture, const char *method, const char *target,
                                      const char *fields, struct slice body);
/* Begins, and does not wait. */
struct http_exchange *api_fixture_begin(struct api_fixture *fixture, const char *method, const char *target,
                                        const char *fields, struct slice body);
/* Turns the loop until there is an answer, or the begin of one. */
void api_fixture_wait(struct api_fixture *fixture, const struct http_exchange *exchange);
/* For the HTTP thread so much time has passed; the server's goes on by itself. */
void api_fixture_pass(struct api_fixture *fixture, uint64_t ms);
/* Turns the loop until the answer has these bytes; false: it has ended, or does not come to it. */
bool api_fixture_until(struct api_fixture *fixture, struct http_exchange *exchange, const char *text);
void api_fixture_free(struct api_fixture *fixture, struct http_exchange *exchange);
/* Of the answer; NULL: it has none. Lives as long as the exchange. */
const char *api_fixture_field(const struct http_exchange *exchange, const char *name);

#define JSON "content-type: application/json"

/* Asks, expects the status and that the body has the text; NULL: it is empty. */
static inline void expect_answer(struct api_fixture *fixture, const char *method, const char *target,
                                 const char *fields, const char *body, int status, const char *text) {
    struct http_exchange *exchange =
        api_fixture_ask(fixture, method, target, fields, slice_from_string(body ? body : ""));
    struct slice got = buf_slice(&exchange->body);
    if (exchange->status != status ||
        (text ? !got.size || !memmem(got.data, got.size, text, strlen(text)) : got.size > 0))
        fail_msg("%s %s: %d and not %d, '%.*s' and not '%s'", method, target, exchange->status, status, (int)got.size,
                 got.size ? (const char *)got.data : "", text ? text : "");
    api_fixture_free(fixture, exchange);
}

#endif
