/* app/cmd/acl_cmd.c: ACL: users, their rights, and what was refused to them. */
#include <stdio.h>

#include "app/cmd/commands.h"
#include "app/cmd/rights.h"
#include "app/cmd/server_api.h"
#include "base/number.h"

enum {
    GENPASS_BITS_DEFAULT = 256,
    GENPASS_BITS_MAX = 4096,
    LOG_COUNT_DEFAULT = 10,
    SHOWN_MAX = 1024, /* bytes of an argument that an error repeats */
};

static int shown_size(struct slice text) { return (int)slice_part(text, 0, SHOWN_MAX).size; }
static const char *shown(struct slice text) { return text.size ? (const char *)text.data : ""; }

static struct auth_users *lock(struct cmd_call *call) { return call->env->server->api->users_lock(call->env->server); }

static void unlock(struct cmd_call *call) { call->env->server->api->users_unlock(call->env->server); }

static void changed(struct cmd_call *call) { call->env->server->api->users_changed(call->env->server, call->client); }

/* ----------------------------------------------------------------- SETUSER */

/* A selector that stands in several arguments, "(+get" "~x)", becomes one word. False: the error is written. */
static bool merge(struct cmd_call *call, struct slice *words, uint32_t *ret_count) {
    uint32_t count = 0;
    for (uint32_t at = 3; at < call->argc; at++) {
        struct slice word = call->argv[at];
        uint32_t last = at;
        size_t size = word.size;
        bool open = word.size && word.data[0] == '(' && word.data[word.size - 1] != ')';
        while (open && ++last < call->argc) {
            struct slice next = call->argv[last];
            size += 1 + next.size;
            open = next.size == 0 || next.data[next.size - 1] != ')';
        }
        if (open) {
            reply_errorf(call->reply, "ERR Unmatched parenthesis in acl selector starting at '%.*s'.", shown_size(word),
                         shown(word));
            return false;
        }
        uint8_t *text = last > at ? arena_take(call->arena, size) : NULL;
        if (last > at && !text) {
            cmd_error_status(call, STATUS_NO_MEMORY);
            return false;
        }
        words[count++] = last > at ? slice_make(text, size) : word;
        for (; text && at <= last; at++) {
            memcpy(text, call->argv[at].data, call->argv[at].size);
            text += call->argv[at].size;
            if (at < last)
                *text++ = ' ';
        }
        at = last;
    }
    *ret_count = count;
    return true;
}

/* What a user and a role differ in. */
struct kind {
    const char *deed;
    const struct auth_user *(*find)(const struct auth_users *, struct slice name);
    enum auth_fault (*apply)(struct auth_user *, struct slice rule);
    enum status (*put)(struct auth_users *, struct auth_user *);
    int max;
};

static const struct auth_user *find_user(const struct auth_users *users, struct slice name) {
    return auth_users_find(users, name);
}

static const struct kind user_kind = {"ACL SETUSER", find_user, auth_user_apply, auth_users_put, AUTH_USERS_MAX};
static const struct kind role_kind = {"ACL SETROLE", auth_roles_find, auth_role_apply, auth_roles_put, AUTH_ROLES_MAX};

/* The user or role with these rules applied; NULL: the error is written. */
static struct auth_user *user_with(struct cmd_call *call, const struct kind *kind, struct auth_users *users,
                                   const struct slice *words, uint32_t count) {
    const struct auth_user *before = kind->find(users, call->argv[2]);
    struct auth_user *user = before ? auth_user_copy(before) : auth_user_new(&users->setting, call->argv[2]);
    enum auth_fault fault = user ? AUTH_FINE : AUTH_NO_MEMORY;
    struct slice missing;
    uint32_t at = 0;
    for (; at < count && fault == AUTH_FINE; at++)
        fault = kind->apply(user, words[at]);
    if (fault == AUTH_FINE && auth_users_know_roles(users, user, &missing))
        return user;
    if (fault == AUTH_NO_MEMORY)
        cmd_error_status(call, STATUS_NO_MEMORY);
    else if (fault != AUTH_FINE)
        reply_errorf(call->reply, "ERR Error in %s modifier '%.*s': %s", kind->deed, shown_size(words[at - 1]),
                     shown(words[at - 1]), auth_fault_text(fault));
    else
        reply_errorf(call->reply, "ERR Error in %s modifier 'role=%.*s': %s", kind->deed, shown_size(missing),
                     shown(missing), auth_fault_text(AUTH_NO_SUCH_ROLE));
    auth_user_unref(user);
    return NULL;
}

