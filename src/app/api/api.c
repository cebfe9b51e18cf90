#include "app/api/api.h"

#include <stdio.h>

#include "app/api/api_inner.h"
#include "app/api/routes.h"
#include "base/bits.h"
#include "base/json_text.h"
#include "base/number.h"
#include "core/cache/cache.h"
#include "core/http/http_text.h"

enum { ARENA_CHUNK = 8 * 1024, METHODS_SIZE = 96 };

static void answer_bare(struct http_exchange *exchange, uint16_t status) {
    http_respond(exchange, status, NULL, 0, SLICE(""));
}

/* ------------------------------------------------------------------------------------------ begin and end of a call */

static struct api_call *make_call(struct api *api, struct http_exchange *exchange, const struct http_request *request) {
    struct api_call *call = memory_take(&memory_libc, sizeof *call);
    if (!call)
        return NULL;
    *call = (struct api_call){.api = api, .exchange = exchange, .request = request, .next_call = api->first};
    arena_init(&call->arena, &memory_libc, ARENA_CHUNK);
    buf_init(&call->words, &memory_libc);
    buf_init(&call->body, &memory_libc);
    buf_init(&call->ask.commands, &memory_libc);
    call->json = json_out(&call->body);
    call->json.max = api->answer_size_max;
    call->identity.client = request->client;
    if (api->first)
        api->first->previous_call = call;
    api->first = call;
    http_exchange_set(exchange, call);
    return call;
}

void api_call_end(struct api_call *call) {
    struct api *api = call->api;
    if (call->events)
        api_events_end(call);
    ask_end(&call->ask, call->clean);
    if (call->next_call)
        call->next_call->previous_call = call->previous_call;
    if (call->previous_call)
        call->previous_call->next_call = call->next_call;
    else
        api->first = call->next_call;
    json_decref(call->document);
    buf_fini(&call->words);
    buf_fini(&call->body);
    arena_fini(&call->arena);
    memory_give(&memory_libc, call, sizeof *call);
}

/* ------------------------------------------------------------------------------------------ other sites */

static bool is_own_origin(const struct http_request *request, struct slice origin) {
    struct slice scheme = request->secure ? SLICE("https://") : SLICE("http://");
    return slice_starts_with(origin, scheme) &&
           slice_equal_nocase(slice_part(origin, scheme.size, SIZE_MAX), request->authority);
}

static bool is_allowed_origin(const struct api *api, struct slice origin) {
    for (const char *at = api->origins; *at;) {
        size_t size = strcspn(at, " ");
        if (size && slice_equal_nocase(origin, slice_make(at, size)))
            return true;
        at += size + (at[size] == ' ');
    }
    return false;
}

/* What a browser was made to send by a page of somebody else. */
static bool is_foreign(const struct api_call *call) {
    struct slice origin, site;
    if (api_field_get(call, "origin", &origin))
        return !is_own_origin(call->request, origin) && !is_allowed_origin(call->api, origin);
    return api_field_get(call, "sec-fetch-site", &site) && slice_equal(site, SLICE("cross-site"));
}

void api_call_cross_origin(struct api_call *call) {
    struct slice origin;
    if (!call->api->origins[0])
        return;
    api_field(call, "vary", SLICE("Origin"));
    if (!api_field_get(call, "origin", &origin) || !is_allowed_origin(call->api, origin))
        return;
    api_field(call, "access-control-allow-origin", origin);
    api_field(call, "access-control-expose-headers",
              SLICE("ETag, Surrogate-Key, Cache-Tag, Location, Retry-After, WWW-Authenticate"));
}

/* ------------------------------------------------------------------------------------------ routes */

static bool fits(const struct api_route *route, struct slice path, struct slice *ret_rest) {
    struct slice own = slice_from_string(route->path);
    *ret_rest = slice_part(path, own.size, SIZE_MAX);
    return slice_starts_with(path, own) && (route->flags & ROUTE_REST ? ret_rest->size > 0 : ret_rest->size == 0);
}

