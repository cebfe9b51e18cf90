/* app/cmd/tracking_cmd.c: CLIENT TRACKING, CACHING, TRACKINGINFO and GETREDIR: client-side caching. */
#include <stdlib.h>

#include "app/cmd/commands.h"
#include "app/cmd/server_api.h"
#include "base/number.h"

void cmd_track(struct cmd_call *call) {
    uint32_t tracking = call->client->tracking;
    bool caching = tracking & CMD_TRACKS_CACHING;
    if (!(tracking & CMD_TRACKS) || tracking & CMD_TRACKS_BCAST || !(call->spec->flags & CMD_READONLY) ||
        !call->spec->key_count || call->spec->flags & CMD_PUBSUB)
        return;
    if ((tracking & CMD_TRACKS_OPTIN && !caching) || (tracking & CMD_TRACKS_OPTOUT && caching))
        return;
    call->env->note_keys(call);
}

/* ---------------------------------------------------------------- prefixes */

struct prefixes {
    struct slice *all;
    uint32_t count;
};

static void count_prefix(void *context, struct slice prefix) {
    (void)prefix;
    ++*(uint32_t *)context;
}

static void list_prefix(void *context, struct slice prefix) {
    struct prefixes *prefixes = context;
    prefixes->all[prefixes->count++] = prefix;
}

static int order_of_prefixes(const void *a, const void *b) {
    const struct slice *x = a, *y = b;
    size_t size = x->size < y->size ? x->size : y->size;
    int order = size ? memcmp(x->data, y->data, size) : 0;
    return order ? order : (x->size > y->size) - (x->size < y->size);
}

/* The client's prefixes in order. False: no memory, and the error is written. */
static bool prefixes_of(struct cmd_call *call, struct prefixes *ret_prefixes) {
    struct cmd_server *server = call->env->server;
    uint32_t count = 0;
    server->api->each_tracked_prefix(server, call->client, count_prefix, &count);
    struct prefixes prefixes = {.all = arena_take(call->arena, (count + 1) * sizeof *prefixes.all)};
    if (!prefixes.all) {
        cmd_error_status(call, STATUS_NO_MEMORY);
        return false;
    }
    server->api->each_tracked_prefix(server, call->client, list_prefix, &prefixes);
    qsort(prefixes.all, prefixes.count, sizeof *prefixes.all, order_of_prefixes);
    *ret_prefixes = prefixes;
    return true;
}

static bool overlap(struct slice a, struct slice b) {
    size_t size = a.size < b.size ? a.size : b.size;
    return size == 0 || memcmp(a.data, b.data, size) == 0;
}

static void refuse_overlap(struct cmd_call *call, struct slice prefix, const char *with, struct slice other) {
    enum { SHOWN_MAX = 128 };
    struct slice a = slice_part(prefix, 0, SHOWN_MAX), b = slice_part(other, 0, SHOWN_MAX);
    reply_errorf(
        call->reply, "ERR Prefix '%.*s' overlaps with %s prefix '%.*s'. Prefixes for a single client must not overlap.",
        (int)a.size, a.size ? (const char *)a.data : "", with, (int)b.size, b.size ? (const char *)b.data : "");
}

/* In the order of Redis: each new one with those that the client has, then with the new ones after it. */
static bool check_overlaps(struct cmd_call *call, const struct cmd_tracking_wish *wish) {
    struct prefixes there;
    if (!prefixes_of(call, &there))
        return false;
    for (uint32_t i = 0; i < wish->prefix_count; i++) {
        for (uint32_t k = 0; k < there.count; k++) {
            if (overlap(there.all[k], wish->prefixes[i])) {
                refuse_overlap(call, wish->prefixes[i], "an existing", there.all[k]);
                return false;
            }
        }
        for (uint32_t k = i + 1; k < wish->prefix_count; k++) {
            if (overlap(wish->prefixes[i], wish->prefixes[k])) {
                refuse_overlap(call, wish->prefixes[i], "another provided", wish->prefixes[k]);
                return false;
            }
        }
    }
    return true;
}

/* ---------------------------------------------------------------- TRACKING */

#define NOBODY_THERE "ERR The client ID you want redirect to does not exist"

static bool read_redirect(struct cmd_call *call, uint32_t at, struct cmd_tracking_wish *wish) {
    struct cmd_server *server = call->env->server;
    int64_t id;
    if (wish->redirect) {
        reply_error(call->reply, SLICE("ERR A client can only redirect to a single other client"));
        return false;
    }
    if (!cmd_integer(call, at, &id))
        return false;
    if (id <= 0 || !server->api->client_is_there(server, (uint64_t)id)) {
        reply_error(call->reply, SLICE(NOBODY_THERE));
        return false;
    }
    wish->redirect = (uint64_t)id;
    return true;
}

static uint32_t mode_of(const struct cmd_call *call, uint32_t at) {
    return cmd_is(call, at, "bcast")    ? CMD_TRACKS_BCAST
           : cmd_is(call, at, "optin")  ? CMD_TRACKS_OPTIN
           : cmd_is(call, at, "optout") ? CMD_TRACKS_OPTOUT
           : cmd_is(call, at, "noloop") ? CMD_TRACKS_NOLOOP
                                        : 0;
}

static bool read_wish(struct cmd_call *call, struct slice *prefixes, struct cmd_tracking_wish *wish) {
    for (uint32_t at = 3; at < call->argc; at++) {
        bool more = at + 1 < call->argc;
        if (cmd_is(call, at, "redirect") && more) {
            if (!read_redirect(call, ++at, wish))
                return false;
        } else if (cmd_is(call, at, "prefix") && more) {
            prefixes[wish->prefix_count++] = call->argv[++at];
        } else if (mode_of(call, at)) {
            wish->modes |= mode_of(call, at);
        } else {
            cmd_error_syntax(call);
            return false;
        }
    }
    return true;
}

