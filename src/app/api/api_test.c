#include "app/api/api.h"

#include <stdio.h>

#include "app/api/api_fixture.h"
#include "app/api/api_inner.h"
#include "app/server/server_start_fixture.h"
#include "app/server/state.h"
#include "base/bits.h"
#include "sys/os/clock.h"
#include "unit.h"

/* ------------------------------------------------------------------------------------------ exchanges that keep their answers */

void http_exchange_set(struct http_exchange *exchange, void *data) { exchange->data = data; }
void *http_exchange_get(const struct http_exchange *exchange) { return exchange->data; }

static void keep(struct http_exchange *exchange, uint16_t status, const struct http_field *fields, uint32_t count) {
    assert_int_equal(exchange->status, 0);
    assert_false(exchange->is_gone);
    exchange->status = status;
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(
            buf_printf(&exchange->head, "%.*s: %.*s%c", (int)fields[i].name.size, (const char *)fields[i].name.data,
                       (int)fields[i].value.size, fields[i].value.size ? (const char *)fields[i].value.data : "", 0),
            STATUS_OK);
    assert_int_equal(buf_append(&exchange->head, "", 1), STATUS_OK);
}

void http_respond(struct http_exchange *exchange, uint16_t status, const struct http_field *fields, uint32_t count,
                  struct slice body) {
    keep(exchange, status, fields, count);
    assert_int_equal(buf_append_slice(&exchange->body, body), STATUS_OK);
    exchange->ended = true;
}

void http_start(struct http_exchange *exchange, uint16_t status, const struct http_field *fields, uint32_t count) {
    keep(exchange, status, fields, count);
    exchange->started = true;
}

void http_send(struct http_exchange *exchange, struct slice bytes) {
    assert_true(exchange->started && !exchange->ended);
    assert_int_equal(buf_append_slice(&exchange->body, bytes), STATUS_OK);
}

void http_finish(struct http_exchange *exchange) { exchange->ended = true; }
void http_abort(struct http_exchange *exchange) { exchange->ended = exchange->aborted = true; }
size_t http_unsent(const struct http_exchange *exchange) { return exchange->body.size - exchange->taken; }

bool http_field_get(const struct http_request *request, const char *name, struct slice *ret_value) {
    for (uint32_t i = 0; i < request->field_count; i++)
        if (slice_equal(request->fields[i].name, slice_from_string(name))) {
            *ret_value = request->fields[i].value;
            return true;
        }
    return false;
}

/* ------------------------------------------------------------------------------------------ the fixture */

/* Time runs by itself, and can be moved on. */
static uint64_t ahead_ms;

static uint64_t now_ms(void) { return clock_steady_ms() + ahead_ms; }

void api_fixture_start(struct api_fixture *fixture, const char *users) {
    static struct config config;
    testing_server_config(&config, 2);
    config.values.maxmemory_bytes = 128 << 20;
    if (users)
        snprintf(config.values.users, sizeof config.values.users, "%s", users);
    strcpy(config.values.http_allowed_origins, "https://fine.example https://good.example");
    *fixture = (struct api_fixture){.server = testing_server_start(&config), .client = "127.0.0.1:4711"};
    assert_int_equal(http_loop_new(&memory_libc, now_ms, &fixture->loop), STATUS_OK);
    assert_int_equal(api_new(fixture->server, fixture->loop, &config.values, &fixture->api), STATUS_OK);
    fixture->handler = api_handler(fixture->api);
}

void api_fixture_stop(struct api_fixture *fixture) {
    api_free(fixture->api);
    http_loop_free(fixture->loop);
    server_free(fixture->server);
}

static uint32_t read_fields(struct http_exchange *exchange, const char *lines) {
    uint32_t count = 0;
    for (const char *at = lines; at && *at; count++) {
        size_t size = strcspn(at, "\n"), name = strcspn(at, ":");
        exchange->fields[count] = (struct http_field){slice_make(at, name), slice_make(at + name + 2, size - name - 2)};
        at += size + (at[size] == '\n');
    }
    return count;
}

struct http_exchange *api_fixture_begin(struct api_fixture *fixture, const char *method, const char *target,
                                        const char *fields, struct slice body) {
    struct http_exchange *exchange = memory_take(&memory_libc, sizeof *exchange);
    *exchange = (struct http_exchange){0};
    buf_init(&exchange->head, &memory_libc);
    buf_init(&exchange->body, &memory_libc);
    struct slice whole = slice_from_string(target);
    size_t path = strcspn(target, "?");
    exchange->request = (struct http_request){.method = slice_from_string(method),
                                              .target = whole,
                                              .path = slice_part(whole, 0, path),
                                              .query = slice_part(whole, path + 1, SIZE_MAX),
                                              .authority = SLICE("localhost:80"),
                                              .fields = exchange->fields,
                                              .field_count = read_fields(exchange, fields),
                                              .body = body,
                                              .client = fixture->client,
                                              .version = 11};
    fixture->handler.begin(fixture->handler.context, exchange, &exchange->request);
    return exchange;
}

struct http_exchange *api_fixture_ask(struct api_fixture *fixture, const char *method, const char *target,
                                      const char *fields, struct slice body) {
    struct http_exchange *exchange = api_fixture_begin(fixture, method, target, fields, body);
    api_fixture_wait(fixture, exchange);
    return exchange;
}

void api_fixture_wait(struct api_fixture *fixture, const struct http_exchange *exchange) {
    for (int turns = 0; turns < FIXTURE_TURNS_MAX && exchange->status == 0; turns++)
        http_loop_turn(fixture->loop, 20);
    assert_int_not_equal(exchange->status, 0);
}

