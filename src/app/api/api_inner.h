/* app/api/api_inner.h: what the parts of the API share.
 *
 * Threads: that of HTTP.
 */
#ifndef STRATA_APP_API_API_INNER_H
#define STRATA_APP_API_API_INNER_H

#include "app/api/api.h"
#include "app/api/call.h"

struct api {
    struct server *server;
    struct http_loop *loop;
    struct links *links;
    char origins[sizeof((struct config_values *)0)
                     ->http_allowed_origins]; /* whose pages may ask, and change something */
    struct api_call *first;
    uint32_t event_streams;
    uint64_t answer_size_max; /* of one that is made here, as JSON: http-max-memory */
};

/* Fields for browsers of other sites, where they are allowed. */
void api_call_cross_origin(struct api_call *call);

/* What If-Match of a write may have. */
enum api_tag {
    API_TAG_VERSION, /* "17" */
    API_TAG_ANY,     /* * */
    API_TAG_OTHER,   /* a weak one, or of something else: it never matches */
    API_TAG_WRONG,   /* none, or several */
};

/* `ret_version` of API_TAG_OTHER is 0, which no entry has. */
enum api_tag api_tag_read(struct slice tag, int64_t *ret_version);

/* Tags that Surrogate-Key (parted by spaces), Cache-Tag and the query's `tags` (by commas) name; counts at most API_BATCH_MAX. False: it was answered. */
bool api_tags_of_request(struct api_call *call, struct slice *ret_tags, uint32_t max, uint32_t *ret_count);

/* `tags` of a JSON body. False: it was answered. */
bool api_tags_of_json(struct api_call *call, const json_t *list, const char *name, uint32_t max, struct slice *ret_tags,
                      uint32_t *ret_count);

/* Of events.c: the transport has room again, or the client is gone. */
void api_events_room(struct api_call *call);
void api_events_end(struct api_call *call);

#endif
