/* app/cmd/client_cmd.c: CLIENT, for this connection and for the others. */
#include <stdio.h>
#include <stdlib.h>

#include "app/cmd/client_filter.h"
#include "app/cmd/client_line.h"
#include "app/cmd/client_name.h"
#include "app/cmd/commands.h"
#include "app/cmd/owner.h"
#include "app/cmd/rights.h"
#include "app/cmd/server_api.h"
#include "app/cmd/words.h"
#include "base/assert.h"
#include "base/number.h"
#include "core/auth/users.h"
#include "core/rules/rules.h"

enum { SHOWN_MAX = 128 }; /* bytes of an argument that an error text repeats */

static int shown_size(struct slice text) { return (int)slice_part(text, 0, SHOWN_MAX).size; }
static const char *shown(struct slice text) { return text.size ? (const char *)text.data : ""; }

/* ------------------------------------------------------------------- names */

bool client_name_check(struct cmd_call *call, const char *what, struct slice name) {
    bool good = true;
    for (size_t i = 0; i < name.size && good; i++)
        good = name.data[i] >= '!' && name.data[i] <= '~';
    if (!good)
        reply_errorf(call->reply, "ERR %s cannot contain spaces, newlines or special characters.", what);
    else if (name.size > CLIENT_NAME_SIZE_MAX)
        reply_errorf(call->reply, "ERR %s cannot be longer than %d bytes.", what, CLIENT_NAME_SIZE_MAX);
    return good && name.size <= CLIENT_NAME_SIZE_MAX;
}

bool client_name_set(struct cmd_call *call, struct buf *kept, struct slice name) {
    if (buf_reserve(kept, name.size) != STATUS_OK) {
        cmd_error_status(call, STATUS_NO_MEMORY);
        return false;
    }
    buf_clear(kept);
    enum status status = buf_append_slice(kept, name);
    ASSERT(status == STATUS_OK);
    return true;
}

void cmd_client_setname(struct cmd_call *call) {
    struct slice name = call->argv[2];
    if (client_name_check(call, "Client names", name) && client_name_set(call, &call->client->name, name))
        reply_ok(call->reply);
}

void cmd_client_getname(struct cmd_call *call) {
    if (call->client->name.size)
        reply_bulk(call->reply, buf_slice(&call->client->name));
    else
        reply_null(call->reply);
}

/* Under rules that are enforced a name that they do not know is a mistake that shows later, and elsewhere. */
static bool is_service(struct cmd_call *call, struct slice name) {
    struct cmd_server *server = call->env->server;
    const struct rules *rules = server ? server->api->rules_now(server, call->client, NULL) : NULL;
    if (!rules || name.size == 0 || rules_service_count(rules) == 0 || rules_service_named(rules, name) != RULES_NONE)
        return true;
    char text[160];
    snprintf(text, sizeof text, "no rule names the service '%.*s'", shown_size(name), shown(name));
    if (atomic_load_explicit(&call->env->ownership, memory_order_relaxed) == CMD_OWNERSHIP_ENFORCE) {
        reply_errorf(call->reply, "ERR %s, and nothing has changed", text);
        return false;
    }
    server->api->rules_broken(server, OWNER_UNKNOWN_SERVICE, SLICE(""), name, text);
    return true;
}

/* Whose user is bound to a service is no other. */
static bool may_be_service(struct cmd_call *call, struct slice name) {
    const struct auth_user *user = call->client->user;
    if (!user || user->service.size == 0 || slice_equal(user->service, name))
        return true;
    reply_errorf(call->reply, "NOPERM the user '%.*s' is the service '%.*s', and no other", shown_size(user->name),
                 (const char *)user->name.data, shown_size(user->service), (const char *)user->service.data);
    return false;
}

void cmd_client_service(struct cmd_call *call) {
    struct cmd_client *client = call->client;
    if (call->argc > 3) {
        (void)words_refuse(call, 3, "nothing more");
    } else if (call->argc == 3) {
        if (client_name_check(call, "Service names", call->argv[2]) && may_be_service(call, call->argv[2]) &&
            is_service(call, call->argv[2]) && client_name_set(call, &client->service, call->argv[2]))
            reply_ok(call->reply);
    } else if (rights_service(client).size) {
        reply_bulk(call->reply, rights_service(client));
    } else {
        reply_null(call->reply);
    }
}

