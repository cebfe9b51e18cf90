#include "app/api/share.h"

#include <stdio.h>

#include "app/api/api_fixture.h"
#include "app/api/api_inner.h"
#include "base/bits.h"
#include "unit.h"

#define ANN "authorization: Basic YW5uOm9uZQ=="
#define BOB "authorization: Basic Ym9iOnR3bw=="
#define CAT "authorization: Basic Y2F0OnRocmVl"

static const char *const three_users =
    "user default off\nuser ann on >one ~* &* +@all\nuser bob on >two ~* &* +@all\nuser cat on >three ~* &* +@all\n";

static void free_all(struct api_fixture *fixture, struct http_exchange **exchanges, size_t count) {
    for (size_t i = 0; i < count; i++)
        api_fixture_free(fixture, exchanges[i]);
}

static void streams_of_events_are_shared_out(void **state) {
    enum { OF_ONE = 32 };
    struct api_fixture fixture;
    struct http_exchange *of_bob[OF_ONE], *of_ann[OF_ONE];
    (void)state;
    api_fixture_start(&fixture, three_users);
    for (int i = 0; i < OF_ONE; i++) {
        of_bob[i] = api_fixture_ask(&fixture, "GET", i % 2 ? "/v1/events" : "/v1/events?db=3", BOB, SLICE(""));
        assert_int_equal(of_bob[i]->status, 200);
    }
    struct http_exchange *more = api_fixture_ask(&fixture, "GET", "/v1/events", BOB, SLICE(""));
    assert_int_equal(more->status, 429);
    assert_string_equal(api_fixture_field(more, "retry-after"), "1");
    assert_true(api_fixture_until(&fixture, more, "\"code\":\"SHARE\""));
    api_fixture_free(&fixture, more);
    /* Who is not bob takes nothing of his, and ann comes to hers. */
    expect_answer(&fixture, "GET", "/v1/events", "authorization: Basic Ym9iOm5v", NULL, 401, "WRONGPASS");
    for (int i = 0; i < OF_ONE; i++) {
        of_ann[i] = api_fixture_ask(&fixture, "GET", "/v1/events", ANN, SLICE(""));
        assert_int_equal(of_ann[i]->status, 200);
    }
    expect_answer(&fixture, "GET", "/v1/events", CAT, NULL, 503, "BUSY");
    expect_answer(&fixture, "PUT", "/v1/keys/a", BOB, "v", 201, NULL);
    api_fixture_free(&fixture, of_bob[0]);
    of_bob[0] = api_fixture_ask(&fixture, "GET", "/v1/events", CAT, SLICE(""));
    assert_int_equal(of_bob[0]->status, 200);
    free_all(&fixture, of_bob, OF_ONE);
    free_all(&fixture, of_ann, OF_ONE);
    api_fixture_stop(&fixture);
}

/* In sixteen databases and from several machines at once, before anything is answered. */
static void links_are_shared_out(void **state) {
    enum { MANY = 16 * 4 * 10 };
    struct api_fixture fixture;
    struct http_exchange *exchanges[MANY];
    char target[64], clients[4][32];
    (void)state;
    api_fixture_start(&fixture, three_users);
    for (int i = 0; i < MANY; i++) {
        snprintf(clients[i % 4], sizeof clients[0], "127.0.0.%d:4711", i % 4 + 1);
        snprintf(target, sizeof target, "/v1/keys/a?db=%d", i / 4 % 16);
        fixture.client = clients[i % 4];
        exchanges[i] = api_fixture_begin(&fixture, "GET", target, BOB, SLICE(""));
    }
    assert_int_equal(links_count(fixture.api->links), LINKS_OF_ONE_MAX);
    struct http_exchange *other = api_fixture_begin(&fixture, "GET", "/v1/keys/a", ANN, SLICE(""));
    assert_int_equal(links_count(fixture.api->links), LINKS_OF_ONE_MAX + 1);
    api_fixture_wait(&fixture, other);
    assert_int_equal(other->status, 404);
    api_fixture_free(&fixture, other);
    for (int i = 0; i < MANY; i++) {
        api_fixture_wait(&fixture, exchanges[i]);
        assert_int_equal(exchanges[i]->status, 404);
    }
    free_all(&fixture, exchanges, MANY);
    api_fixture_stop(&fixture);
}

