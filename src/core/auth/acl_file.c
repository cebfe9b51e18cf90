/* core/auth/acl_file.c: users, roles and tokens as lines of an ACL file. */
#include "core/auth/users.h"

#include "core/auth/inner.h"

#define NOT_A_LINE SLICE("line should start with user keyword followed by the username")

struct line {
    struct auth_users *into;
    struct auth_user *user; /* or a role */
    enum auth_fault (*apply)(struct auth_user *user, struct slice rule);
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

static const char *in_declaration(const struct line *line) {
    return line->apply == auth_role_apply ? "Error in role declaration '" : "Error in user declaration '";
}

static enum status read_rules(struct line *line) {
    struct slice word;
    bool closed;
    while ((closed = next_word(&line->rest, &word)) && word.size) {
        enum auth_fault fault = line->apply(line->user, word);
        if (fault == AUTH_NO_MEMORY)
            return STATUS_NO_MEMORY;
        if (fault != AUTH_FINE)
            return complain(line, in_declaration(line), word.data[0] == '>' ? SLICE("(a password)") : word,
                            auth_fault_text(fault));
    }
    return closed ? STATUS_OK : complain(line, "", SLICE("Unmatched parenthesis in selector definition"), "");
}

/* `role NAME RULE ...`: roles stand before the users that have them. */
static enum status read_role(struct line *line, struct slice name) {
    if (auth_roles_find(line->into, name))
        return complain(line, in_declaration(line), name, "A role can only be defined once");
    TRY(read_rules(line));
    return auth_roles_put(line->into, line->user);
}

static enum status read_user(struct line *line, struct slice name) {
    struct slice missing;
    if (auth_users_find(line->into, name))
        return complain(line, in_declaration(line), name, auth_fault_text(AUTH_DUPLICATE));
    TRY(read_rules(line));
    if (!auth_users_know_roles(line->into, line->user, &missing))
        return complain(line, "Error in user declaration 'role=", missing, "There is no such role before this line");
    return auth_users_put(line->into, line->user);
}

/* A line of a user or role, from the name on. */
static enum status read_entry(struct line *line, bool role) {
    struct slice name;
    line->apply = role ? auth_role_apply : auth_user_apply;
    if (!next_plain(&line->rest, &name))
        return complain(line, "", role ? SLICE("role without a name") : NOT_A_LINE, "");
    if (!auth_name_is_good(name))
        return complain(line, "", SLICE("username is too long or contains invalid characters"), "");
    line->user = auth_user_new(&line->into->setting, name);
    if (!line->user)
        return STATUS_NO_MEMORY;
    enum status status = role ? read_role(line, name) : read_user(line, name);
    if (status != STATUS_OK)
        auth_user_unref(line->user);
    line->user = NULL;
    return status;
}

/* A line of a token; its user stands before it. */
static enum status read_token(struct line *line) {
    struct auth_token token;
    struct slice words[AUTH_TOKEN_WORDS];
    uint32_t count = 0;
    while (count < AUTH_TOKEN_WORDS && next_plain(&line->rest, &words[count]))
        count++;
    if (!auth_token_parse(words, count, &token))
        return complain(line, "", SLICE("token is not followed by ID USER #HASH CREATED EXPIRES [NAME]"), "");
    if (!auth_users_find(line->into, token.user))
        return complain(line, "Error in token declaration '", token.user, "There is no such user before this line");
    enum status status = auth_tokens_add(&line->into->tokens, &token);
    return status == STATUS_INVALID ? complain(line, "", SLICE("a token can only be defined once"), "") : status;
}

static enum status read_line(struct line *line) {
    struct slice word;
    if (!next_plain(&line->rest, &word) || word.data[0] == '#')
        return STATUS_OK;
    if (slice_equal(word, SLICE("token")))
        return read_token(line);
    bool role = slice_equal(word, SLICE("role"));
    if (!role && !slice_equal(word, SLICE("user")))
        return complain(line, "", NOT_A_LINE, "");
    return read_entry(line, role);
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

enum status auth_users_load(struct auth_users *users, struct slice text, const char *file, struct buf *errors) {
    struct auth_users loaded = {.setting = users->setting};
    auth_tokens_init(&loaded.tokens, users->setting.memory);
    enum status status = read_lines(&loaded, text, file, errors);
    if (status == STATUS_OK && !auth_users_find(&loaded, SLICE("default")))
        status = auth_users_add_default(&loaded);
    if (status == STATUS_OK)
        auth_users_replace(users, &loaded);
    else
        auth_users_fini(&loaded);
    return status;
}

static enum status save_table(const struct auth_table *table, const char *word,
                              enum status (*describe)(const struct auth_user *, struct buf *), struct buf *out) {
    for (uint32_t i = 0; i < table->count; i++) {
        TRY(buf_append_slice(out, slice_from_string(word)));
        TRY(buf_append_slice(out, table->list[i]->name));
        TRY(buf_append(out, " ", 1));
        TRY(describe(table->list[i], out));
        TRY(buf_append(out, "\n", 1));
    }
    return STATUS_OK;
}

enum status auth_users_save(const struct auth_users *users, struct buf *out) {
    TRY(save_table(&users->roles, "role ", auth_role_describe, out));
    TRY(save_table(&users->users, "user ", auth_user_describe, out));
    for (uint32_t i = 0; i < users->tokens.count; i++) {
        TRY(buf_append(out, "token ", 6));
        TRY(auth_token_describe(users->tokens.list[i], out));
        TRY(buf_append(out, "\n", 1));
    }
    return STATUS_OK;
}