static void tell(struct cmd_call *call, const char *what, struct slice name) {
    char text[160];
    snprintf(text, sizeof text, "%s %.*s", what, (int)slice_part(name, 0, 64).size, shown(name));
    call->env->server->api->tell_deed(call->env->server, call->client, text);
}

static void set(struct cmd_call *call, const struct kind *kind) {
    struct slice *words = arena_take(call->arena, call->argc * sizeof *words);
    uint32_t count;
    if (!words) {
        cmd_error_status(call, STATUS_NO_MEMORY);
        return;
    }
    if (!auth_name_is_good(call->argv[2])) {
        reply_error(call->reply, call->argv[2].size > AUTH_NAME_SIZE_MAX
                                     ? SLICE("ERR Usernames can't be longer than 1024 bytes")
                                     : SLICE("ERR Usernames can't contain spaces or null characters"));
        return;
    }
    if (!merge(call, words, &count))
        return;
    struct auth_users *users = lock(call);
    struct auth_user *user = user_with(call, kind, users, words, count);
    enum status status = user ? kind->put(users, user) : STATUS_OK;
    unlock(call);
    if (!user)
        return;
    if (status == STATUS_OK) {
        changed(call);
        tell(call, kind->deed, call->argv[2]);
        reply_ok(call->reply);
        return;
    }
    auth_user_unref(user);
    if (status == STATUS_FULL)
        reply_errorf(call->reply, "ERR there are %d already, and there may be no more", kind->max);
    else
        cmd_error_status(call, status);
}

void cmd_acl_setuser(struct cmd_call *call) { set(call, &user_kind); }

void cmd_acl_setrole(struct cmd_call *call) { set(call, &role_kind); }

void cmd_acl_deluser(struct cmd_call *call) {
    uint32_t count = 0;
    for (uint32_t at = 2; at < call->argc; at++) {
        if (slice_equal(call->argv[at], SLICE("default"))) {
            reply_error(call->reply, SLICE("ERR The 'default' user cannot be removed"));
            return;
        }
    }
    struct auth_users *users = lock(call);
    for (uint32_t at = 2; at < call->argc; at++)
        count += auth_users_remove(users, call->argv[at]);
    unlock(call);
    if (count) {
        changed(call);
        tell(call, "ACL DELUSER", call->argv[2]);
    }
    reply_integer(call->reply, count);
}

/* None of them, if one of them is somebody's. */
void cmd_acl_delrole(struct cmd_call *call) {
    uint32_t count = 0, holders = 0, at = 2;
    struct auth_users *users = lock(call);
    for (; at < call->argc && holders == 0; at++)
        holders = auth_roles_holders(users, call->argv[at]);
    for (uint32_t i = 2; i < call->argc && holders == 0; i++)
        count += auth_roles_remove(users, call->argv[i]);
    unlock(call);
    if (holders) {
        reply_errorf(call->reply, "ERR %u users have the role '%.*s', and nothing has changed", holders,
                     shown_size(call->argv[at - 1]), shown(call->argv[at - 1]));
        return;
    }
    if (count)
        tell(call, "ACL DELROLE", call->argv[2]);
    reply_integer(call->reply, count);
}

/* ------------------------------------------------------------ descriptions */

static void reply_text(struct cmd_call *call, enum status status, struct buf *text) {
    if (status == STATUS_OK)
        reply_bulk(call->reply, buf_slice(text));
    else
        call->reply->status = status; /* the connection is closed: half a reply stands there */
    buf_clear(text);
}

static void reply_selector(struct cmd_call *call, const struct auth_selector *selector, struct buf *text) {
    reply_bulk_string(call->reply, "commands");
    reply_text(call, auth_describe_commands(selector, text), text);
    reply_bulk_string(call->reply, "keys");
    reply_text(call, auth_describe_keys(selector, text), text);
    reply_bulk_string(call->reply, "channels");
    reply_text(call, auth_describe_channels(selector, text), text);
}