/* Bob has all the requests waiting that he may have. */
static void places_to_wait_are_shared_out(void **state) {
    enum { MANY = LINKS_HELD_OF_ONE_MAX + ASKS_WAITING_OF_ONE_MAX };
    struct slice waits = SLICE("[\"CGET\", \"z\", \"WAIT\", 60000]");
    struct api_fixture fixture;
    static struct http_exchange *exchanges[MANY];
    (void)state;
    api_fixture_start(&fixture, three_users);
    expect_answer(&fixture, "POST", "/v1/commands", JSON "\n" ANN, "[\"CGET\", \"z\", \"LEASE\", 60000]", 200, "LOAD");
    for (int i = 0; i < MANY; i++)
        exchanges[i] = api_fixture_begin(&fixture, "POST", "/v1/commands", JSON "\n" BOB, waits);
    struct http_exchange *more = api_fixture_ask(&fixture, "POST", "/v1/commands", JSON "\n" BOB, waits);
    assert_int_equal(more->status, 429);
    assert_string_equal(api_fixture_field(more, "retry-after"), "1");
    api_fixture_free(&fixture, more);
    expect_answer(&fixture, "GET", "/v1/keys/a", BOB, NULL, 404, "NOTFOUND"); /* which needs no link of its own */
    expect_answer(&fixture, "POST", "/v1/commands", JSON "\n" ANN, "[\"ECHO\", \"x\"]", 200, "x");
    expect_answer(&fixture, "PUT", "/v1/keys/z", ANN, "there", 201, NULL);
    for (int i = 0; i < MANY; i++) {
        api_fixture_wait(&fixture, exchanges[i]);
        assert_int_equal(exchanges[i]->status, 200);
    }
    free_all(&fixture, exchanges, MANY);
    expect_answer(&fixture, "POST", "/v1/commands", JSON "\n" BOB, "[\"ECHO\", \"x\"]", 200, "x");
    api_fixture_stop(&fixture);
}

/* ------------------------------------------------------------------------------------------ waiting, and being cut off */

static void who_waits_for_a_value_gets_it(void **state) {
    const char *const waits[] = {"[\"CGET\",\"k\",\"WAIT\",600000]", "[\"cget\",\"k\",\"version\",\"wait\",\"600000\"]",
                                 "[\"CGET\",\"k\",\"WAIT\",600000,\"BLOCK\"]",
                                 "[\"CGET\",\"k\",\"LEASE\",5000,\"WAIT\",600000,\"VERSION\"]"};
    struct api_fixture fixture;
    struct http_exchange *exchanges[COUNT_OF(waits)];
    (void)state;
    api_fixture_start(&fixture, NULL);
    expect_answer(&fixture, "POST", "/v1/commands", JSON, "[\"CGET\",\"k\",\"LEASE\",600000]", 200, "LOAD");
    for (size_t i = 0; i < COUNT_OF(waits); i++)
        exchanges[i] = api_fixture_begin(&fixture, "POST", "/v1/commands", JSON, slice_from_string(waits[i]));
    expect_answer(&fixture, "POST", "/v1/commands", JSON, "[\"PING\"]", 200, "PONG");
    api_fixture_pass(&fixture, 2 * ASK_MS_MAX); /* it said that it waits for longer */
    expect_answer(&fixture, "POST", "/v1/commands", JSON, "[\"PING\"]", 200, "PONG");
    for (size_t i = 0; i < COUNT_OF(waits); i++)
        assert_int_equal(exchanges[i]->status, 0);
    expect_answer(&fixture, "PUT", "/v1/keys/k?version=7", NULL, "there", 201, NULL);
    for (size_t i = 0; i < COUNT_OF(waits); i++) {
        api_fixture_wait(&fixture, exchanges[i]);
        assert_int_equal(exchanges[i]->status, 200);
        assert_true(api_fixture_until(&fixture, exchanges[i],
                                      i % 2 ? "{\"reply\":[\"HIT\",\"there\",7]}" : "{\"reply\":[\"HIT\",\"there\"]}"));
    }
    free_all(&fixture, exchanges, COUNT_OF(waits));
    expect_answer(&fixture, "POST", "/v1/commands", JSON, "[\"CGET\",\"no\",\"LEASE\",60000]", 200, "LOAD");
    expect_answer(&fixture, "POST", "/v1/commands", JSON, "[\"CGET\",\"no\",\"LEASE\",5000,\"WAIT\",50]", 200, "BUSY");
    expect_answer(&fixture, "POST", "/v1/commands", JSON, "[\"CGET\",\"no\",\"WAIT\",50]", 200, "[\"MISS\"]");
    expect_answer(&fixture, "POST", "/v1/commands", JSON, "[\"CGET\",\"wait\"]", 200, "[\"MISS\"]");
    expect_answer(&fixture, "POST", "/v1/commands", JSON, "[\"CGET\",\"no\",\"WAIT\",\"x\"]", 400, "ERR");
    expect_answer(&fixture, "POST", "/v1/commands", JSON, "[\"CGET\",\"no\",\"WAIT\"]", 400, "ERR");
    api_fixture_stop(&fixture);
}