void cmd_client_setinfo(struct cmd_call *call) {
    struct cmd_client *client = call->client;
    struct buf *kept = cmd_is(call, 2, "lib-name")  ? &client->lib_name
                       : cmd_is(call, 2, "lib-ver") ? &client->lib_version
                                                    : NULL;
    if (!kept) {
        reply_errorf(call->reply, "ERR Unrecognized option '%.*s'", shown_size(call->argv[2]), shown(call->argv[2]));
        return;
    }
    char what[16];
    snprintf(what, sizeof what, "%.*s", (int)call->argv[2].size, (const char *)call->argv[2].data);
    if (client_name_check(call, what, call->argv[3]) && client_name_set(call, kept, call->argv[3]))
        reply_ok(call->reply);
}

void cmd_client_id(struct cmd_call *call) { reply_integer(call->reply, (int64_t)call->client->id); }

/* ---------------------------------------------------------- INFO and LIST */

static void copy_text(char *ret_text, size_t room, struct slice from) {
    size_t size = from.size < room ? from.size : room - 1;
    if (size)
        memcpy(ret_text, from.data, size);
    ret_text[size] = 0;
}

void client_line_refresh(const struct cmd_call *call, struct cmd_client_view *view) {
    const struct cmd_client *client = call->client;
    copy_text(view->name, sizeof view->name, buf_slice(&client->name));
    copy_text(view->service, sizeof view->service, rights_service(client));
    if (client->user)
        snprintf(view->user, sizeof view->user, "%.*s", (int)client->user->name.size,
                 (const char *)client->user->name.data);
    copy_text(view->lib_name, sizeof view->lib_name, buf_slice(&client->lib_name));
    copy_text(view->lib_version, sizeof view->lib_version, buf_slice(&client->lib_version));
    snprintf(view->last_command, sizeof view->last_command, "%s", call->spec->name);
    view->db = client->db;
    view->protocol = (uint32_t)client->protocol;
    view->watched = cmd_watched_count(client);
    view->multi = client->in_multi || client->in_exec ? cmd_multi_count(client) : UINT32_MAX;
    view->multi_bytes = client->multi_size_bytes;
    memcpy(view->topics, client->listener.counts, sizeof view->topics);
    view->monitor = client->monitor;
    view->no_evict = client->no_evict;
    view->no_touch = client->no_touch;
    view->tracking = client->tracking;
    view->tracking_redirect = client->tracking_redirect;
}

bool client_line_subscribes(const struct cmd_client_view *view) {
    return view->topics[TOPIC_CHANNEL] || view->topics[TOPIC_PATTERN] || view->topics[TOPIC_SHARD_CHANNEL];
}

void client_line_flags(const struct cmd_client_view *view, char ret_flags[CLIENT_FLAGS_SIZE]) {
    const struct {
        bool holds;
        char flag;
    } flags[] = {
        {view->monitor, 'O'},
        {client_line_subscribes(view), 'P'},
        {view->multi != UINT32_MAX, 'x'},
        {view->blocked, 'b'},
        {view->tracking & CMD_TRACKS, 't'},
        {view->tracking & CMD_TRACKS_BROKEN, 'R'},
        {view->tracking & CMD_TRACKS_BCAST, 'B'},
        {view->closing, 'c'},
        {view->unix_socket, 'U'},
        {view->no_evict, 'e'},
        {view->no_touch, 'T'},
    };
    size_t count = 0;
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (flags[i].holds)
            ret_flags[count++] = flags[i].flag;
    if (count == 0)
        ret_flags[count++] = 'N';
    ret_flags[count] = 0;
}

/* One line as Redis 7.2 writes it, newer fields at its end. Fields of what does not exist here (a fixed
 * reply buffer, copied arguments) are zero because it does not; the reply buffer that does exist is what Redis counts
 * as its list. */
