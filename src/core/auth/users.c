#include "core/auth/users.h"

#include "base/assert.h"

enum { CAPACITY_MIN = 16 };

/* The first whose name is not before. */
static uint32_t place_of(const struct auth_users *users, struct slice name) {
    uint32_t from = 0, to = users->count;
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        if (slice_compare(users->list[middle]->name, name) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static bool is_at(const struct auth_users *users, uint32_t at, struct slice name) {
    return at < users->count && slice_equal(users->list[at]->name, name);
}

struct auth_user *auth_users_find(const struct auth_users *users, struct slice name) {
    uint32_t at = place_of(users, name);
    return is_at(users, at, name) ? users->list[at] : NULL;
}

static enum status make_room(struct auth_users *users) {
    if (users->count < users->capacity)
        return STATUS_OK;
    if (users->count >= AUTH_USERS_MAX)
        return STATUS_FULL;
    uint32_t capacity = users->capacity ? users->capacity * 2 : CAPACITY_MIN;
    const struct memory *memory = users->setting.memory;
    void *list = memory->resize(memory->context, users->list, users->capacity * sizeof *users->list,
                                capacity * sizeof *users->list);
    if (!list)
        return STATUS_NO_MEMORY;
    users->list = list;
    users->capacity = capacity;
    return STATUS_OK;
}

enum status auth_users_put(struct auth_users *users, struct auth_user *user) {
    uint32_t at = place_of(users, user->name);
    if (is_at(users, at, user->name)) {
        user->id = users->list[at]->id;
        auth_user_unref(users->list[at]);
    } else {
        TRY(make_room(users));
        memmove(users->list + at + 1, users->list + at, (users->count - at) * sizeof *users->list);
        users->count++;
        user->id = ++users->id_last;
    }
    user->setting = &users->setting;
    users->list[at] = user;
    return STATUS_OK;
}

bool auth_users_remove(struct auth_users *users, struct slice name) {
    uint32_t at = place_of(users, name);
    if (!is_at(users, at, name))
        return false;
    auth_user_unref(users->list[at]);
    users->count--;
    memmove(users->list + at, users->list + at + 1, (users->count - at) * sizeof *users->list);
    return true;
}

static void drop_all(struct auth_users *users) {
    for (uint32_t i = 0; i < users->count; i++)
        auth_user_unref(users->list[i]);
    memory_give(users->setting.memory, users->list, users->capacity * sizeof *users->list);
    users->list = NULL;
    users->count = users->capacity = 0;
}

static enum status add_default(struct auth_users *users) {
    struct auth_user *user = auth_user_new_default(&users->setting);
    if (!user)
        return STATUS_NO_MEMORY;
    enum status status = auth_users_put(users, user);
    if (status != STATUS_OK)
        auth_user_unref(user);
    return status;
}

enum status auth_users_init(struct auth_users *users, const struct auth_setting *setting) {
    *users = (struct auth_users){.setting = *setting};
    enum status status = add_default(users);
    if (status != STATUS_OK)
        drop_all(users);
    return status;
}

void auth_users_fini(struct auth_users *users) {
    drop_all(users);
    auth_log_clear(users);
}

/* --------------------------------------------------------------- ACL files */

struct line {
    struct auth_users *into;
    struct auth_user *user;
    struct slice rest;
    const char *file;
    uint32_t number;
    struct buf *errors;
};

static enum status complain(const struct line *line, const char *before, struct slice what, const char *text) {
    const int shown = what.size < 128 ? (int)what.size : 128;
    TRY(buf_printf(line->errors, "%s:%u: %s%.*s%s%s. ", line->file, line->number, before, shown,
                   what.size ? (const char *)what.data : "", *before ? "': " : "", text));
    return STATUS_INVALID;
}

static bool is_space(uint8_t byte) { return byte == ' ' || (byte >= '\t' && byte <= '\r'); }

/* The next word, which ends with a space: in brackets there may be some. Empty: there is none. False: a bracket is open. */
static bool next_word(struct slice *rest, struct slice *ret_word) {
    while (rest->size && is_space(rest->data[0]))
        *rest = slice_part(*rest, 1, SIZE_MAX);
    bool bracket = rest->size && rest->data[0] == '(';
    size_t size = 0;
    bool closed = !bracket;
    for (; size < rest->size; size++) {
        if (!is_space(rest->data[size]))
            continue;
        closed |= bracket && rest->data[size - 1] == ')';
        if (closed)
            break;
    }
    closed |= size > 1 && rest->data[size - 1] == ')';
    *ret_word = slice_part(*rest, 0, size);
    *rest = slice_part(*rest, size, SIZE_MAX);
    return closed;
}

/* A word without a meaning of brackets. False: there is none. */
static bool next_plain(struct slice *rest, struct slice *ret_word) {
    while (rest->size && is_space(rest->data[0]))
        *rest = slice_part(*rest, 1, SIZE_MAX);
    size_t size = 0;
    while (size < rest->size && !is_space(rest->data[size]))
        size++;
    *ret_word = slice_part(*rest, 0, size);
    *rest = slice_part(*rest, size, SIZE_MAX);
    return size > 0;
}

static enum status read_rules(struct line *line) {
    struct slice word;
    bool closed;
    while ((closed = next_word(&line->rest, &word)) && word.size) {
        enum auth_fault fault = auth_user_apply(line->user, word);
        if (fault == AUTH_NO_MEMORY)
            return STATUS_NO_MEMORY;
        if (fault != AUTH_FINE)
            return complain(line, "Error in user declaration '", word.data[0] == '>' ? SLICE("(a password)") : word,
                            auth_fault_text(fault));
    }
    return closed ? STATUS_OK : complain(line, "", SLICE("Unmatched parenthesis in selector definition"), "");
}

static enum status read_line(struct line *line) {
    struct slice word;
    if (!next_plain(&line->rest, &word) || word.data[0] == '#')
        return STATUS_OK;
    if (!slice_equal(word, SLICE("user")) || !next_plain(&line->rest, &word))
        return complain(line, "", SLICE("line should start with user keyword followed by the username"), "");
    if (!auth_name_is_good(word))
        return complain(line, "", SLICE("username is too long or contains invalid characters"), "");
    if (auth_users_find(line->into, word))
        return complain(line, "Error in user declaration '", word, auth_fault_text(AUTH_DUPLICATE));
    line->user = auth_user_new(&line->into->setting, word);
    if (!line->user)
        return STATUS_NO_MEMORY;
    enum status status = read_rules(line);
    if (status == STATUS_OK)
        status = auth_users_put(line->into, line->user);
    if (status != STATUS_OK)
        auth_user_unref(line->user);
    line->user = NULL;
    return status;
}

/* All lines, also behind one that is wrong: each is told of. */
static enum status read_lines(struct auth_users *into, struct slice text, const char *file, struct buf *errors) {
    struct line line = {.into = into, .file = file, .errors = errors};
    enum status worst = STATUS_OK;
    while (text.size) {
        const uint8_t *end = memchr(text.data, '\n', text.size);
        size_t size = end ? (size_t)(end - text.data) : text.size;
        line.rest = slice_part(text, 0, size);
        line.number++;
        text = slice_part(text, size + 1, SIZE_MAX);
        enum status status = size <= AUTH_LINE_SIZE_MAX ? read_line(&line)
                                                        : complain(&line, "", SLICE("a line has more than 1 MiB"), "");
        if (status != STATUS_OK && status != STATUS_INVALID)
            return status;
        worst = status != STATUS_OK ? status : worst;
    }
    return worst;
}

/* A user that was there keeps its id, by which connections know it. */
static void keep_ids(const struct auth_users *old, struct auth_users *loaded) {
    for (uint32_t i = 0; i < loaded->count; i++) {
        const struct auth_user *before = auth_users_find(old, loaded->list[i]->name);
        loaded->list[i]->id = before ? before->id : ++loaded->id_last;
    }
}

enum status auth_users_load(struct auth_users *users, struct slice text, const char *file, struct buf *errors) {
    struct auth_users loaded = {.setting = users->setting, .id_last = users->id_last};
    enum status status = read_lines(&loaded, text, file, errors);
    if (status == STATUS_OK && !auth_users_find(&loaded, SLICE("default")))
        status = add_default(&loaded);
    if (status != STATUS_OK) {
        drop_all(&loaded);
        return status;
    }
    loaded.id_last = users->id_last;
    keep_ids(users, &loaded);
    drop_all(users);
    users->list = loaded.list;
    users->count = loaded.count;
    users->capacity = loaded.capacity;
    users->id_last = loaded.id_last;
    for (uint32_t i = 0; i < users->count; i++)
        users->list[i]->setting = &users->setting;
    return STATUS_OK;
}

enum status auth_users_save(const struct auth_users *users, struct buf *out) {
    for (uint32_t i = 0; i < users->count; i++) {
        TRY(buf_append(out, "user ", 5));
        TRY(buf_append_slice(out, users->list[i]->name));
        TRY(buf_append(out, " ", 1));
        TRY(auth_user_describe(users->list[i], out));
        TRY(buf_append(out, "\n", 1));
    }
    return STATUS_OK;
}

/* --------------------------------------------------------------------- log */

static void unlink_refusal(struct auth_users *users, struct auth_refusal *refusal) {
    if (refusal->newer)
        refusal->newer->older = refusal->older;
    else
        users->newest = refusal->older;
    if (refusal->older)
        refusal->older->newer = refusal->newer;
    else
        users->oldest = refusal->newer;
    users->log_count--;
}

static void link_newest(struct auth_users *users, struct auth_refusal *refusal) {
    refusal->newer = NULL;
    refusal->older = users->newest;
    if (users->newest)
        users->newest->newer = refusal;
    else
        users->oldest = refusal;
    users->newest = refusal;
    users->log_count++;
}

static struct auth_refusal *find_alike(const struct auth_users *users, const struct auth_refusal *like) {
    struct auth_refusal *refusal = users->newest;
    for (int i = 0; i < AUTH_LOG_GROUP_AMONG && refusal; i++, refusal = refusal->older)
        if (refusal->reason == like->reason && refusal->context == like->context &&
            like->last_ms - refusal->last_ms <= AUTH_LOG_GROUP_MS && slice_equal(refusal->object, like->object) &&
            slice_equal(refusal->user, like->user))
            return refusal;
    return NULL;
}

/* With its texts behind it; NULL: no memory. */
static struct auth_refusal *refusal_make(struct auth_users *users, const struct auth_refusal *what) {
    const struct slice texts[] = {what->object, what->user, what->client};
    size_t size = sizeof *what + what->object.size + what->user.size + what->client.size;
    struct auth_refusal *refusal = memory_take(users->setting.memory, size);
    if (!refusal)
        return NULL;
    *refusal = *what;
    refusal->size = size;
    uint8_t *at = (uint8_t *)(refusal + 1);
    struct slice *copies[] = {&refusal->object, &refusal->user, &refusal->client};
    for (size_t i = 0; i < 3; i++) {
        if (texts[i].size)
            memcpy(at, texts[i].data, texts[i].size);
        *copies[i] = slice_make(at, texts[i].size);
        at += texts[i].size;
    }
    return refusal;
}

void auth_log_note(struct auth_users *users, enum auth_reason reason, enum auth_context context, struct slice object,
                   struct slice user, struct slice client, uint64_t now_ms) {
    struct auth_refusal what = {.reason = reason,
                                .context = context,
                                .count = 1,
                                .first_ms = now_ms,
                                .last_ms = now_ms,
                                .object = slice_part(object, 0, AUTH_LOG_OBJECT_MAX),
                                .user = slice_part(user, 0, AUTH_LOG_OBJECT_MAX),
                                .client = slice_part(client, 0, AUTH_LOG_CLIENT_MAX)};
    if (users->log_max == 0)
        return;
    struct auth_refusal *alike = find_alike(users, &what);
    what.id = users->log_id_next;
    if (alike) {
        what.count = alike->count + 1;
        what.first_ms = alike->first_ms;
        what.id = alike->id;
    }
    struct auth_refusal *refusal = refusal_make(users, &what);
    if (!refusal)
        return;
    if (alike) {
        unlink_refusal(users, alike);
        memory_give(users->setting.memory, alike, alike->size);
    } else {
        users->log_id_next++;
    }
    link_newest(users, refusal);
    auth_log_limit(users, users->log_max);
}

void auth_log_limit(struct auth_users *users, uint32_t max) {
    users->log_max = max;
    while (users->log_count > max) {
        struct auth_refusal *oldest = users->oldest;
        unlink_refusal(users, oldest);
        memory_give(users->setting.memory, oldest, oldest->size);
    }
}

void auth_log_clear(struct auth_users *users) {
    const uint32_t max = users->log_max;
    auth_log_limit(users, 0);
    users->log_max = max;
}