void api_fixture_pass(struct api_fixture *fixture, uint64_t ms) {
    ahead_ms += ms;
    for (int i = 0; i < 3; i++) /* the tick may set itself once more */
        http_loop_turn(fixture->loop, 0);
}

bool api_fixture_until(struct api_fixture *fixture, struct http_exchange *exchange, const char *text) {
    for (int i = 0; i < FIXTURE_TURNS_MAX; i++) {
        if (exchange->body.size && memmem(exchange->body.data, exchange->body.size, text, strlen(text)))
            return true;
        if (exchange->ended)
            return false;
        http_loop_turn(fixture->loop, 20);
    }
    return false;
}

void api_fixture_free(struct api_fixture *fixture, struct http_exchange *exchange) {
    if (!exchange->ended) {
        exchange->is_gone = true;
        fixture->handler.gone(fixture->handler.context, exchange);
    }
    buf_fini(&exchange->head);
    buf_fini(&exchange->body);
    memory_give(&memory_libc, exchange, sizeof *exchange);
}

const char *api_fixture_field(const struct http_exchange *exchange, const char *name) {
    size_t size = strlen(name);
    for (const char *at = (const char *)exchange->head.data; *at; at += strlen(at) + 1)
        if (strncmp(at, name, size) == 0 && at[size] == ':')
            return at + size + 2;
    return NULL;
}

static void values_are_written_read_and_deleted(void **state) {
    struct api_fixture fixture;
    (void)state;
    api_fixture_start(&fixture, NULL);
    expect_answer(&fixture, "GET", "/v1/keys/a", NULL, NULL, 404, "\"code\":\"NOTFOUND\"");
    expect_answer(&fixture, "PUT", "/v1/keys/a", NULL, "one", 201, NULL);
    expect_answer(&fixture, "PUT", "/v1/keys/a", NULL, "two", 204, NULL);
    expect_answer(&fixture, "GET", "/v1/keys/a", NULL, NULL, 200, "two");
    expect_answer(&fixture, "PUT", "/v1/keys/a", "if-none-match: *", "three", 412, "PRECONDITION");
    expect_answer(&fixture, "PUT", "/v1/keys/b?version=7", "if-none-match: *", "x", 201, NULL);
    expect_answer(&fixture, "PUT", "/v1/keys/b?version=8", "if-match: \"6\"", "y", 412, "PRECONDITION");
    expect_answer(&fixture, "PUT", "/v1/keys/b?version=8", "if-match: \"7\"", "y", 204, NULL);
    expect_answer(&fixture, "GET", "/v1/keys/b", "if-none-match: \"8\"", NULL, 304, NULL);
    expect_answer(&fixture, "GET", "/v1/keys/b", "accept: application/json", NULL, 200, "\"version\":8");
    expect_answer(&fixture, "DELETE", "/v1/keys/b", "if-match: \"7\"", NULL, 412, "PRECONDITION");
    expect_answer(&fixture, "DELETE", "/v1/keys/b", "if-match: \"8\"", NULL, 204, NULL);
    expect_answer(&fixture, "DELETE", "/v1/keys/b", NULL, NULL, 404, "NOTFOUND");
    expect_answer(&fixture, "GET", "/v1/keys/b", NULL, NULL, 404, "Deleted");
    expect_answer(&fixture, "PUT", "/v1/keys/p%2Fq%00%ff/r?ttl=30s", NULL, "z", 201, NULL);
    expect_answer(&fixture, "GET", "/v1/keys/p/q%00%FF%2fr?form=json", NULL, NULL, 200,
                  "{\"key\":{\"base64\":\"cC9xAP8vcg==\"}");
    expect_answer(&fixture, "GET", "/v1/keys/a%2", NULL, NULL, 400, "SYNTAX");
    api_fixture_stop(&fixture);
}

static void fields_tell_of_version_time_and_tags(void **state) {
    struct api_fixture fixture;
    (void)state;
    api_fixture_start(&fixture, NULL);
    expect_answer(&fixture, "PUT", "/v1/keys/a?version=5&tags=z",
                  "surrogate-key: x y\ncache-control: max-age=100, s-maxage=200", "0123456789", 201, NULL);
    struct http_exchange *exchange = api_fixture_ask(&fixture, "GET", "/v1/keys/a", "range: bytes=2-4", SLICE(""));
    assert_int_equal(exchange->status, 206);
    assert_string_equal(api_fixture_field(exchange, "etag"), "\"5\"");
    int seconds = 0;
    assert_int_equal(sscanf(api_fixture_field(exchange, "cache-control"), "max-age=%d", &seconds), 1);
    assert_in_range(seconds, 150, 200);
    assert_non_null(strstr(api_fixture_field(exchange, "surrogate-key"), "x"));
    assert_string_equal(api_fixture_field(exchange, "content-range"), "bytes 2-4/10");
    assert_true(slice_equal(buf_slice(&exchange->body), SLICE("234")));
    api_fixture_free(&fixture, exchange);
    expect_answer(&fixture, "GET", "/v1/keys/a", "range: bytes=-3", NULL, 206, "789");
    expect_answer(&fixture, "GET", "/v1/keys/a", "range: bytes=10-", NULL, 416, "RANGE");
    expect_answer(&fixture, "GET", "/v1/keys/a", "range: lines=1", NULL, 200, "0123456789");
    expect_answer(&fixture, "GET", "/v1/tags/x", NULL, NULL, 200, "\"count\":1");
    expect_answer(&fixture, "PURGE", "/", "surrogate-key: x\nfastly-soft-purge: 1", NULL, 200, "\"entries\":1");
    expect_answer(&fixture, "GET", "/v1/keys/a", NULL, NULL, 404, "NOTFOUND");
    api_fixture_stop(&fixture);
}

