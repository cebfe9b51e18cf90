/* app/api/call.h: one request, from its route to its answer.
 *
 *     route -- command(s) --> api_go -- replies --> next step -- ... --> api_answer | api_problem
 *
 * A route's handler writes commands and says which function goes on with the replies; that one answers, or asks again. Nothing may be done with
 * the call after one of api_answer, api_problem*, api_go: it may be gone. Failures to get memory are kept in `status` and found by these.
 *
 * Threads: that of HTTP.
 * Memory:  `arena`, `body` and the request live as long as the call.
 */
#ifndef STRATA_APP_API_CALL_H
#define STRATA_APP_API_CALL_H

#include <jansson.h>

#include "app/api/json_out.h"
#include "app/api/link.h"
#include "app/http/exchange.h"
#include "base/arena.h"

enum {
    API_QUERY_MAX = 24,
    API_FIELDS_MAX = 20,
    API_JSON_SIZE_MAX =
        8 * 1024 *
        1024, /* of a body that is JSON; jansson ends at a depth of 2,048 by itself, and nothing here goes deeper than 4 */
    API_BATCH_MAX = 1000,
    API_TAGS_MAX = 16, /* as an entry has them */
};

struct api;
struct api_call;
struct api_events;

/* The steps of a request. */
typedef void api_step(struct api_call *call, const struct resp_value *replies, uint32_t count);

enum api_route_flag {
    ROUTE_OPEN = 1,    /* asks nobody, and needs no rights */
    ROUTE_CHANGES = 2, /* browsers of other sites may not */
    ROUTE_JSON = 4,    /* its body is JSON, and says so */
    ROUTE_REST = 8,    /* what stands in the path behind it is its parameter, slashes and all */
    ROUTE_NAMED = 16,  /* its parameter stands in the query, by the name that `parameter` has */
};

struct api_route {
    const char *method, *path; /* without the parameter: "/v1/keys/" */
    uint32_t flags;
    const char *query;     /* " NAME NAME ": of members that its query may have; NULL: any */
    const char *parameter; /* "key"; NULL: it has none */
    void (*handle)(struct api_call *call);
};

struct api_query {
    struct slice name, value; /* decoded */
};

struct api_call {
    struct api *api;
    struct api_call *next_call, *previous_call;
    struct http_exchange *exchange;
    const struct http_request *request;
    const struct api_route *route;
    struct slice name; /* the parameter of the path, decoded */
    struct api_query query[API_QUERY_MAX];
    uint32_t query_count;
    struct link_identity identity;
    struct ask ask;
    struct buf words; /* of the command that is being written: struct slice */
    api_step *next;
    struct arena arena;
    struct buf body; /* of the answer */
    struct json_out json;
    struct http_field fields[API_FIELDS_MAX];
    uint32_t field_count;
    enum status status;
    json_t *document; /* the body as JSON; NULL: it was not asked for */
    void *state;      /* the route's, in the arena */
    uint32_t round;
    bool started;              /* its answer has begun, and can only be gone on with or cut */
    bool clean;                /* the link that it holds may be given to others */
    bool cut;                  /* its link broke when users had changed; what it asks now is whether that was why */
    struct api_events *events; /* NULL: it is none */
};

/* ---- asking */

void api_word(struct api_call *call, struct slice word);
void api_word_text(struct api_call *call, const char *word);
void api_word_number(struct api_call *call, int64_t number);
/* Ends the command that the words before make. */
void api_command_end(struct api_call *call);
/* A whole command of words without spaces in them: "TAG OF", and one more word unless its data is NULL. */
void api_command(struct api_call *call, const char *words, struct slice more);
/* Sends what was written; `next` gets a reply for each command. */
void api_go(struct api_call *call, api_step *next);
/* What an operation cannot be without: the link is this call's, from here to its answer. */
void api_hold(struct api_call *call);

/* ---- the request */

/* False: there is none. */
bool api_query_get(const struct api_call *call, const char *name, struct slice *ret_value);
/* An integer of the query within bounds; not there: stays. False: it was answered. */
bool api_query_number(struct api_call *call, const char *name, int64_t least, int64_t most, int64_t *number);
/* true, yes, 1 or nothing behind the name; read_query refuses what is none of these, nor false, no or 0. */
bool api_query_is(const struct api_call *call, const char *name);
bool api_field_get(const struct api_call *call, const char *name, struct slice *ret_value);
/* Whether `Accept` has that type by name, before what it has for anything. */
bool api_accepts(const struct api_call *call, const char *type);
/* The body as an object or array of JSON. False: it was answered. */
bool api_json_body(struct api_call *call, bool object);
/* A member that is true or false; not there: false. False: it is something else, and it was answered. */
bool api_json_is(struct api_call *call, const char *name, bool *ret_is);
/* Bytes of a string or of {"base64": "..."}. False: it is neither. */
bool api_json_bytes(struct api_call *call, const json_t *value, struct slice *ret_bytes);
/* "30s", or a number of seconds. */
bool api_duration_ms(struct slice text, int64_t *ret_ms);
struct slice api_keep(struct api_call *call, struct slice bytes);

/* ---- the answer */

void api_field(struct api_call *call, const char *name, struct slice value);
__attribute__((format(printf, 3, 4))) void api_field_format(struct api_call *call, const char *name, const char *format,
                                                            ...);
void api_answer(struct api_call *call, uint16_t status, const char *type, struct slice body);
void api_answer_empty(struct api_call *call, uint16_t status);
/* What `json` has written. */
void api_answer_json(struct api_call *call, uint16_t status);
/* RFC 9457. `code`: one word, as errors of commands begin. */
__attribute__((format(printf, 4, 5))) void api_problem(struct api_call *call, uint16_t status, const char *code,
                                                       const char *format, ...);
/* The same with one more member, JSON as it stands; data NULL: none. */
void api_problem_with(struct api_call *call, uint16_t status, const char *code, struct slice detail, const char *name,
                      struct slice json);
/* An error reply. */
void api_problem_reply(struct api_call *call, const struct resp_value *error);
/* True: the reply was an error, and it was answered. */
bool api_failed(struct api_call *call, const struct resp_value *reply);
/* Which status an error reply stands for. */
uint16_t api_status_of(struct slice error);

/* The client sees that the answer is not complete. */
void api_cut(struct api_call *call);
/* Ends the call without an answer of its own: the exchange has ended. */
void api_call_end(struct api_call *call);

static inline bool api_is(const struct resp_value *value, const char *text) {
    return slice_equal(value->text, slice_from_string(text));
}

#endif