/* NULL: the modes go with each other and with what the client has. */
static const char *contradiction(uint32_t now, const struct cmd_tracking_wish *wish) {
    const uint32_t either = CMD_TRACKS_OPTIN | CMD_TRACKS_OPTOUT;
    uint32_t modes = wish->modes;
    if (wish->prefix_count && !(modes & CMD_TRACKS_BCAST))
        return "ERR PREFIX option requires BCAST mode to be enabled";
    if (now & CMD_TRACKS && (now ^ modes) & CMD_TRACKS_BCAST)
        return "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then "
               "re-enabling it with a different mode.";
    if (modes & CMD_TRACKS_BCAST && modes & either)
        return "ERR OPTIN and OPTOUT are not compatible with BCAST";
    if ((modes & either) == either)
        return "ERR You can't specify both OPTIN mode and OPTOUT mode";
    if ((modes & CMD_TRACKS_OPTIN && now & CMD_TRACKS_OPTOUT) || (modes & CMD_TRACKS_OPTOUT && now & CMD_TRACKS_OPTIN))
        return "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then "
               "re-enabling it with a different mode.";
    return NULL;
}

static void begin(struct cmd_call *call, const struct cmd_tracking_wish *wish) {
    struct cmd_server *server = call->env->server;
    const char *error = contradiction(call->client->tracking, wish);
    if (error) {
        reply_error(call->reply, slice_from_string(error));
        return;
    }
    if (wish->modes & CMD_TRACKS_BCAST && !check_overlaps(call, wish))
        return;
    enum status status = server->api->track(server, call->client, wish);
    if (status == STATUS_CLOSED)
        reply_error(call->reply, SLICE(NOBODY_THERE)); /* gone since */
    else if (status == STATUS_FULL)
        reply_errorf(call->reply, "ERR a connection may have at most %d prefixes, with names of %d bytes in all",
                     TOPICS_LISTENER_MAX, TOPICS_LISTENER_NAMES_MAX);
    else if (status != STATUS_OK)
        cmd_error_status(call, status);
    else
        reply_ok(call->reply);
}

void cmd_client_tracking(struct cmd_call *call) {
    struct cmd_server *server = call->env->server;
    struct slice *prefixes = arena_take(call->arena, call->argc * sizeof *prefixes);
    struct cmd_tracking_wish wish = {.prefixes = prefixes};
    if (!prefixes) {
        cmd_error_status(call, STATUS_NO_MEMORY);
        return;
    }
    if (!read_wish(call, prefixes, &wish))
        return;
    if (cmd_is(call, 2, "on")) {
        begin(call, &wish);
    } else if (cmd_is(call, 2, "off")) {
        server->api->untrack(server, call->client);
        reply_ok(call->reply);
    } else {
        cmd_error_syntax(call);
    }
}

/* ------------------------------------------------------------- what goes with it */

void cmd_client_caching(struct cmd_call *call) {
    struct cmd_client *client = call->client;
    const char *error = NULL;
    if (!(client->tracking & CMD_TRACKS))
        error =
            "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode "
            "enabled";
    else if (cmd_is(call, 2, "yes") && !(client->tracking & CMD_TRACKS_OPTIN))
        error = "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.";
    else if (cmd_is(call, 2, "no") && !(client->tracking & CMD_TRACKS_OPTOUT))
        error = "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.";
    if (error) {
        reply_error(call->reply, slice_from_string(error));
    } else if (!cmd_is(call, 2, "yes") && !cmd_is(call, 2, "no")) {
        cmd_error_syntax(call);
    } else {
        client->tracking |= CMD_TRACKS_CACHING;
        reply_ok(call->reply);
    }
}

static int64_t redirect_of(const struct cmd_client *client) {
    return client->tracking & CMD_TRACKS ? (int64_t)client->tracking_redirect : -1;
}

void cmd_client_getredir(struct cmd_call *call) { reply_integer(call->reply, redirect_of(call->client)); }

void cmd_client_trackinginfo(struct cmd_call *call) {
    uint32_t tracking = call->client->tracking;
    const struct {
        bool holds;
        const char *name;
    } flags[] = {
        {!(tracking & CMD_TRACKS), "off"},
        {tracking & CMD_TRACKS, "on"},
        {tracking & CMD_TRACKS_BCAST, "bcast"},
        {tracking & CMD_TRACKS_OPTIN, "optin"},
        {tracking & CMD_TRACKS_OPTIN && tracking & CMD_TRACKS_CACHING, "caching-yes"},
        {tracking & CMD_TRACKS_OPTOUT, "optout"},
        {tracking & CMD_TRACKS_OPTOUT && tracking & CMD_TRACKS_CACHING, "caching-no"},
        {tracking & CMD_TRACKS_NOLOOP, "noloop"},
        {tracking & CMD_TRACKS_BROKEN, "broken_redirect"},
    };
    struct prefixes prefixes;
    if (!prefixes_of(call, &prefixes))
        return;
    uint32_t count = 0;
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        count += flags[i].holds;
    reply_map(call->reply, 3);
    reply_bulk_string(call->reply, "flags");
    reply_set(call->reply, count);
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (flags[i].holds)
            reply_bulk_string(call->reply, flags[i].name);
    reply_bulk_string(call->reply, "redirect");
    reply_integer(call->reply, redirect_of(call->client));
    reply_bulk_string(call->reply, "prefixes");
    reply_array(call->reply, prefixes.count);
    for (uint32_t i = 0; i < prefixes.count; i++)
        reply_bulk(call->reply, prefixes.all[i]);
}