static void patches_are_all_or_nothing(void **state) {
    struct api_fixture fixture;
    (void)state;
    api_fixture_start(&fixture, NULL);
    expect_answer(&fixture, "PATCH", "/v1/keys/n", JSON, "{\"increment\":2}", 404, "NOTFOUND");
    expect_answer(&fixture, "PATCH", "/v1/keys/n", JSON, "{\"increment\":2,\"create\":true,\"ttl\":\"30s\"}", 200,
                  "\"value\":2");
    expect_answer(&fixture, "PATCH", "/v1/keys/n", JSON, "{\"increment\":3,\"tags\":{\"add\":[\"t\"]}}", 200,
                  "\"tags_added\":1");
    expect_answer(&fixture, "GET", "/v1/keys/n?form=json", NULL, NULL, 200, "\"value\":\"5\"");
    expect_answer(&fixture, "PUT", "/v1/keys/s", NULL, "text", 201, NULL);
    expect_answer(&fixture, "PATCH", "/v1/keys/s", JSON, "{\"increment\":1,\"ttl\":5}", 409, "nothing was changed");
    expect_answer(&fixture, "GET", "/v1/keys/s?form=json", NULL, NULL, 200, "\"ttl_ms\":null");
    expect_answer(&fixture, "PATCH", "/v1/keys/s", JSON, "{\"append\":\"!\"}", 200, "\"size\":5");
    expect_answer(&fixture, "PATCH", "/v1/keys/s", "content-type: text/plain", "{}", 415, "TYPE");
    expect_answer(&fixture, "PATCH", "/v1/keys/s", JSON, "{\"nonsense\":1}", 400, "nonsense");
    expect_answer(&fixture, "PATCH", "/v1/keys/s", JSON, "{}", 400, "no change");
    expect_answer(&fixture, "PATCH", "/v1/keys/s", JSON "\nif-match: \"99\"", "{\"ttl\":9}", 412, "PRECONDITION");
    api_fixture_stop(&fixture);
}

static void many_keys_go_at_once(void **state) {
    struct api_fixture fixture;
    (void)state;
    api_fixture_start(&fixture, NULL);
    const char *operations =
        "{\"operations\":[{\"op\":\"set\",\"key\":\"a\",\"value\":\"1\",\"tags\":[\"t\"]},{\"op\":\"get\",\"key\":"
        "\"a\"},"
        "{\"op\":\"delete\",\"key\":\"b\"},{\"op\":\"set\",\"key\":\"a\",\"value\":\"2\",\"if\":\"absent\"}]%s}";
    char text[512];
    for (int atomic = 0; atomic < 2; atomic++) {
        snprintf(text, sizeof text, operations, atomic ? ",\"atomic\":true" : "");
        expect_answer(&fixture, "POST", "/v1/keys:batch", JSON, text, 200, "{\"status\":404},{\"status\":412}]}");
    }
    expect_answer(&fixture, "POST", "/v1/keys:batch", JSON,
                  "{\"operations\":[{\"op\":\"delete\",\"key\":\"a\"},{\"op\":\"pop\",\"key\":\"a\"}]}", 400,
                  "Operation 1");
    expect_answer(&fixture, "GET", "/v1/keys/a", NULL, NULL, 200, "1");
    expect_answer(&fixture, "GET", "/v1/keys?prefix=a", NULL, NULL, 200, "{\"keys\":[\"a\"],\"cursor\":null}");
    expect_answer(&fixture, "GET", "/v1/keys?prefix=*", NULL, NULL, 200, "{\"keys\":[],\"cursor\":null}");
    expect_answer(&fixture, "GET", "/v1/keys?prefix=a&match=b", NULL, NULL, 400, "go together");
    api_fixture_stop(&fixture);
}

static void who_asks_has_to_say_so(void **state) {
    struct api_fixture fixture;
    (void)state;
    /* ann:one, bob:two */
    api_fixture_start(&fixture, "user default off\nuser ann on >one ~* &* +@all\nuser bob on >two ~mine:* +@all\n");
    expect_answer(&fixture, "GET", "/v1/keys/a", NULL, NULL, 401, "\"detail\":\"Say who you are: Authorization");
    expect_answer(&fixture, "GET", "/v1/keys/a", "authorization: Basic YW5uOnR3bw==", NULL, 401, "WRONGPASS");
    expect_answer(&fixture, "GET", "/v1/keys/a", "authorization: Basic !", NULL, 401, "WRONGPASS");
    expect_answer(&fixture, "GET", "/v1/keys/a", "authorization: Bearer x", NULL, 401, "WRONGPASS");
    expect_answer(&fixture, "PUT", "/v1/keys/a", "authorization: Basic YW5uOm9uZQ==", "v", 201, NULL);
    expect_answer(&fixture, "GET", "/v1/keys/a", "authorization: Basic Ym9iOnR3bw==", NULL, 403, "NOPERM");
    expect_answer(&fixture, "PUT", "/v1/keys/mine:a", "authorization: Basic Ym9iOnR3bw==", "v", 201, NULL);
    expect_answer(&fixture, "POST", "/v1/commands",
                  JSON "\nauthorization: Basic YW5uOm9uZQ==", "[\"ACL\",\"SETUSER\",\"bob\",\"resetpass\",\">three\"]",
                  200, "OK");
    expect_answer(&fixture, "GET", "/v1/keys/mine:a", "authorization: Basic Ym9iOnR3bw==", NULL, 401, "WRONGPASS");
    expect_answer(&fixture, "GET", "/livez", NULL, NULL, 200, "ok");
    expect_answer(&fixture, "GET", "/readyz", NULL, NULL, 200, "ok");
    expect_answer(&fixture, "GET", "/health", NULL, NULL, 200, "\"status\":\"pass\"");
    expect_answer(&fixture, "GET", "/openapi.json", NULL, NULL, 200, "\"openapi\":\"3.1.0\"");
    api_fixture_stop(&fixture);
}