/* The methods of a path, "GET, HEAD, PUT" (a HEAD is a GET whose body is not sent); empty: there is no such path. */
static void methods_of(struct slice path, char ret_methods[METHODS_SIZE]) {
    size_t size = 0;
    struct slice rest;
    ret_methods[0] = 0;
    for (uint32_t i = 0; i < api_route_count; i++) {
        const struct api_route *route = &api_routes[i];
        if (fits(route, path, &rest) && size < METHODS_SIZE)
            size += (size_t)snprintf(ret_methods + size, METHODS_SIZE - size, "%s%s%s", size ? ", " : "", route->method,
                                     strcmp(route->method, "GET") == 0 ? ", HEAD" : "");
    }
}

static const struct api_route *find_route(const struct http_request *request, struct slice *ret_rest) {
    struct slice method = slice_equal(request->method, SLICE("HEAD")) ? SLICE("GET") : request->method;
    for (uint32_t i = 0; i < api_route_count; i++)
        if (slice_equal(method, slice_from_string(api_routes[i].method)) &&
            fits(&api_routes[i], request->path, ret_rest))
            return &api_routes[i];
    return NULL;
}

/* OPTIONS, or a method that the path has not. */
static void answer_methods(struct api_call *call) {
    char methods[METHODS_SIZE];
    struct slice origin;
    methods_of(call->request->path, methods);
    if (!methods[0]) {
        api_problem(call, 404, "NOTFOUND", "There is no such route; /openapi.json has them all.");
        return;
    }
    api_field(call, "allow", slice_from_string(methods));
    if (!slice_equal(call->request->method, SLICE("OPTIONS"))) {
        api_problem(call, 405, "METHOD", "This path has %s.", methods);
        return;
    }
    if (api_field_get(call, "origin", &origin) && is_allowed_origin(call->api, origin)) {
        api_field(call, "access-control-allow-methods", slice_from_string(methods));
        api_field(call, "access-control-allow-headers",
                  SLICE("Authorization, Content-Type, Accept, If-Match, If-None-Match, Cache-Control, Surrogate-Key, "
                        "Cache-Tag, Last-Event-ID, Range"));
        api_field(call, "access-control-max-age", SLICE("600"));
    }
    api_answer_empty(call, 204);
}

/* ------------------------------------------------------------------------------------------ who asks */

static bool read_basic(struct api_call *call, struct slice digits) {
    struct buf text;
    buf_init(&text, &memory_libc);
    enum status status = json_base64_read(digits, &text);
    struct slice whole = api_keep(call, buf_slice(&text));
    if (text.data)
        explicit_bzero(text.data, text.size);
    buf_fini(&text);
    const uint8_t *colon = status == STATUS_OK && whole.size ? memchr(whole.data, ':', whole.size) : NULL;
    if (!colon)
        return false;
    size_t size = (size_t)(colon - whole.data);
    call->identity.kind = LINK_PASSWORD;
    call->identity.user = size ? slice_part(whole, 0, size) : SLICE("default");
    call->identity.secret = slice_part(whole, size + 1, SIZE_MAX);
    return true;
}

/* Two that stand in a request may be two identities: whoever checked it before may have gone by the other. */
static bool has_several(const struct api_call *call, struct slice name) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < call->request->field_count; i++)
        count += slice_equal(call->request->fields[i].name, name);
    return count > 1;
}

/* False: it was answered. */
static bool read_identity(struct api_call *call) {
    struct slice value, scheme;
    if (has_several(call, SLICE("authorization"))) {
        api_problem(call, 400, "SYNTAX", "A request has one field Authorization.");
        return false;
    }
    if (!api_field_get(call, "authorization", &value)) {
        if (call->request->tls_user) {
            call->identity.kind = LINK_CERTIFICATE;
            call->identity.user = slice_from_string(call->request->tls_user);
        }
        return true;
    }
    const uint8_t *space = value.size ? memchr(value.data, ' ', value.size) : NULL;
    scheme = slice_part(value, 0, space ? (size_t)(space - value.data) : SIZE_MAX);
    struct slice rest = http_trim(slice_part(value, scheme.size, SIZE_MAX));
    if (slice_equal_nocase(scheme, SLICE("basic")) && read_basic(call, rest))
        return true;
    if (slice_equal_nocase(scheme, SLICE("bearer")) && rest.size) {
        call->identity.kind = LINK_TOKEN;
        call->identity.secret = rest;
        return true;
    }
    api_problem(call, 401, "WRONGPASS", "The field Authorization is neither Basic nor Bearer as they are written.");
    return false;
}