/* Of a map: four fields. */
static void reply_selectors(struct cmd_call *call, const struct auth_user *user, struct buf *text) {
    struct reply *reply = call->reply;
    reply_selector(call, auth_selector_at(user, 0), text);
    reply_bulk_string(reply, "selectors");
    reply_array(reply, user->selectors.count - 1);
    for (uint32_t i = 1; i < user->selectors.count; i++) {
        reply_map(reply, 3);
        reply_selector(call, auth_selector_at(user, i), text);
    }
}

static void reply_user(struct cmd_call *call, const struct auth_user *user, struct buf *text) {
    struct reply *reply = call->reply;
    reply_map(reply, 6u + (user->service.size > 0) + (user->roles.count > 0));
    reply_bulk_string(reply, "flags");
    reply_set(reply, 1u + user->nopass + (user->sanitize != AUTH_SANITIZE_UNSAID));
    reply_bulk_string(reply, user->on ? "on" : "off");
    if (user->nopass)
        reply_bulk_string(reply, "nopass");
    if (user->sanitize != AUTH_SANITIZE_UNSAID)
        reply_bulk_string(reply, user->sanitize == AUTH_SANITIZE ? "sanitize-payload" : "skip-sanitize-payload");
    reply_bulk_string(reply, "passwords");
    reply_array(reply, user->passwords.count);
    for (uint32_t i = 0; i < user->passwords.count; i++)
        reply_bulk(reply, ((const struct slice *)user->passwords.items)[i]);
    reply_selectors(call, user, text);
    if (user->service.size) {
        reply_bulk_string(reply, "service");
        reply_bulk(reply, user->service);
    }
    if (user->roles.count) {
        reply_bulk_string(reply, "roles");
        reply_array(reply, user->roles.count);
    }
    for (uint32_t i = 0; i < user->roles.count; i++)
        reply_bulk(reply, auth_role_at(user, i)->name);
}

void cmd_acl_getuser(struct cmd_call *call) {
    struct buf text;
    buf_init(&text, call->arena->memory);
    const struct auth_user *user = auth_users_find(lock(call), call->argv[2]);
    if (user)
        reply_user(call, user, &text);
    else
        reply_null(call->reply);
    unlock(call);
    buf_fini(&text);
}

void cmd_acl_getrole(struct cmd_call *call) {
    struct buf text;
    buf_init(&text, call->arena->memory);
    const struct auth_users *users = lock(call);
    const struct auth_user *role = auth_roles_find(users, call->argv[2]);
    if (role) {
        reply_map(call->reply, 5);
        reply_selectors(call, role, &text);
        reply_bulk_string(call->reply, "users");
        reply_integer(call->reply, auth_roles_holders(users, call->argv[2]));
    } else {
        reply_null(call->reply);
    }
    unlock(call);
    buf_fini(&text);
}

void cmd_acl_list(struct cmd_call *call) {
    struct buf text;
    buf_init(&text, call->arena->memory);
    const struct auth_users *users = lock(call);
    reply_array(call->reply, users->users.count);
    for (uint32_t i = 0; i < users->users.count; i++) {
        struct slice name = users->users.list[i]->name;
        enum status status = buf_printf(&text, "user %.*s ", (int)name.size, shown(name));
        reply_text(call, status == STATUS_OK ? auth_user_describe(users->users.list[i], &text) : status, &text);
    }
    unlock(call);
    buf_fini(&text);
}

static void reply_names(struct cmd_call *call, const struct auth_table *table) {
    reply_array(call->reply, table->count);
    for (uint32_t i = 0; i < table->count; i++)
        reply_bulk(call->reply, table->list[i]->name);
}

void cmd_acl_users(struct cmd_call *call) {
    reply_names(call, &lock(call)->users);
    unlock(call);
}

void cmd_acl_roles(struct cmd_call *call) {
    reply_names(call, &lock(call)->roles);
    unlock(call);
}