/* In protected mode. What somebody here has opened is not for those elsewhere. */
static void who_is_elsewhere_needs_a_password(void **state) {
    struct api_fixture fixture;
    (void)state;
    api_fixture_start(&fixture, NULL);
    expect_answer(&fixture, "PUT", "/v1/keys/a", NULL, "v", 201, NULL);
    fixture.client = "192.0.2.7:4711";
    expect_answer(&fixture, "GET", "/v1/keys/a", NULL, NULL, 403, "DENIED");
    fixture.client = "[2001:db8::7]:4711";
    expect_answer(&fixture, "GET", "/v1/keys/a", NULL, NULL, 403, "DENIED");
    fixture.client = "[::1]:4711";
    expect_answer(&fixture, "GET", "/v1/keys/a", NULL, NULL, 200, "v");
    api_fixture_stop(&fixture);
}

static void pages_of_others_change_nothing(void **state) {
    struct api_fixture fixture;
    (void)state;
    api_fixture_start(&fixture, NULL);
    expect_answer(&fixture, "PUT", "/v1/keys/a", "origin: https://evil.example", "v", 403, "ORIGIN");
    expect_answer(&fixture, "PUT", "/v1/keys/a", "sec-fetch-site: cross-site", "v", 403, "ORIGIN");
    expect_answer(&fixture, "PURGE", "/v1/keys/a", "origin: null", NULL, 403, "ORIGIN");
    expect_answer(&fixture, "PUT", "/v1/keys/a", "origin: http://localhost:80", "v", 201, NULL);
    struct http_exchange *exchange =
        api_fixture_ask(&fixture, "OPTIONS", "/v1/keys/a",
                        "origin: https://good.example\naccess-control-request-method: PUT", SLICE(""));
    assert_int_equal(exchange->status, 204);
    assert_string_equal(api_fixture_field(exchange, "allow"), "GET, HEAD, PUT, PATCH, DELETE, PURGE");
    assert_string_equal(api_fixture_field(exchange, "access-control-allow-origin"), "https://good.example");
    api_fixture_free(&fixture, exchange);
    expect_answer(&fixture, "DELETE", "/v1/keys/a", "origin: https://good.example", NULL, 204, NULL);
    expect_answer(&fixture, "POST", "/v1/keys/a", NULL, NULL, 405, "METHOD");
    expect_answer(&fixture, "GET", "/v2", NULL, NULL, 404, "NOTFOUND");
    api_fixture_stop(&fixture);
}

static void events_come_as_they_happen(void **state) {
    struct api_fixture fixture;
    (void)state;
    api_fixture_start(&fixture, NULL);
    struct http_exchange *events =
        api_fixture_ask(&fixture, "GET", "/v1/events?types=tag,invalidated&heartbeat_ms=100", NULL, SLICE(""));
    assert_int_equal(events->status, 200);
    assert_true(api_fixture_until(&fixture, events, ": here\n\n"));
    expect_answer(&fixture, "POST", "/v1/invalidations", JSON, "{\"keys\":[\"k\"],\"tags\":[\"t\"],\"reason\":\"why\"}",
                  200, "entries");
    assert_true(api_fixture_until(&fixture, events, "event: invalidated\ndata: {"));
    assert_true(api_fixture_until(&fixture, events, "event: tag\ndata: {"));
    assert_true(api_fixture_until(&fixture, events, ": heartbeat\n\n"));
    /* From the first on: the second comes again. */
    char last[128];
    const char *id = memmem(events->body.data, events->body.size, "id: ", 4);
    snprintf(last, sizeof last, "last-event-id: %.*s", (int)strcspn(id + 4, "\n"), id + 4);
    struct http_exchange *again = api_fixture_ask(&fixture, "GET", "/v1/events", last, SLICE(""));
    assert_true(api_fixture_until(&fixture, again, "\"reason\":\"why\""));
    assert_true(api_fixture_until(&fixture, again, "event: tag"));
    api_fixture_free(&fixture, again);
    /* Rights that change end it. */
    expect_answer(&fixture, "POST", "/v1/commands", JSON, "[\"ACL\",\"SETUSER\",\"new\"]", 200, "OK");
    assert_false(api_fixture_until(&fixture, events, "nothing"));
    assert_true(events->aborted);
    api_fixture_free(&fixture, events);
    expect_answer(&fixture, "GET", "/v1/events", "last-event-id: x", NULL, 400, "SYNTAX");
    api_fixture_stop(&fixture);
}

