#include "app/cmd/client_filter.h"

#include "app/cmd/client_line.h"
#include "base/bits.h"
#include "base/number.h"
#include "core/auth/users.h"

enum client_type { TYPE_NORMAL, TYPE_MASTER, TYPE_REPLICA, TYPE_PUBSUB };

enum { SHOWN_MAX = 128 }; /* bytes of an argument that an error text repeats */

/* ---------------------------------------------------------------------------------------- reading */

struct reading {
    struct cmd_call *call;
    struct client_filter *filter;
    uint32_t at; /* the next argument */
};

static bool refuse(struct reading *reading, const char *text) {
    reply_error(reading->call->reply, slice_from_string(text));
    return false;
}

static bool refuse_value(struct reading *reading, const char *text) {
    struct slice shown = slice_part(reading->call->argv[reading->at], 0, SHOWN_MAX);
    reply_errorf(reading->call->reply, "ERR %s '%.*s'", text, (int)shown.size,
                 shown.size ? (const char *)shown.data : "");
    return false;
}

/* As many as there are, one at least. */
static bool read_ids(struct reading *reading, struct client_condition *condition) {
    const struct cmd_call *call = reading->call;
    uint64_t *numbers = arena_take(call->arena, (call->argc - reading->at) * sizeof *numbers);
    uint32_t count = 0;
    int64_t id;
    if (!numbers) {
        cmd_error_status(reading->call, STATUS_NO_MEMORY);
        return false;
    }
    for (; reading->at < call->argc && number_parse_i64(call->argv[reading->at], &id); reading->at++) {
        if (id <= 0)
            return refuse(reading, "ERR client-id should be greater than 0");
        numbers[count++] = (uint64_t)id;
    }
    condition->numbers = numbers;
    condition->count = count;
    return count ? true : refuse(reading, "ERR client-id should be greater than 0");
}

static bool read_type(struct reading *reading, struct client_condition *condition) {
    static const struct {
        const char *name;
        enum client_type type;
    } types[] = {{"normal", TYPE_NORMAL},   {"master", TYPE_MASTER}, {"primary", TYPE_MASTER},
                 {"replica", TYPE_REPLICA}, {"slave", TYPE_REPLICA}, {"pubsub", TYPE_PUBSUB}};
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        if (cmd_is(reading->call, reading->at, types[i].name)) {
            condition->number = types[i].type;
            reading->at++;
            return true;
        }
    }
    return refuse_value(reading, "Unknown client type");
}

static bool read_user(struct reading *reading, struct client_condition *condition) {
    struct cmd_server *server = reading->call->env->server;
    const struct auth_user *user = auth_users_find(server->api->users_lock(server), reading->call->argv[reading->at]);
    condition->number = user ? user->id : 0;
    server->api->users_unlock(server);
    if (!user)
        return refuse_value(reading, "No such user");
    reading->at++;
    return true;
}

static bool read_seconds(struct reading *reading, struct client_condition *condition, const char *malformed,
                         const char *too_small) {
    int64_t number;
    if (!number_parse_i64(reading->call->argv[reading->at], &number))
        return refuse(reading, malformed);
    if (number <= 0)
        return refuse(reading, too_small);
    condition->number = (uint64_t)number;
    reading->at++;
    return true;
}

static bool read_database(struct reading *reading, struct client_condition *condition) {
    int64_t number;
    if (!number_parse_i64(reading->call->argv[reading->at], &number) || number < 0 || number >= CACHE_DATABASES)
        return refuse(reading, "ERR DB index is out of range");
    condition->number = (uint64_t)number;
    reading->at++;
    return true;
}

static bool read_flags(struct reading *reading, struct client_condition *condition) {
    struct slice text = reading->call->argv[reading->at];
    for (size_t i = 0; i < text.size; i++)
        if (!memchr(CLIENT_FLAGS, text.data[i], sizeof CLIENT_FLAGS - 1))
            return refuse_value(reading, "Unknown flags found in the provided filter:");
    condition->text = text;
    reading->at++;
    return true;
}

static bool read_value(struct reading *reading, enum client_filter_word word, struct client_condition *condition) {
    *condition = (struct client_condition){.said = true};
    switch (word) {
        case FILTER_ID:
            return read_ids(reading, condition);
        case FILTER_TYPE:
            return read_type(reading, condition);
        case FILTER_USER:
            return read_user(reading, condition);
        case FILTER_FLAGS:
            return read_flags(reading, condition);
        case FILTER_DB:
            return read_database(reading, condition);
        case FILTER_AGE:
            return read_seconds(reading, condition, "ERR maxage is not an integer or out of range",
                                "ERR maxage should be greater than 0");
        case FILTER_IDLE:
            return read_seconds(reading, condition, "ERR idle is not an integer or out of range",
                                "ERR idle should be greater than 0");
        case FILTER_ADDRESS:
        case FILTER_LOCAL_ADDRESS:
        case FILTER_IP:
        case FILTER_NAME:
        case FILTER_LIB_NAME:
        case FILTER_LIB_VERSION:
        case FILTER_WORDS:
            break;
    }
    condition->text = reading->call->argv[reading->at++];
    return true;
}

static bool read_skip(struct reading *reading) {
    bool yes = cmd_is(reading->call, reading->at, "yes");
    if (!yes && !cmd_is(reading->call, reading->at, "no")) {
        cmd_error_syntax(reading->call);
        return false;
    }
    reading->filter->skips_me = yes;
    reading->filter->skip_said = true;
    reading->at++;
    return true;
}