/* ------------------------------------------------------------------------------------------ a request */

static bool decode(struct api_call *call, struct slice text, bool plus_is_space, struct slice *ret_text) {
    uint8_t *bytes = arena_take(&call->arena, text.size + 1);
    size_t size;
    if (!bytes || !http_percent_decode(text, plus_is_space, bytes, &size))
        return false;
    *ret_text = slice_make(bytes, size);
    return true;
}

/* Whether a member of the query that is true or false says which: a word that nobody knows could be meant either way. */
static bool is_clear(const struct api_query *query) {
    static const char *const flags[] = {"dryrun", "soft", "keepttl", "writes", "groups"};
    static const char *const words[] = {"", "true", "yes", "1", "false", "no", "0"};
    bool flag = false, clear = false;
    for (size_t i = 0; i < COUNT_OF(flags); i++)
        flag |= slice_equal(query->name, slice_from_string(flags[i]));
    for (size_t i = 0; i < COUNT_OF(words); i++)
        clear |= slice_equal(query->value, slice_from_string(words[i]));
    return !flag || clear;
}

/* Where something is changed, a misspelt member may be one that matters. */
static bool is_known(const struct api_call *call, struct slice name) {
    const char *names = call->route->query;
    for (const char *at = names; at && *at;) {
        size_t size = strcspn(at, " ");
        if (size && slice_equal(name, slice_make(at, size)))
            return true;
        at += size + (at[size] == ' ');
    }
    return !names;
}

/* A second one of what is said once would be passed over. */
static bool is_repeated(const struct api_call *call, struct slice name) {
    static const char *const lists[] = {"tag", "prefix", "class"};
    for (size_t i = 0; i < COUNT_OF(lists); i++)
        if (slice_equal(name, slice_from_string(lists[i])))
            return false;
    for (uint32_t i = 0; i < call->query_count; i++)
        if (slice_equal(call->query[i].name, name))
            return true;
    return false;
}

static bool read_query(struct api_call *call) {
    struct slice query = call->request->query, name, value;
    while (http_query_next(&query, &name, &value)) {
        struct api_query *into = &call->query[call->query_count];
        if (call->query_count == API_QUERY_MAX || !decode(call, name, true, &into->name) ||
            !decode(call, value, true, &into->value)) {
            api_problem(call, 400, "SYNTAX", "The query has more than %d members, or a percent sign without digits.",
                        API_QUERY_MAX);
            return false;
        }
        if (!is_known(call, into->name)) {
            api_problem(call, 400, "SYNTAX", "The query of this route has no '%.*s'.",
                        (int)slice_part(into->name, 0, 40).size, (const char *)into->name.data);
            return false;
        }
        if (is_repeated(call, into->name)) {
            api_problem(call, 400, "SYNTAX", "The query has '%.*s' more than once.",
                        (int)slice_part(into->name, 0, 40).size, (const char *)into->name.data);
            return false;
        }
        if (!is_clear(into)) {
            api_problem(call, 400, "SYNTAX", "'%.*s' is true or false.", (int)into->name.size,
                        (const char *)into->name.data);
            return false;
        }
        call->query_count++;
    }
    int64_t db = 0;
    if (!api_query_number(call, "db", 0, CACHE_DATABASES - 1, &db))
        return false;
    call->identity.db = (uint32_t)db;
    return true;
}