/* The text behind `"name":"` of an answer. */
static void member_of(struct http_exchange *exchange, const char *name, char *ret_text, size_t size) {
    char wanted[32];
    snprintf(wanted, sizeof wanted, "\"%s\":\"", name);
    const char *at = memmem(exchange->body.data, exchange->body.size, wanted, strlen(wanted));
    assert_non_null(at);
    at += strlen(wanted);
    snprintf(ret_text, size, "%.*s", (int)strcspn(at, "\""), at);
}

static struct http_exchange *begin_to_wait(struct api_fixture *fixture, const char *who) {
    static char fields[256]; /* of one at a time; a request lives as long as its exchange */
    snprintf(fields, sizeof fields, JSON "\n%s", who);
    struct http_exchange *exchange =
        api_fixture_begin(fixture, "POST", "/v1/commands", fields, SLICE("[\"CGET\", \"mine:z\", \"WAIT\", 60000]"));
    while (links_count(fixture->api->links) < 1 || !exchange->data)
        http_loop_turn(fixture->loop, 20);
    return exchange;
}

/* It is told to ann's commands as a client that is blocked. */
static void until_blocked(struct api_fixture *fixture) {
    bool blocked = false;
    for (int i = 0; i < FIXTURE_TURNS_MAX && !blocked; i++) {
        struct http_exchange *exchange = api_fixture_ask(fixture, "GET", "/v1/info?section=clients", ANN, SLICE(""));
        blocked = memmem(exchange->body.data, exchange->body.size, "\"blocked_clients\":1", 19) != NULL;
        api_fixture_free(fixture, exchange);
    }
    assert_true(blocked);
}

static void expect_cut(struct api_fixture *fixture, struct http_exchange *exchange, int status, const char *code) {
    api_fixture_wait(fixture, exchange);
    assert_int_equal(exchange->status, status);
    assert_true(api_fixture_until(fixture, exchange, code));
    assert_int_equal(api_fixture_field(exchange, "www-authenticate") != NULL, status == 401);
    assert_int_equal(api_fixture_field(exchange, "retry-after") != NULL, status == 503);
    api_fixture_free(fixture, exchange);
}

static void who_is_cut_off_is_told_why(void **state) {
    struct api_fixture fixture;
    char token[128], id[32], bearer[160], body[128];
    (void)state;
    api_fixture_start(&fixture,
                      "user default off\nuser ann on >one ~* &* +@all\nuser bob on >two ~mine:* +cget +get +select\n");
    struct http_exchange *made =
        api_fixture_ask(&fixture, "POST", "/v1/commands", JSON "\n" ANN, SLICE("[\"TOKEN\", \"CREATE\", \"bob\"]"));
    assert_int_equal(made->status, 200);
    member_of(made, "token", token, sizeof token);
    member_of(made, "id", id, sizeof id);
    api_fixture_free(&fixture, made);
    snprintf(bearer, sizeof bearer, "authorization: Bearer %s", token);
    expect_answer(&fixture, "POST", "/v1/commands", JSON "\n" ANN, "[\"CGET\", \"mine:z\", \"LEASE\", 60000]", 200,
                  "LOAD");

    struct http_exchange *waits = begin_to_wait(&fixture, bearer);
    until_blocked(&fixture);
    snprintf(body, sizeof body, "[\"TOKEN\", \"REVOKE\", \"%s\"]", id);
    expect_answer(&fixture, "POST", "/v1/commands", JSON "\n" ANN, body, 200, "reply");
    expect_cut(&fixture, waits, 401, "WRONGPASS");

    /* Somebody has killed it, after users had changed in a way that does not concern it. */
    waits = begin_to_wait(&fixture, BOB);
    until_blocked(&fixture);
    expect_answer(&fixture, "POST", "/v1/commands", JSON "\n" ANN, "[\"ACL\", \"SETUSER\", \"new\"]", 200, "OK");
    expect_answer(&fixture, "POST", "/v1/commands", JSON "\n" ANN, "[\"CLIENT\", \"KILL\", \"USER\", \"bob\"]", 200,
                  "reply");
    expect_cut(&fixture, waits, 503, "CLOSED");

    waits = begin_to_wait(&fixture, BOB);
    until_blocked(&fixture);
    expect_answer(&fixture, "POST", "/v1/commands", JSON "\n" ANN, "[\"ACL\", \"SETUSER\", \"bob\", \"off\"]", 200,
                  "OK");
    expect_cut(&fixture, waits, 401, "may have been carried out");
    api_fixture_stop(&fixture);
}

UNIT_TESTS(share, UNIT(streams_of_events_are_shared_out), UNIT(links_are_shared_out),
           UNIT(places_to_wait_are_shared_out), UNIT(who_waits_for_a_value_gets_it), UNIT(who_is_cut_off_is_told_why));