/* FILTER_WORDS: it is none. */
static enum client_filter_word word_of(struct slice name, bool *ret_negated) {
    static const struct {
        const char *name;
        bool no_not;
    } words[FILTER_WORDS] = {[FILTER_ID] = {"id", false},
                             [FILTER_TYPE] = {"type", false},
                             [FILTER_USER] = {"user", false},
                             [FILTER_ADDRESS] = {"addr", false},
                             [FILTER_LOCAL_ADDRESS] = {"laddr", false},
                             [FILTER_IP] = {"ip", false},
                             [FILTER_NAME] = {"name", false},
                             [FILTER_LIB_NAME] = {"lib-name", false},
                             [FILTER_LIB_VERSION] = {"lib-ver", false},
                             [FILTER_FLAGS] = {"flags", false},
                             [FILTER_DB] = {"db", false},
                             [FILTER_AGE] = {"maxage", true},
                             [FILTER_IDLE] = {"idle", true}};
    *ret_negated = name.size > 4 && slice_equal_nocase(slice_part(name, 0, 4), SLICE("not-"));
    if (*ret_negated)
        name = slice_part(name, 4, SIZE_MAX);
    for (int word = 0; word < FILTER_WORDS; word++)
        if (slice_equal_nocase(name, slice_from_string(words[word].name)) && !(*ret_negated && words[word].no_not))
            return (enum client_filter_word)word;
    return FILTER_WORDS;
}

bool client_filter_is_word(struct slice name) {
    bool negated;
    return word_of(name, &negated) != FILTER_WORDS || slice_equal_nocase(name, SLICE("skipme"));
}

static bool read_pair(struct reading *reading) {
    bool negated, is_last = reading->at + 1 == reading->call->argc;
    struct slice name = reading->call->argv[reading->at++];
    enum client_filter_word word = word_of(name, &negated);
    if (!is_last && slice_equal_nocase(name, SLICE("skipme")))
        return read_skip(reading);
    if (!is_last && word != FILTER_WORDS) {
        reading->filter->repeats |= reading->filter->of[word][negated].said;
        return read_value(reading, word, &reading->filter->of[word][negated]);
    }
    cmd_error_syntax(reading->call);
    return false;
}

bool client_filter_read(struct cmd_call *call, uint32_t at, struct client_filter *ret_filter) {
    struct reading reading = {.call = call, .filter = ret_filter, .at = at};
    *ret_filter = (struct client_filter){.skips_me = false};
    while (reading.at < call->argc)
        if (!read_pair(&reading))
            return false;
    return true;
}

/* ---------------------------------------------------------------------------------------- matching */

static bool has_id(const struct client_condition *condition, uint64_t id) {
    for (uint32_t i = 0; i < condition->count; i++)
        if (condition->numbers[i] == id)
            return true;
    return false;
}

static bool has_flags(const struct client_condition *condition, const struct cmd_client_view *view) {
    char flags[CLIENT_FLAGS_SIZE];
    client_line_flags(view, flags);
    for (size_t i = 0; i < condition->text.size; i++)
        if (!strchr(flags, condition->text.data[i]))
            return false;
    return true;
}

/* Without the port, and of IPv6 without brackets. */
static bool has_ip(struct slice ip, struct slice address) {
    while (address.size && address.data[address.size - 1] != ':')
        address.size--;
    address.size -= address.size != 0;
    if (address.size > 1 && address.data[0] == '[')
        address = slice_part(address, 1, address.size - 2);
    return slice_equal(ip, address);
}

static bool is_same(struct slice wanted, const char *shown, uint32_t size) {
    return wanted.size == size && slice_equal(wanted, slice_from_string(shown));
}

static bool holds(enum client_filter_word word, const struct client_condition *condition,
                  const struct cmd_client_view *view) {
    switch (word) {
        case FILTER_ID:
            return has_id(condition, view->id);
        case FILTER_TYPE:
            return condition->number == (uint64_t)(client_line_subscribes(view) ? TYPE_PUBSUB : TYPE_NORMAL);
        case FILTER_USER:
            return condition->number == view->user_id;
        case FILTER_ADDRESS:
            return slice_equal(condition->text, slice_from_string(view->address));
        case FILTER_LOCAL_ADDRESS:
            return slice_equal(condition->text, slice_from_string(view->local_address));
        case FILTER_IP:
            return has_ip(condition->text, slice_from_string(view->address));
        case FILTER_NAME:
            return is_same(condition->text, view->name, view->name_size);
        case FILTER_LIB_NAME:
            return is_same(condition->text, view->lib_name, view->lib_name_size);
        case FILTER_LIB_VERSION:
            return is_same(condition->text, view->lib_version, view->lib_version_size);
        case FILTER_FLAGS:
            return has_flags(condition, view);
        case FILTER_DB:
            return condition->number == view->db;
        case FILTER_AGE:
            return view->age_s >= condition->number;
        case FILTER_IDLE:
            return view->idle_s >= condition->number;
        case FILTER_WORDS:
            break;
    }
    return true;
}

bool client_filter_matches(const struct client_filter *filter, const struct cmd_client_view *view) {
    for (int word = 0; word < FILTER_WORDS; word++)
        for (int negated = 0; negated < 2; negated++) {
            const struct client_condition *condition = &filter->of[word][negated];
            if (condition->said && holds((enum client_filter_word)word, condition, view) == (negated != 0))
                return false;
        }
    return true;
}