static void the_server_tells_of_itself(void **state) {
    struct api_fixture fixture;
    (void)state;
    api_fixture_start(&fixture, NULL);
    expect_answer(&fixture, "GET", "/v1/info?section=server", NULL, NULL, 200, "{\"server\":{\"");
    expect_answer(&fixture, "GET", "/v1/info", NULL, NULL, 200, "\"persistence\":{");
    expect_answer(&fixture, "GET", "/v1/stats", NULL, NULL, 200, "{\"stats\":{\"");
    expect_answer(&fixture, "GET", "/v1/clients", NULL, NULL, 200, "\"name\":\"http\"");
    expect_answer(&fixture, "GET", "/v1/clients", NULL, NULL, 200, "\"addr\":\"127.0.0.1:4711\"");
    expect_answer(&fixture, "GET", "/v1/slowlog", NULL, NULL, 200, "{\"entries\":[");
    expect_answer(&fixture, "GET", "/v1/config?match=maxmemory", NULL, NULL, 200, "{\"maxmemory\":\"");
    expect_answer(&fixture, "PATCH", "/v1/config", JSON, "{\"timeout\":77}", 204, NULL);
    expect_answer(&fixture, "GET", "/v1/config?match=timeout", NULL, NULL, 200, "{\"timeout\":\"77\"}");
    expect_answer(&fixture, "PATCH", "/v1/config", JSON, "{\"nonsense\":77}", 400, "ERR");
    expect_answer(&fixture, "GET", "/v1/stores", NULL, NULL, 200, "default");
    expect_answer(&fixture, "GET", "/v1/stores/default", NULL, NULL, 200, "{");
    expect_answer(&fixture, "GET", "/v1/stores/nobody", NULL, NULL, 404, "NOTFOUND");
    expect_answer(&fixture, "PUT", "/v1/rules", "content-type: application/yaml",
                  "version: 1\nkeys:\n  \"user:{id}\": { ttl: 1h }\n", 204, NULL);
    expect_answer(&fixture, "PUT", "/v1/rules", "content-type: application/yaml", "version: 9\n", 422,
                  "\"detail\":\"the manifest is wrong");
    expect_answer(&fixture, "PUT", "/v1/rules", "content-type: text/plain", "version: 9\n", 415, "TYPE");
    expect_answer(&fixture, "GET", "/v1/rules", NULL, NULL, 200, "user:{id}");
    expect_answer(&fixture, "GET", "/v1/rules", "accept: application/json", NULL, 200, "{\"");
    expect_answer(&fixture, "GET", "/v1/classes", NULL, NULL, 200, "\"class\":\"user:{id}\"");
    expect_answer(&fixture, "GET", "/v1/explain/user:7", NULL, NULL, 200, "\"state\":\"absent\"");
    expect_answer(&fixture, "GET", "/v1/snapshots", NULL, NULL, 200, "last_saved");
    expect_answer(&fixture, "POST", "/v1/snapshots", NULL, NULL, 409, "Nothing is kept");
    expect_answer(&fixture, "GET", "/metrics", NULL, NULL, 200, "strata_ready 1");
    expect_answer(&fixture, "POST", "/v1/commands", JSON, "[\"SET\",\"k\",\"v\"]", 200, "{\"reply\":\"OK\"}");
    expect_answer(&fixture, "POST", "/v1/commands", JSON, "[\"subscribe\",\"k\"]", 422, "NOTHERE");
    expect_answer(&fixture, "POST", "/v1/commands", JSON, "[\"GET\"]", 400, "wrong number");
    expect_answer(&fixture, "POST", "/v1/commands", JSON, "{}", 400, "not an array");
    expect_answer(&fixture, "GET", "/v1/keys/k?db=1", NULL, NULL, 404, "NOTFOUND");
    expect_answer(&fixture, "GET", "/v1/keys/k?db=16", NULL, NULL, 400, "SYNTAX");
    api_fixture_stop(&fixture);
}

static void it_is_not_ready_while_the_log_refuses(void **state) {
    struct api_fixture fixture;
    (void)state;
    api_fixture_start(&fixture, NULL);
    expect_answer(&fixture, "GET", "/readyz", NULL, NULL, 200, "ok");
    atomic_store(&fixture.server->log_refuses, true);
    expect_answer(&fixture, "GET", "/readyz", NULL, NULL, 503, "log");
    expect_answer(&fixture, "GET", "/health", NULL, NULL, 503, "\"log\":{\"status\":\"fail\"");
    expect_answer(&fixture, "GET", "/livez", NULL, NULL, 200, "ok");
    atomic_store(&fixture.server->log_refuses, false);
    expect_answer(&fixture, "GET", "/readyz", NULL, NULL, 200, "ok");
    server_stop(fixture.server);
    expect_answer(&fixture, "GET", "/readyz", NULL, NULL, 503, "stopping");
    expect_answer(&fixture, "GET", "/v1/keys/a", NULL, NULL, 503, "CLOSED");
    api_fixture_stop(&fixture);
}

static void large_values_pass(void **state) {
    enum { SIZE = 8 << 20 };
    struct api_fixture fixture;
    (void)state;
    api_fixture_start(&fixture, NULL);
    uint8_t *bytes = memory_take(&memory_libc, SIZE);
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = (uint8_t)(i * 2654435761u >> 13);
    struct http_exchange *exchange = api_fixture_ask(&fixture, "PUT", "/v1/keys/big", NULL, slice_make(bytes, SIZE));
    assert_int_equal(exchange->status, 201);
    api_fixture_free(&fixture, exchange);
    exchange = api_fixture_ask(&fixture, "GET", "/v1/keys/big", NULL, SLICE(""));
    assert_int_equal(exchange->status, 200);
    assert_true(slice_equal(buf_slice(&exchange->body), slice_make(bytes, SIZE)));
    api_fixture_free(&fixture, exchange);
    memory_give(&memory_libc, bytes, SIZE);
    api_fixture_stop(&fixture);
}

