#include "app/shell/session.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/bits.h"
#include "base/number.h"
#include "base/terminal_text.h"

enum { COMPLAINT_SIZE = 4096 };

volatile sig_atomic_t session_interrupt;

void session_init(struct session *session, const struct shell_options *options) {
    *session = (struct session){.options = options, .place = options->server.place, .db_queued = -1};
    session->link.wire.fd = -1;
    buf_init(&session->out, &memory_libc);
}

void session_disconnect(struct session *session) {
    if (session->is_open)
        server_link_close(&session->link);
    session->is_open = false;
    session->in_transaction = session->is_subscribed = false;
    session->db_queued = -1;
}

void session_fini(struct session *session) {
    session_disconnect(session);
    buf_fini(&session->out);
}

void session_complain(const char *before, struct slice text) {
    char shown[COMPLAINT_SIZE];
    terminal_text_copy(text, shown, sizeof shown);
    fprintf(stderr, "%s%s\n", before, shown);
}

static enum session_result broken(struct session *session) {
    fflush(stdout);
    fprintf(stderr, "strata cli: %s\n", session->link.problem);
    session_disconnect(session);
    return SESSION_BROKEN;
}

bool session_connect(struct session *session) {
    if (session->is_open)
        return true;
    session->is_open = true; /* also what could not be opened is closed */
    if (server_link_open(&session->link, &session->place))
        return true;
    MAYBE(broken(session));
    return false;
}

/* ------------------------------------------------------------------------------------------ what commands are */

struct command {
    struct slice name, sub;
};

static struct command command_of(const struct slice *words, size_t count) {
    return (struct command){words[0], count > 1 ? words[1] : SLICE("")};
}

static bool is(struct slice word, const char *text) { return slice_equal_nocase(word, slice_from_string(text)); }

/* Commands whose strings are texts for people. */
static bool answers_text(struct command command) {
    static const char *const names[][2] = {{"info", NULL},          {"lolwut", NULL},      {"metrics", NULL},
                                           {"client", "list"},      {"client", "info"},    {"cluster", "nodes"},
                                           {"cluster", "info"},     {"memory", "doctor"},  {"memory", "malloc-stats"},
                                           {"latency", "graph"},    {"latency", "doctor"}, {"debug", "htstats"},
                                           {"debug", "htstats-key"}};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (is(command.name, names[i][0]) && (!names[i][1] || is(command.sub, names[i][1])))
            return true;
    return false;
}

static bool is_endless(struct command command) {
    return is(command.name, "subscribe") || is(command.name, "psubscribe") || is(command.name, "ssubscribe") ||
           is(command.name, "monitor") || (is(command.name, "stream") && is(command.sub, "subscribe"));
}

/* No reply comes. */
static bool is_silent(const struct slice *words, size_t count) {
    return count == 3 && is(words[0], "client") && is(words[1], "reply") &&
           (is(words[2], "off") || is(words[2], "skip"));
}

/* ------------------------------------------------------------------------------------------ replies */

/* "-> invalidate: "a", "b"": how redis-cli shows what a client's own cache has to forget. */
static enum status format_invalidate(const struct resp_value *keys, struct buf *out) {
    TRY(buf_printf(out, "-> invalidate: "));
    for (uint32_t i = 0; i < keys->count; i++) {
        if (i)
            TRY(buf_append(out, ", ", 2));
        TRY(format_quoted(out, keys->members[i].text));
    }
    return buf_append(out, "\n", 1);
}

static bool print(struct session *session, const struct resp_value *reply, bool is_text) {
    const struct format *format = &session->options->format;
    bool invalidates = reply->type == RESP_PUSH && reply->count == 2 && reply->members[1].type == RESP_ARRAY &&
                       slice_equal(reply->members[0].text, SLICE("invalidate"));
    buf_clear(&session->out);
    enum status status = invalidates && format->kind == FORMAT_STANDARD
                             ? format_invalidate(&reply->members[1], &session->out)
                             : format_reply(format, reply, is_text, &session->out);
    if (status != STATUS_OK)
        fprintf(stderr, "strata cli: there is not enough memory to print a reply\n");
    else
        fwrite(session->out.data, 1, session->out.size, stdout);
    fflush(stdout);
    buf_shrink(&session->out, 1 << 20);
    return status == STATUS_OK && !ferror(stdout);
}

static bool shows_pushes(const struct session *session) {
    return session->options->pushes == SHELL_PUSHES_SHOWN ||
           (session->options->pushes == SHELL_PUSHES_OF_TERMINAL && session->options->format.kind == FORMAT_STANDARD);
}

/* Until something has come or, at a prompt, Ctrl-C, which is held back between looking whether it came and waiting. */
static bool wait_for_bytes(struct session *session) {
    if (server_wire_has_more(&session->link.wire))
        return true;
    struct pollfd wanted = {.fd = session->link.wire.fd, .events = server_link_events(&session->link, false)};
    sigset_t interrupt, before;
    sigemptyset(&interrupt);
    sigaddset(&interrupt, SIGINT);
    sigprocmask(SIG_BLOCK, &interrupt, &before);
    if (!session->at_prompt || !session_interrupt)
        MAYBE(ppoll(&wanted, 1, NULL, &before) < 0);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return !session->at_prompt || !session_interrupt;
}