void cmd_acl_whoami(struct cmd_call *call) {
    const struct auth_user *user = call->client->user;
    reply_bulk(call->reply, user ? user->name : SLICE("default"));
}

void cmd_acl_cat(struct cmd_call *call) {
    const struct auth_commands *rights = &cmd_rights;
    struct reply *reply = call->reply;
    if (call->argc > 3) {
        cmd_error_subcommand(call, "ACL");
        return;
    }
    if (call->argc == 2) {
        reply_array(reply, rights->category_count);
        for (uint32_t i = 0; i < rights->category_count; i++)
            reply_bulk_string(reply, rights->categories[i]);
        return;
    }
    uint32_t category = auth_category_find(rights, call->argv[2]), count = 0;
    if (category == AUTH_NONE) {
        reply_errorf(reply, "ERR Unknown category '%.*s'", shown_size(call->argv[2]), shown(call->argv[2]));
        return;
    }
    for (uint32_t i = 0; i < rights->count; i++)
        count += rights->list[i].categories >> category & 1;
    reply_array(reply, count);
    for (uint32_t i = 0; i < rights->count; i++)
        if (rights->list[i].categories >> category & 1)
            reply_bulk_string(reply, rights->list[i].name);
}

void cmd_acl_genpass(struct cmd_call *call) {
    static const char hex[] = "0123456789abcdef";
    int64_t bits = GENPASS_BITS_DEFAULT;
    uint8_t bytes[GENPASS_BITS_MAX / 8];
    char digits[GENPASS_BITS_MAX / 4];
    if (call->argc > 3) {
        cmd_error_subcommand(call, "ACL");
        return;
    }
    if (call->argc == 3 && !cmd_integer(call, 2, &bits))
        return;
    if (bits <= 0 || bits > GENPASS_BITS_MAX) {
        reply_errorf(call->reply,
                     "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number "
                     "up to %d",
                     GENPASS_BITS_MAX);
        return;
    }
    call->env->server->api->random(call->env->server, bytes, sizeof bytes);
    size_t size = (size_t)(bits + 3) / 4;
    for (size_t i = 0; i < size; i++)
        digits[i] = hex[i % 2 ? bytes[i / 2] & 15 : bytes[i / 2] >> 4];
    reply_bulk(call->reply, slice_make(digits, size));
}

/* ------------------------------------------------------------------ DRYRUN */

/* The command from argument 3 on; NULL: the error is written. */
static const struct cmd_spec *dryrun_find(struct cmd_call *call) {
    const struct slice *argv = call->argv + 3;
    const uint32_t argc = call->argc - 3;
    const struct cmd_spec *spec = cmd_lookup(argv[0]);
    if (spec && spec->subcommand_count && argc > 1)
        spec = cmd_lookup_sub(spec, argv[1]);
    if (!spec) {
        reply_errorf(call->reply, "ERR Command '%.*s' not found", shown_size(argv[0]), shown(argv[0]));
        return NULL;
    }
    if (spec->arity > 0 ? argc != (uint32_t)spec->arity : argc < (uint32_t)-spec->arity) {
        reply_errorf(call->reply, "ERR wrong number of arguments for '%s' command", spec->name);
        return NULL;
    }
    return spec;
}

static void dryrun_reply(struct cmd_call *call, const struct cmd_spec *spec, enum auth_verdict verdict, uint32_t at) {
    struct slice object = at ? call->argv[3 + at] : SLICE("*");
    struct buf text;
    buf_init(&text, call->arena->memory);
    enum status status = STATUS_OK;
    if (verdict == AUTH_NOT_COMMAND)
        status = buf_printf(&text, "This user has no permissions to run the '%s' command", spec->name);
    else
        status = buf_printf(&text, "This user has no permissions to access the '%.*s' %s", shown_size(object),
                            shown(object), verdict == AUTH_NOT_KEY ? "key" : "channel");
    if (verdict == AUTH_PERMITTED)
        reply_ok(call->reply);
    else if (status == STATUS_OK)
        reply_bulk(call->reply, buf_slice(&text));
    else
        cmd_error_status(call, status);
    buf_fini(&text);
}