/* More than there are links, each of which holds one. */
static void who_finds_no_link_waits(void **state) {
    enum { MANY = 400 };
    struct api_fixture fixture;
    struct http_exchange *exchanges[MANY];
    (void)state;
    api_fixture_start(&fixture, NULL);
    expect_answer(&fixture, "PUT", "/v1/keys/n", NULL, "0", 201, NULL);
    for (int i = 0; i < MANY; i++)
        exchanges[i] = api_fixture_begin(&fixture, "POST", "/v1/commands", JSON, SLICE("[\"INCR\",\"n\"]"));
    for (int i = 0; i < MANY; i++) {
        for (int turns = 0; turns < FIXTURE_TURNS_MAX && !exchanges[i]->ended; turns++)
            http_loop_turn(fixture.loop, 20);
        assert_int_equal(exchanges[i]->status, 200);
        api_fixture_free(&fixture, exchanges[i]);
    }
    expect_answer(&fixture, "GET", "/v1/keys/n", NULL, NULL, 200, "400");
    api_fixture_stop(&fixture);
}

static void idle_links_are_closed(void **state) {
    struct api_fixture fixture;
    (void)state;
    api_fixture_start(&fixture, NULL);
    expect_answer(&fixture, "POST", "/v1/commands", JSON, "[\"PING\"]", 200,
                  "PONG"); /* its own, and closed behind it */
    expect_answer(&fixture, "PUT", "/v1/keys/a", NULL, "v", 201, NULL);
    assert_int_equal(links_count(fixture.api->links), 1);
    api_fixture_pass(&fixture, LINK_IDLE_MS - 2000);
    assert_int_equal(links_count(fixture.api->links), 1);
    api_fixture_pass(&fixture, 4000);
    assert_int_equal(links_count(fixture.api->links), 0);
    expect_answer(&fixture, "GET", "/v1/keys/a", NULL, NULL, 200, "v");
    api_fixture_stop(&fixture);
}

static void who_gets_no_answer_is_told_so(void **state) {
    struct api_fixture fixture;
    (void)state;
    api_fixture_start(&fixture, NULL);
    expect_answer(&fixture, "PUT", "/v1/keys/a", NULL, "v", 201, NULL);
    expect_answer(&fixture, "POST", "/v1/commands", JSON, "[\"CLIENT\",\"PAUSE\",\"600000\",\"ALL\"]", 200, "OK");
    struct http_exchange *one = api_fixture_begin(&fixture, "GET", "/v1/keys/a", NULL, SLICE(""));
    struct http_exchange *other = api_fixture_begin(&fixture, "PATCH", "/v1/keys/a", JSON, SLICE("{\"ttl\":9}"));
    api_fixture_pass(&fixture, ASK_MS_MAX - 2000);
    assert_false(one->ended || other->ended);
    api_fixture_pass(&fixture, 4000);
    assert_int_equal(one->status, 504);
    assert_int_equal(other->status, 504);
    assert_int_equal(links_count(fixture.api->links), 0);
    api_fixture_free(&fixture, one);
    api_fixture_free(&fixture, other);
    api_fixture_stop(&fixture);
}

/* Clients that go away while they are waited for, and many at once. */
static void who_goes_is_forgotten(void **state) {
    enum { MANY = 300 };
    struct api_fixture fixture;
    struct http_exchange *exchanges[MANY];
    (void)state;
    api_fixture_start(&fixture, NULL);
    for (int i = 0; i < MANY; i++)
        exchanges[i] = api_fixture_begin(&fixture, i % 3 ? "PUT" : "DELETE", "/v1/keys/k",
                                         i % 2 ? NULL : "if-match: \"5\"", SLICE("v"));
    for (int i = 0; i < MANY; i += 2) {
        api_fixture_free(&fixture, exchanges[i]);
        if (i % 32 == 0)
            http_loop_turn(fixture.loop, 0);
    }
    for (int i = 1; i < MANY; i += 2) {
        for (int turns = 0; turns < FIXTURE_TURNS_MAX && !exchanges[i]->ended; turns++)
            http_loop_turn(fixture.loop, 20);
        assert_true(exchanges[i]->ended);
        assert_in_range(exchanges[i]->status, 201, 503);
        api_fixture_free(&fixture, exchanges[i]);
    }
    api_fixture_stop(&fixture);
}

/* Nothing is done for real because of a word that may have been meant otherwise. */
static void what_may_be_meant_either_way_is_refused(void **state) {
    struct api_fixture fixture;
    (void)state;
    api_fixture_start(&fixture, NULL);
    expect_answer(&fixture, "PUT", "/v1/keys/a", NULL, "one", 201, NULL);
    const char *const bodies[] = {"{\"pattern\": \"*\", \"dryrun\": 1}", "{\"pattern\": \"*\", \"dryrun\": \"true\"}",
                                  "{\"pattern\": \"*\", \"soft\": \"yes\"}", "{\"pattern\": \"*\", \"dryrun\": null}"};
    for (size_t i = 0; i < COUNT_OF(bodies); i++)
        expect_answer(&fixture, "POST", "/v1/invalidations", JSON, bodies[i], 400, "is true or false");
    expect_answer(&fixture, "POST", "/v1/invalidations?dryrun=ture", JSON, "{\"pattern\": \"*\"}", 400, "'dryrun'");
    expect_answer(&fixture, "POST", "/v1/invalidations?dryrun", JSON, "{\"pattern\": \"*\"}", 200, "\"entries\":1");
    expect_answer(&fixture, "PURGE", "/v1/keys/a?soft=on", NULL, NULL, 400, "'soft'");
    expect_answer(&fixture, "PUT", "/v1/keys/a?tll=30s", NULL, "two", 400, "no 'tll'");
    expect_answer(&fixture, "PUT", "/v1/keys/b?tag=x,y&tags=z&db=3", NULL, "two", 201, NULL);
    expect_answer(&fixture, "POST", "/v1/invalidations?dry_run=1", JSON, "{\"pattern\": \"*\"}", 400, "no 'dry_run'");
    expect_answer(&fixture, "PURGE", "/page?v=7", NULL, NULL, 200, "\"entries\":0");
    expect_answer(&fixture, "GET", "/v1/keys/a?v=7", NULL, NULL, 200, "one");
    expect_answer(&fixture, "PUT", "/v1/rules?dryrun=on", "content-type: application/yaml", "classes: {}", 400,
                  "'dryrun'");
    expect_answer(&fixture, "POST", "/v1/keys:batch", JSON,
                  "{\"operations\": [{\"op\": \"delete\", \"key\": \"a\"}], \"atomic\": \"yes\"}", 400, "'atomic'");
    expect_answer(&fixture, "PATCH", "/v1/keys/a", JSON, "{\"persist\": \"true\"}", 400, "'persist'");
    expect_answer(&fixture, "PATCH", "/v1/keys/b", JSON, "{\"append\": \"x\", \"create\": 1}", 400, "'create'");
    expect_answer(&fixture, "GET", "/v1/keys/a", NULL, NULL, 200, "one");
    api_fixture_stop(&fixture);
}