/* Where the query has what else stands in the path: any name, also those that programs change in a path. False: it was answered. */
static bool read_parameter(struct api_call *call) {
    if (!(call->route->flags & ROUTE_NAMED))
        return true;
    uint32_t found = 0;
    for (uint32_t i = 0; i < call->query_count; i++)
        if (slice_equal(call->query[i].name, slice_from_string(call->route->parameter))) {
            call->name = call->query[i].value;
            found++;
        }
    if (found != 1)
        api_problem(call, 400, "SYNTAX", "The query of this route has one '%s', percent-encoded; it may be empty.",
                    call->route->parameter);
    return found == 1;
}

static bool is_json(struct slice type) {
    const uint8_t *semicolon = type.size ? memchr(type.data, ';', type.size) : NULL;
    struct slice name = http_trim(slice_part(type, 0, semicolon ? (size_t)(semicolon - type.data) : SIZE_MAX));
    struct slice end = name.size > 5 ? slice_part(name, name.size - 5, 5) : name;
    return slice_equal_nocase(name, SLICE("application/json")) || slice_equal_nocase(end, SLICE("+json"));
}

/* False: it was answered. */
static bool may_pass(struct api_call *call) {
    struct slice type;
    uint32_t flags = call->route->flags;
    if ((flags & ROUTE_CHANGES) && is_foreign(call)) {
        api_problem(call, 403, "ORIGIN", "Pages of other sites may not do this; see http-allowed-origins.");
        return false;
    }
    if ((flags & ROUTE_JSON) && (!api_field_get(call, "content-type", &type) || !is_json(type))) {
        api_problem(call, 415, "TYPE", "The body of this route is application/json, and has to say so.");
        return false;
    }
    return true;
}

static void begin(void *context, struct http_exchange *exchange, const struct http_request *request) {
    struct api_call *call = make_call(context, exchange, request);
    struct slice rest;
    if (!call) {
        answer_bare(exchange, 503);
        return;
    }
    call->route = find_route(request, &rest);
    if (!call->route && slice_equal(request->method, SLICE("PURGE"))) {
        call->route = &api_purge_route;
        rest = request->path;
    }
    if (!call->route) {
        answer_methods(call);
        return;
    }
    if (!may_pass(call))
        return;
    if (!decode(call, rest, false, &call->name)) {
        api_problem(call, 400, "SYNTAX", "The path has a percent sign without two hexadecimal digits.");
        return;
    }
    if (!read_query(call) || !read_parameter(call) || (!(call->route->flags & ROUTE_OPEN) && !read_identity(call)))
        return;
    call->route->handle(call);
}

static void gone(void *context, struct http_exchange *exchange) {
    (void)context;
    struct api_call *call = http_exchange_get(exchange);
    if (call)
        api_call_end(call);
}

static void room(void *context, struct http_exchange *exchange) {
    (void)context;
    struct api_call *call = http_exchange_get(exchange);
    if (call && call->events)
        api_events_room(call);
}

/* ------------------------------------------------------------------------------------------ the whole */

enum status api_new(struct server *server, struct http_loop *loop, const struct config_values *values,
                    struct api **ret_api) {
    struct api *api = memory_take(&memory_libc, sizeof *api);
    if (!api)
        return STATUS_NO_MEMORY;
    *api = (struct api){.server = server, .loop = loop, .answer_size_max = values->http_max_memory_bytes};
    snprintf(api->origins, sizeof api->origins, "%s", values->http_allowed_origins);
    enum status status = links_new(server, loop, values->http_max_memory_bytes, &api->links);
    if (status != STATUS_OK) {
        memory_give(&memory_libc, api, sizeof *api);
        return status;
    }
    *ret_api = api;
    return STATUS_OK;
}

void api_free(struct api *api) {
    if (!api)
        return;
    while (api->first)
        api_call_end(api->first);
    links_free(api->links);
    memory_give(&memory_libc, api, sizeof *api);
}

struct http_handler api_handler(struct api *api) {
    return (struct http_handler){.context = api, .begin = begin, .gone = gone, .room = room};
}