enum status client_line_write(struct buf *out, const struct cmd_client_view *view) {
    char flags[CLIENT_FLAGS_SIZE], multi[16];
    client_line_flags(view, flags);
    snprintf(multi, sizeof multi, "%d", view->multi == UINT32_MAX ? -1 : (int)view->multi);
    TRY(buf_printf(out, "id=%llu addr=%s laddr=%s fd=%d name=%s age=%llu idle=%llu flags=%s db=%u",
                   (unsigned long long)view->id, view->address, view->local_address, view->descriptor, view->name,
                   (unsigned long long)view->age_s, (unsigned long long)view->idle_s, flags, view->db));
    TRY(buf_printf(out, " sub=%u psub=%u ssub=%u", view->topics[TOPIC_CHANNEL], view->topics[TOPIC_PATTERN],
                   view->topics[TOPIC_SHARD_CHANNEL]));
    TRY(buf_printf(out, " multi=%s watch=%u qbuf=%llu qbuf-free=%llu argv-mem=0 multi-mem=%llu rbs=0 rbp=0 obl=0",
                   multi, view->watched, (unsigned long long)view->query_bytes,
                   (unsigned long long)view->query_free_bytes, (unsigned long long)view->multi_bytes));
    TRY(buf_printf(out, " oll=%d omem=%llu tot-mem=%llu events=%s cmd=%s user=%s redir=%lld resp=%u",
                   view->output_bytes > 0, (unsigned long long)view->output_bytes,
                   (unsigned long long)view->memory_bytes, view->output_bytes > 0 ? "rw" : "r",
                   view->last_command[0] ? view->last_command : "NULL", view->user[0] ? view->user : "default",
                   view->tracking & CMD_TRACKS ? (long long)view->tracking_redirect : -1, view->protocol));
    return buf_printf(out, " lib-name=%s lib-ver=%s tot-net-in=%llu tot-net-out=%llu tot-cmds=%llu service=%s\n",
                      view->lib_name, view->lib_version, (unsigned long long)view->bytes_in,
                      (unsigned long long)view->bytes_out, (unsigned long long)view->commands, view->service);
}

/* A number that LIST ID asks for, and the part of `text` that answers it. */
struct wanted {
    int64_t id;
    size_t line_at, line_size;
};

struct list {
    struct cmd_call *call;
    struct buf text;
    const struct client_filter *filter; /* NULL: all are wanted */
    struct wanted **wanted;             /* ordered by number; NULL: all are wanted */
    uint32_t wanted_count;
    enum status status;
};

static int wanted_order(const void *a, const void *b) {
    const struct wanted *x = *(struct wanted *const *)a, *y = *(struct wanted *const *)b;
    return (x->id > y->id) - (x->id < y->id);
}