/* Conditions and times as other programs write them. */
static void conditions_are_never_passed_over(void **state) {
    struct api_fixture fixture;
    (void)state;
    api_fixture_start(&fixture, NULL);
    expect_answer(&fixture, "PUT", "/v1/keys/a?version=5", NULL, "one", 201, NULL);
    expect_answer(&fixture, "PUT", "/v1/keys/a", "if-match: ", "two", 400, "If-Match");
    expect_answer(&fixture, "PUT", "/v1/keys/a", "if-none-match: ", "two", 400, "If-None-Match");
    expect_answer(&fixture, "DELETE", "/v1/keys/a", "if-match: ", NULL, 412, "PRECONDITION");
    expect_answer(&fixture, "GET", "/v1/keys/a", NULL, NULL, 200, "one");
    const char *const times[] = {"cache-control: Max-Age=100", "cache-control: public, S-MAXAGE=\"100\", max-age=7",
                                 "cache-control: no-transform\ncache-control: max-age=100"};
    for (size_t i = 0; i < COUNT_OF(times); i++) {
        expect_answer(&fixture, "PUT", "/v1/keys/a", times[i], "two", 204, NULL);
        expect_answer(&fixture, "POST", "/v1/commands", JSON, "[\"EXPIRE\", \"a\", 99, \"GT\"]", 200, "\"reply\":0");
        expect_answer(&fixture, "POST", "/v1/commands", JSON, "[\"EXPIRE\", \"a\", 200, \"GT\"]", 200, "\"reply\":1");
    }
    api_fixture_stop(&fixture);
}

/* RFC 9457: `detail` is a string, whatever bytes an error names. */
static void problems_are_texts(void **state) {
    struct api_fixture fixture;
    (void)state;
    api_fixture_start(&fixture, NULL);
    expect_answer(&fixture, "POST", "/v1/commands", JSON, "[{\"base64\": \"/w==\"}]", 400,
                  "\"detail\":\"unknown command '?'");
    expect_answer(&fixture, "POST", "/v1/invalidations", JSON,
                  "{\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\u00e9x\": 1}", 400, "\"detail\":\"Nobody knows");
    expect_answer(&fixture, "POST", "/v1/commands", JSON, "[\"\u00e9\"]", 400, "'\u00e9'");
    api_fixture_stop(&fixture);
}

/* Whichever of those that share a link asked first: none of them is told that the server stops. */
static void who_is_refused_is_told_why(void **state) {
    enum { MANY = 60 };
    struct api_fixture fixture;
    struct http_exchange *exchanges[MANY];
    (void)state;
    api_fixture_start(&fixture, "user bob on >bob ~* +@all");
    for (int i = 0; i < MANY; i++)
        exchanges[i] = api_fixture_begin(&fixture, "GET", "/v1/keys/a", "authorization: Basic Ym9iOm5v", SLICE(""));
    for (int i = 0; i < MANY; i++) {
        for (int turns = 0; turns < FIXTURE_TURNS_MAX && !exchanges[i]->ended; turns++)
            http_loop_turn(fixture.loop, 20);
        assert_int_equal(exchanges[i]->status, 401);
        api_fixture_free(&fixture, exchanges[i]);
    }
    expect_answer(&fixture, "GET", "/v1/keys/a", "authorization: Basic Ym9iOmJvYg==\nauthorization: Basic Ym9iOm5v",
                  NULL, 400, "one field Authorization");
    api_fixture_stop(&fixture);
}