void cmd_acl_dryrun(struct cmd_call *call) {
    enum auth_verdict verdict = AUTH_PERMITTED;
    uint32_t at = 0;
    struct auth_user *user = auth_users_find(lock(call), call->argv[2]);
    if (user)
        (void)auth_user_ref(user);
    unlock(call);
    if (!user) {
        reply_errorf(call->reply, "ERR User '%.*s' not found", shown_size(call->argv[2]), shown(call->argv[2]));
        return;
    }
    const struct cmd_spec *spec = dryrun_find(call);
    enum status status = STATUS_OK;
    if (spec)
        status = rights_judge(call, user, spec, call->argv + 3, call->argc - 3, &verdict, &at);
    auth_user_unref(user);
    if (status != STATUS_OK)
        cmd_error_status(call, status);
    else if (spec)
        dryrun_reply(call, spec, verdict, at);
}

/* --------------------------------------------------------------------- LOG */

static void reply_refusal(struct cmd_call *call, const struct auth_refusal *refusal) {
    static const char *const reasons[] = {
        [AUTH_REASON_COMMAND] = "command",
        [AUTH_REASON_KEY] = "key",
        [AUTH_REASON_CHANNEL] = "channel",
        [AUTH_REASON_AUTH] = "auth",
    };
    struct reply *reply = call->reply;
    reply_map(reply, 10);
    reply_bulk_string(reply, "count");
    reply_integer(reply, (int64_t)refusal->count);
    reply_bulk_string(reply, "reason");
    reply_bulk_string(reply, reasons[refusal->reason]);
    reply_bulk_string(reply, "context");
    reply_bulk_string(reply, refusal->context == AUTH_CONTEXT_MULTI ? "multi" : "toplevel");
    reply_bulk_string(reply, "object");
    reply_bulk(reply, refusal->object);
    reply_bulk_string(reply, "username");
    reply_bulk(reply, refusal->user);
    reply_bulk_string(reply, "age-seconds");
    uint64_t now_ms = call->actor->now_ms;
    reply_double(reply, (double)(now_ms > refusal->last_ms ? now_ms - refusal->last_ms : 0) / 1000);
    reply_bulk_string(reply, "client-info");
    reply_bulk(reply, refusal->client);
    reply_bulk_string(reply, "entry-id");
    reply_integer(reply, (int64_t)refusal->id);
    reply_bulk_string(reply, "timestamp-created");
    reply_integer(reply, (int64_t)refusal->first_ms);
    reply_bulk_string(reply, "timestamp-last-updated");
    reply_integer(reply, (int64_t)refusal->last_ms);
}

void cmd_acl_log(struct cmd_call *call) {
    int64_t count = LOG_COUNT_DEFAULT;
    if (call->argc > 3) {
        cmd_error_subcommand(call, "ACL");
        return;
    }
    bool resets = call->argc == 3 && cmd_is(call, 2, "reset");
    if (call->argc == 3 && !resets && !cmd_integer(call, 2, &count))
        return;
    struct auth_users *users = lock(call);
    if (resets) {
        auth_log_clear(users);
        reply_ok(call->reply);
    } else {
        uint64_t left = count < 0 ? 0 : (uint64_t)count;
        left = left < users->log_count ? left : users->log_count;
        reply_array(call->reply, left);
        for (const struct auth_refusal *each = users->newest; left; each = each->older, left--)
            reply_refusal(call, each);
    }
    unlock(call);
}

/* ----------------------------------------------------------- LOAD and SAVE */

static void file_reply(struct cmd_call *call, bool done, struct buf *errors) {
    if (done)
        reply_ok(call->reply);
    else
        reply_errorf(call->reply, "ERR %.*s", (int)errors->size, shown(buf_slice(errors)));
    buf_fini(errors);
}

void cmd_acl_load(struct cmd_call *call) {
    struct buf errors;
    buf_init(&errors, call->arena->memory);
    file_reply(call, call->env->server->api->users_load(call->env->server, call->client, &errors), &errors);
}

void cmd_acl_save(struct cmd_call *call) {
    struct buf errors;
    buf_init(&errors, call->arena->memory);
    file_reply(call, call->env->server->api->users_save(call->env->server, &errors), &errors);
}