/* The first in order whose number is not below. */
static uint32_t wanted_find(const struct list *list, int64_t id) {
    uint32_t from = 0, to = list->wanted_count;
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        if (list->wanted[middle]->id < id)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static void list_visit(void *context, const struct cmd_client_view *seen) {
    struct list *list = context;
    struct cmd_client_view view = *seen;
    int64_t id = (int64_t)view.id;
    uint32_t at = list->wanted ? wanted_find(list, id) : 0;
    bool wanted = !list->wanted || (at < list->wanted_count && list->wanted[at]->id == id);
    if (!wanted || list->status != STATUS_OK)
        return;
    if (view.id == list->call->client->id)
        client_line_refresh(list->call, &view);
    if (list->filter &&
        (!client_filter_matches(list->filter, &view) || (list->filter->skips_me && view.id == list->call->client->id)))
        return;
    size_t line_at = list->text.size;
    list->status = client_line_write(&list->text, &view);
    for (; list->wanted && at < list->wanted_count && list->wanted[at]->id == id; at++) {
        list->wanted[at]->line_at = line_at;
        list->wanted[at]->line_size = list->text.size - line_at;
    }
}

/* Fills `list->text` with the lines of all wanted clients, in the server's order. */
static void list_run(struct list *list) {
    struct cmd_server *server = list->call->env->server;
    buf_init(&list->text, list->call->arena->memory);
    server->api->each_client(server, list_visit, list);
}

static void list_reply(struct list *list, struct slice text) {
    if (list->status == STATUS_OK)
        reply_verbatim(list->call->reply, "txt", text);
    else
        cmd_error_status(list->call, list->status);
}

void cmd_client_info(struct cmd_call *call) {
    struct wanted self = {.id = (int64_t)call->client->id};
    struct wanted *order = &self;
    struct list list = {.call = call, .wanted = &order, .wanted_count = 1};
    list_run(&list);
    list_reply(&list, buf_slice(&list.text));
    buf_fini(&list.text);
}

static bool wanted_parse(struct cmd_call *call, uint32_t first, struct wanted *wanted, struct wanted **order) {
    for (uint32_t i = 0; first + i < call->argc; i++) {
        wanted[i] = (struct wanted){0};
        order[i] = &wanted[i];
        if (!number_parse_i64(call->argv[first + i], &wanted[i].id)) {
            reply_error(call->reply, SLICE("ERR Invalid client ID"));
            return false;
        }
    }
    return true;
}

/* The lines come in the order of the numbers, also more than once. */
static void list_of_ids(struct cmd_call *call, uint32_t first) {
    uint32_t count = call->argc - first;
    struct wanted *wanted = arena_take(call->arena, count * sizeof *wanted);
    struct wanted **order = arena_take(call->arena, count * sizeof *order);
    if (!wanted || !order) {
        cmd_error_status(call, STATUS_NO_MEMORY);
        return;
    }
    if (!wanted_parse(call, first, wanted, order))
        return;
    qsort(order, count, sizeof *order, wanted_order);
    struct list list = {.call = call, .wanted = order, .wanted_count = count};
    list_run(&list);
    struct buf ordered;
    buf_init(&ordered, call->arena->memory);
    for (uint32_t i = 0; i < count && list.status == STATUS_OK; i++)
        list.status =
            buf_append_slice(&ordered, slice_part(buf_slice(&list.text), wanted[i].line_at, wanted[i].line_size));
    list_reply(&list, buf_slice(&ordered));
    buf_fini(&ordered);
    buf_fini(&list.text);
}

/* ID and numbers: nothing else, or something that makes no sense. */
static bool asks_for_ids(const struct cmd_call *call) {
    uint32_t at = 3;
    int64_t id;
    if (call->argc == 3 || !cmd_is(call, 2, "id"))
        return false;
    while (at < call->argc && number_parse_i64(call->argv[at], &id))
        at++;
    return at == call->argc || at == 3 || !client_filter_is_word(call->argv[at]);
}

/* Words with values behind them, whatever these are: what is none is said before a value is refused. */
static bool is_made_of_words(const struct cmd_call *call) {
    for (uint32_t at = 2; at < call->argc;) {
        bool ids = cmd_is(call, at, "id") || cmd_is(call, at, "not-id");
        int64_t id;
        if (!client_filter_is_word(call->argv[at]) || at + 1 == call->argc)
            return false;
        at += 2;
        while (ids && at < call->argc && number_parse_i64(call->argv[at], &id))
            at++;
    }
    return true;
}

void cmd_client_list(struct cmd_call *call) {
    struct client_filter filter;
    if (call->argc > 2 && asks_for_ids(call)) {
        list_of_ids(call, 3);
        return;
    }
    bool sound = is_made_of_words(call);
    if (sound && !client_filter_read(call, 2, &filter))
        return;
    if (!sound || filter.repeats) {
        cmd_error_syntax(call);
        return;
    }
    struct list list = {.call = call, .filter = &filter};
    buf_init(&list.text, call->arena->memory);
    list_run(&list);
    list_reply(&list, buf_slice(&list.text));
    buf_fini(&list.text);
}

/* -------------------------------------------------------------------- KILL */

struct kill {
    struct cmd_call *call;
    struct client_filter filter;
    bool self_matches;
};

/* As it is at this moment, under its worker's turn. The caller goes last, when it has its reply. */
static bool kill_wants(void *context, const struct cmd_client_view *view) {
    const struct kill *kill = context;
    return view->id != kill->call->client->id && client_filter_matches(&kill->filter, view);
}

static void kill_visit_self(void *context, const struct cmd_client_view *view) {
    struct kill *kill = context;
    struct cmd_client_view now = *view;
    if (view->id != kill->call->client->id)
        return;
    client_line_refresh(kill->call, &now);
    kill->self_matches = client_filter_matches(&kill->filter, &now);
}

/* Counts the matches. */
static uint32_t kill_run(struct kill *kill) {
    struct cmd_server *server = kill->call->env->server;
    if (!kill->filter.skips_me)
        server->api->each_client(server, kill_visit_self, kill);
    uint32_t count = server->api->kill_clients(server, kill_wants, kill);
    if (kill->self_matches)
        kill->call->client->close_after_reply = true;
    return count + kill->self_matches;
}

void cmd_client_kill(struct cmd_call *call) {
    struct kill kill = {.call = call};
    if (call->argc == 3) { /* the old form: CLIENT KILL address */
        kill.filter.of[FILTER_ADDRESS][0] = (struct client_condition){.said = true, .text = call->argv[2]};
        if (kill_run(&kill))
            reply_ok(call->reply);
        else
            reply_error(call->reply, SLICE("ERR No such client"));
        return;
    }
    if (!client_filter_read(call, 2, &kill.filter))
        return;
    kill.filter.skips_me |= !kill.filter.skip_said;
    reply_integer(call->reply, kill_run(&kill));
}

/* ---------------------------------------------------------------- switches */

static void switch_set(struct cmd_call *call, bool *value) {
    bool on = cmd_is(call, 2, "on");
    if (!on && !cmd_is(call, 2, "off")) {
        cmd_error_syntax(call);
        return;
    }
    *value = on;
    reply_ok(call->reply);
}

void cmd_client_no_evict(struct cmd_call *call) { switch_set(call, &call->client->no_evict); }
void cmd_client_no_touch(struct cmd_call *call) { switch_set(call, &call->client->no_touch); }

/* OFF and SKIP answer nothing; cmd_run keeps the replies of other commands back. */
void cmd_client_reply(struct cmd_call *call) {
    struct cmd_client *client = call->client;
    if (cmd_is(call, 2, "on")) {
        client->reply_off = client->reply_skip = false;
        reply_ok(call->reply);
    } else if (cmd_is(call, 2, "off")) {
        client->reply_off = true;
    } else if (cmd_is(call, 2, "skip")) {
        client->reply_skip_next |= !client->reply_off;
    } else {
        cmd_error_syntax(call);
    }
}

/* ------------------------------------------------------- pause and unblock */

static bool arguments_at_most(struct cmd_call *call, uint32_t count_max) {
    if (call->argc <= count_max)
        return true;
    cmd_error_subcommand(call, "CLIENT");
    return false;
}

void cmd_client_pause(struct cmd_call *call) {
    struct cmd_server *server = call->env->server;
    int64_t timeout_ms;
    const char *error = NULL;
    if (!arguments_at_most(call, 4))
        return;
    bool writes_only = call->argc == 4 && cmd_is(call, 3, "write");
    if (call->argc == 4 && !writes_only && !cmd_is(call, 3, "all"))
        error = "ERR CLIENT PAUSE mode must be WRITE or ALL";
    else if (!number_parse_i64(call->argv[2], &timeout_ms))
        error = "ERR timeout is not an integer or out of range";
    else if (timeout_ms < 0)
        error = "ERR timeout is negative";
    else if ((uint64_t)timeout_ms > INT64_MAX - call->actor->now_ms)
        error = "ERR timeout is out of range";
    if (error) {
        reply_error(call->reply, slice_from_string(error));
        return;
    }
    server->api->pause(server, call->actor->now_ms + (uint64_t)timeout_ms, writes_only);
    reply_ok(call->reply);
}

void cmd_client_unpause(struct cmd_call *call) {
    struct cmd_server *server = call->env->server;
    server->api->unpause(server);
    reply_ok(call->reply);
}

/* No command blocks yet, so there is nobody to wake. */
void cmd_client_unblock(struct cmd_call *call) {
    int64_t id;
    if (!arguments_at_most(call, 4))
        return;
    if (call->argc == 4 && !cmd_is(call, 3, "timeout") && !cmd_is(call, 3, "error"))
        reply_error(call->reply, SLICE("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"));
    else if (cmd_integer(call, 2, &id))
        reply_integer(call->reply, 0);
}
