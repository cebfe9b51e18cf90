/* test/clients/hiredis.c: the C client (0.14 speaks RESP2), blocking. Usage: hiredis PORT PASSWORD_PORT UNIX_PATH */
#include <hiredis/hiredis.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures;
static char why[256];

#define CHECK(condition)                                                    \
    do {                                                                    \
        if (!(condition) && !why[0])                                        \
            snprintf(why, sizeof why, "line %d: %s", __LINE__, #condition); \
    } while (0)

static void done(const char *name) {
    if (why[0])
        printf("not ok hiredis %s - %s\n", name, why);
    else
        printf("ok hiredis %s\n", name);
    failures += why[0] != 0;
    why[0] = 0;
}

static bool reply_is(redisReply *reply, int type, const char *text) {
    bool same = reply && reply->type == type && reply->len == strlen(text) && memcmp(reply->str, text, reply->len) == 0;
    freeReplyObject(reply);
    return same;
}

static bool reply_integer(redisReply *reply, long long value) {
    bool same = reply && reply->type == REDIS_REPLY_INTEGER && reply->integer == value;
    freeReplyObject(reply);
    return same;
}

static bool reply_type(redisReply *reply, int type) {
    bool same = reply && reply->type == type;
    freeReplyObject(reply);
    return same;
}

#define ASK(...) ((redisReply *)redisCommand(context, __VA_ARGS__))

static void strings(redisContext *context) {
    CHECK(reply_type(ASK("FLUSHALL"), REDIS_REPLY_STATUS));
    CHECK(reply_is(ASK("SET key %s", "value"), REDIS_REPLY_STATUS, "OK"));
    CHECK(reply_is(ASK("GET key"), REDIS_REPLY_STRING, "value"));
    CHECK(reply_type(ASK("GET none"), REDIS_REPLY_NIL));
    CHECK(reply_integer(ASK("INCRBY n %d", 7), 7));
    CHECK(reply_is(ASK("INCR key"), REDIS_REPLY_ERROR, "ERR value is not an integer or out of range"));
    CHECK(reply_type(ASK("NOSUCH"), REDIS_REPLY_ERROR));
    redisReply *reply = ASK("MGET key none n");
    CHECK(reply && reply->type == REDIS_REPLY_ARRAY && reply->elements == 3);
    CHECK(reply && reply->element[1]->type == REDIS_REPLY_NIL && strcmp(reply->element[2]->str, "7") == 0);
    freeReplyObject(reply);
}

static void binary(redisContext *context) {
    size_t size = 2 * 1024 * 1024;
    unsigned char *value = malloc(size);
    for (size_t i = 0; i < size; i++)
        value[i] = (unsigned char)(i * 7 + (i >> 9));
    CHECK(reply_is(ASK("SET %b %b", "k\0y", (size_t)3, value, size), REDIS_REPLY_STATUS, "OK"));
    redisReply *reply = ASK("GET %b", "k\0y", (size_t)3);
    CHECK(reply && reply->len == size && memcmp(reply->str, value, size) == 0);
    freeReplyObject(reply);
    CHECK(reply_type(ASK("GET k"), REDIS_REPLY_NIL));
    free(value);
}

static void pipeline(redisContext *context) {
    enum { COUNT = 5000 };
    for (int i = 0; i < COUNT; i++) {
        redisAppendCommand(context, "SET p%d %d", i, i);
        redisAppendCommand(context, "GET p%d", i);
    }
    for (int i = 0; i < COUNT; i++) {
        char text[16];
        redisReply *reply = NULL;
        snprintf(text, sizeof text, "%d", i);
        CHECK(redisGetReply(context, (void **)&reply) == REDIS_OK && reply_is(reply, REDIS_REPLY_STATUS, "OK"));
        CHECK(redisGetReply(context, (void **)&reply) == REDIS_OK && reply_is(reply, REDIS_REPLY_STRING, text));
    }
}

static void transactions(redisContext *context, int port) {
    redisContext *other = redisConnect("127.0.0.1", port);
    CHECK(reply_type(ASK("WATCH key"), REDIS_REPLY_STATUS));
    freeReplyObject(redisCommand(other, "SET key other"));
    CHECK(reply_is(ASK("MULTI"), REDIS_REPLY_STATUS, "OK"));
    CHECK(reply_is(ASK("SET key mine"), REDIS_REPLY_STATUS, "QUEUED"));
    CHECK(reply_type(ASK("EXEC"), REDIS_REPLY_NIL));
    CHECK(reply_is(ASK("MULTI"), REDIS_REPLY_STATUS, "OK"));
    CHECK(reply_is(ASK("GET key"), REDIS_REPLY_STATUS, "QUEUED"));
    redisReply *reply = ASK("EXEC");
    CHECK(reply && reply->type == REDIS_REPLY_ARRAY && reply->elements == 1 &&
          strcmp(reply->element[0]->str, "other") == 0);
    freeReplyObject(reply);
    redisFree(other);
}

int main(int argc, char **argv) {
    if (argc != 4)
        return fprintf(stderr, "usage: hiredis PORT PASSWORD_PORT UNIX_PATH\n"), 2;
    redisContext *context = redisConnect("127.0.0.1", atoi(argv[1]));
    if (!context || context->err)
        return printf("not ok hiredis connects - %s\n", context ? context->errstr : "memory"), 1;
    strings(context), done("strings");
    binary(context), done("binary and large values");
    pipeline(context), done("pipeline of 10,000");
    transactions(context, atoi(argv[1])), done("transactions");
    redisFree(context);
    context = redisConnect("127.0.0.1", atoi(argv[2]));
    CHECK(reply_is(ASK("GET x"), REDIS_REPLY_ERROR, "NOAUTH Authentication required."));
    CHECK(reply_is(ASK("AUTH secret"), REDIS_REPLY_STATUS, "OK"));
    CHECK(reply_type(ASK("GET x"), REDIS_REPLY_NIL));
    redisFree(context), done("with a password");
    context = redisConnectUnix(argv[3]);
    CHECK(context && !context->err && reply_is(ASK("GET key"), REDIS_REPLY_STRING, "other"));
    redisFree(context), done("over a Unix socket");
    return failures ? 1 : 0;
}