/* Of a user who may read one key, and makes as many requests that wait as he can. */
static void nobody_takes_the_links_of_others(void **state) {
    enum { MANY = 200 };
    const char *const bob = "content-type: application/json\nauthorization: Basic Ym9iOnR3bw==";
    const char *const ann = "content-type: application/json\nauthorization: Basic YW5uOm9uZQ==";
    struct slice waits = SLICE("[\"CGET\", \"mine:z\", \"LEASE\", 60000, \"WAIT\", 60000, \"BLOCK\"]");
    struct api_fixture fixture;
    struct http_exchange *exchanges[MANY];
    char target[64];
    (void)state;
    api_fixture_start(&fixture,
                      "user default off\nuser ann on >one ~* &* +@all\nuser bob on >two ~mine:* +cget +select\n");
    expect_answer(&fixture, "POST", "/v1/commands", bob, "[\"CGET\", \"mine:z\", \"LEASE\", 60000]", 200, "LOAD");
    for (int i = 0; i < MANY; i++) {
        snprintf(target, sizeof target, "/v1/commands?db=%d", i % 16);
        exchanges[i] = api_fixture_begin(&fixture, "POST", i < 16 ? target : "/v1/commands", bob, waits);
    }
    expect_answer(&fixture, "POST", "/v1/commands", ann, "[\"ECHO\", \"x\"]", 200, "x");
    expect_answer(&fixture, "PUT", "/v1/keys/n", ann, "5", 201, NULL);
    expect_answer(&fixture, "PATCH", "/v1/keys/n", ann, "{\"increment\": 2}", 200, "7");
    expect_answer(&fixture, "GET", "/v1/keys/mine:a", bob, NULL, 404, "NOTFOUND"); /* he himself as well */
    assert_int_equal(exchanges[MANY - 1]->status, 0);
    expect_answer(&fixture, "PUT", "/v1/keys/mine:z", ann, "there", 201, NULL);
    for (int i = 0; i < MANY; i++) {
        for (int turns = 0; turns < FIXTURE_TURNS_MAX && !exchanges[i]->ended && i >= 16; turns++)
            http_loop_turn(fixture.loop, 20);
        assert_true(exchanges[i]->status == 200 || i < 16);
        api_fixture_free(&fixture, exchanges[i]);
    }
    api_fixture_stop(&fixture);
}

/* Bytes that are no letters become six each. */
static void answers_as_json_are_bounded(void **state) {
    enum { SIZE = 5000 };
    struct api_fixture fixture;
    char value[SIZE + 1];
    (void)state;
    memset(value, 1, SIZE);
    value[SIZE] = 0;
    api_fixture_start(&fixture, NULL);
    expect_answer(&fixture, "PUT", "/v1/keys/a", NULL, value, 201, NULL);
    expect_answer(&fixture, "GET", "/v1/keys/a?form=json", NULL, NULL, 200, "\"size\":5000");
    fixture.api->answer_size_max = 2 * SIZE;
    struct http_exchange *exchange = api_fixture_ask(&fixture, "GET", "/v1/keys/a?form=json", NULL, SLICE(""));
    assert_int_equal(exchange->status, 422);
    assert_null(api_fixture_field(exchange, "retry-after")); /* it would be as large later */
    api_fixture_free(&fixture, exchange);
    expect_answer(&fixture, "POST", "/v1/commands", JSON, "[\"MGET\", \"a\", \"a\"]", 422, "http-max-memory");
    expect_answer(&fixture, "GET", "/v1/keys/a", NULL, NULL, 200, value);
    api_fixture_stop(&fixture);
}

static void increments_are_the_numbers_that_were_written(void **state) {
    struct api_fixture fixture;
    (void)state;
    api_fixture_start(&fixture, NULL);
    expect_answer(&fixture, "PATCH", "/v1/keys/a", JSON, "{\"increment\": 0.1, \"create\": true}", 200, ":0.1}");
    expect_answer(&fixture, "PATCH", "/v1/keys/b", JSON, "{\"increment\": -2.675, \"create\": true}", 200, ":-2.675}");
    expect_answer(&fixture, "PATCH", "/v1/keys/c", JSON, "{\"increment\": 0.30000000000000004, \"create\": true}", 200,
                  ":0.30000000000000004}");
    api_fixture_stop(&fixture);
}

/* A cache that keeps a value for so long is not to keep what somebody was told in its place. */
static void problems_are_not_as_fresh_as_values(void **state) {
    struct api_fixture fixture;
    (void)state;
    api_fixture_start(&fixture, NULL);
    expect_answer(&fixture, "PUT", "/v1/keys/a?version=5&ttl=100", NULL, "one", 201, NULL);
    const char *const fields[] = {"if-match: \"6\"", "range: bytes=7-"};
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        struct http_exchange *exchange = api_fixture_ask(&fixture, "GET", "/v1/keys/a", fields[i], SLICE(""));
        assert_int_equal(exchange->status, i ? 416 : 412);
        assert_null(api_fixture_field(exchange, "cache-control"));
        assert_string_equal(api_fixture_field(exchange, "etag"), "\"5\"");
        api_fixture_free(&fixture, exchange);
    }
    api_fixture_stop(&fixture);
}

UNIT_TESTS(api, UNIT(values_are_written_read_and_deleted), UNIT(fields_tell_of_version_time_and_tags),
           UNIT(patches_are_all_or_nothing), UNIT(many_keys_go_at_once), UNIT(who_asks_has_to_say_so),
           UNIT(who_is_elsewhere_needs_a_password), UNIT(pages_of_others_change_nothing),
           UNIT(events_come_as_they_happen), UNIT(the_server_tells_of_itself),
           UNIT(it_is_not_ready_while_the_log_refuses), UNIT(large_values_pass), UNIT(idle_links_are_closed),
           UNIT(who_gets_no_answer_is_told_so), UNIT(who_finds_no_link_waits), UNIT(who_goes_is_forgotten),
           UNIT(what_may_be_meant_either_way_is_refused), UNIT(conditions_are_never_passed_over),
           UNIT(problems_are_texts), UNIT(who_is_refused_is_told_why), UNIT(nobody_takes_the_links_of_others),
           UNIT(answers_as_json_are_bounded), UNIT(increments_are_the_numbers_that_were_written),
           UNIT(problems_are_not_as_fresh_as_values));