/* SESSION_DONE: a reply is there. */
static enum session_result await(struct session *session, struct resp_value *ret_reply) {
    for (;;) {
        bool there;
        if (!server_link_take(&session->link, ret_reply, &there))
            return broken(session);
        if (there)
            return SESSION_DONE;
        if (!wait_for_bytes(session))
            return SESSION_INTERRUPTED;
        if (!server_link_pull(&session->link))
            return broken(session);
    }
}

/* The next that is no push; pushes are printed. */
static enum session_result await_answer(struct session *session, struct resp_value *ret_reply) {
    for (;;) {
        enum session_result result = await(session, ret_reply);
        if (result != SESSION_DONE || ret_reply->type != RESP_PUSH)
            return result;
        if (shows_pushes(session))
            MAYBE(!print(session, ret_reply, false));
    }
}

bool session_print_pushes(struct session *session) {
    struct resp_value reply;
    bool there;
    do {
        if (!server_link_pull(&session->link)) {
            session_disconnect(session);
            return false;
        }
        while (server_link_take(&session->link, &reply, &there) && there)
            if (shows_pushes(session))
                MAYBE(!print(session, &reply, false));
    } while (server_wire_has_more(&session->link.wire));
    return true;
}

const struct resp_value *session_read(struct session *session) {
    static struct resp_value reply;
    do {
        if (!server_link_read(&session->link, &reply)) {
            MAYBE(broken(session));
            return NULL;
        }
    } while (reply.type == RESP_PUSH);
    return &reply;
}

const struct resp_value *session_ask(struct session *session, const struct slice *words, size_t count) {
    if (!server_link_add(&session->link, words, count) || !server_link_send(&session->link)) {
        MAYBE(broken(session));
        return NULL;
    }
    return session_read(session);
}

/* ------------------------------------------------------------------------------------------ commands */

static void note_select(struct session *session, struct slice word, const struct resp_value *reply) {
    int64_t db;
    if (!number_parse_i64(word, &db) || db < 0 || db > INT32_MAX)
        return;
    if (slice_equal(reply->text, SLICE("QUEUED")))
        session->db_queued = (int)db;
    else
        session->place.db = (int)db;
}

/* What an accepted command has changed of the connection. */
static void note(struct session *session, const struct slice *words, size_t count, const struct resp_value *reply) {
    if (resp_type_is_error(reply->type)) {
        if (is(words[0], "exec"))
            session->in_transaction = false;
        return;
    }
    bool executed = is(words[0], "exec") && reply->type == RESP_ARRAY;
    if (is(words[0], "select") && count == 2)
        note_select(session, words[1], reply);
    else if (is(words[0], "multi"))
        session->in_transaction = true;
    else if (is(words[0], "hello") && count > 1)
        session->place.protocol = slice_equal(words[1], SLICE("3")) ? 3 : 2;
    else if (is(words[0], "reset"))
        session->place.protocol = 2;
    if (executed && session->db_queued >= 0)
        session->place.db = session->db_queued;
    if (is(words[0], "reset"))
        session->place.db = 0;
    if (is(words[0], "exec") || is(words[0], "discard") || is(words[0], "reset")) {
        session->in_transaction = false;
        session->db_queued = -1;
    }
}

static enum session_result follow(struct session *session) {
    struct resp_value reply;
    enum session_result result;
    session->is_subscribed = true;
    if (session->options->format.kind == FORMAT_STANDARD)
        printf("Reading messages... (press Ctrl-C to quit)\n");
    fflush(stdout);
    while ((result = await(session, &reply)) == SESSION_DONE) {
        bool is_refused = resp_type_is_error(reply.type);
        if (!print(session, &reply, false))
            return SESSION_BROKEN;
        if (is_refused) {
            session->is_subscribed = false;
            return SESSION_ERROR_REPLY;
        }
    }
    session_disconnect(session);
    return result;
}

/* Whether the server has closed a connection that stood idle. */
static bool is_gone(struct session *session) {
    return server_link_is_due(&session->link, 0) && !session_print_pushes(session);
}

enum session_result session_run(struct session *session, const struct slice *words, size_t count) {
    struct command command = command_of(words, count);
    struct resp_value reply;
    if (session->is_open && session->at_prompt)
        MAYBE(is_gone(session));
    if (!session_connect(session))
        return SESSION_BROKEN;
    if (!server_link_add(&session->link, words, count) || !server_link_send(&session->link))
        return broken(session);
    if (is_silent(words, count))
        return SESSION_DONE;
    if (is_endless(command) && !session->in_transaction)
        return follow(session);
    enum session_result result = await_answer(session, &reply);
    if (result == SESSION_INTERRUPTED)
        session_disconnect(session);
    if (result != SESSION_DONE)
        return result;
    bool is_error = resp_type_is_error(reply.type);
    note(session, words, count, &reply);
    if (is_error && session->options->error_is_failure && !session->at_prompt) {
        session_complain("", reply.text);
        return SESSION_ERROR_REPLY;
    }
    if (!print(session, &reply, answers_text(command)))
        return SESSION_BROKEN;
    if (is(command.name, "quit"))
        session_disconnect(session);
    return is_error ? SESSION_ERROR_REPLY : SESSION_DONE;
}
