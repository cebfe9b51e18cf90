/* core/auth/describe.c: users as words that make them. */
#include "core/auth/auth.h"

static enum status append(struct buf *out, const char *text) { return buf_append_slice(out, slice_from_string(text)); }

static enum status append_list(const struct auth_list *slices, struct buf *out, const char *before) {
    for (uint32_t i = 0; i < slices->count; i++) {
        TRY(append(out, before));
        TRY(buf_append_slice(out, ((const struct slice *)slices->items)[i]));
    }
    return STATUS_OK;
}

enum status auth_describe_commands(const struct auth_selector *selector, struct buf *out) {
    TRY(append(out, selector->future ? "+@all" : "-@all"));
    return append_list(&selector->rules, out, " ");
}

static enum status describe_places(const struct auth_selector *selector, bool behind, struct buf *out) {
    static const char before[][4] = {"", "%R", "%W", ""}; /* by enum auth_access */
    for (uint32_t i = 0; i < selector->places.count; i++) {
        const struct auth_place *place = (const struct auth_place *)selector->places.items + i;
        TRY(append(out, behind || i ? " " : ""));
        TRY(append(out, before[place->access]));
        TRY(append(out, place->kind == AUTH_CLASS ? "class=" : "store="));
        TRY(buf_append_slice(out, place->name));
    }
    return STATUS_OK;
}

enum status auth_describe_keys(const struct auth_selector *selector, struct buf *out) {
    static const char before[][4] = {"", "%R~", "%W~", "~"}; /* by enum auth_access */
    if (selector->all_keys)
        return append(out, "~*");
    for (uint32_t i = 0; i < selector->keys.count; i++) {
        const struct auth_pattern *pattern = (const struct auth_pattern *)selector->keys.items + i;
        TRY(append(out, i ? " " : ""));
        /* "~*" would be every key, and nothing may stand behind that. */
        bool star = pattern->access == AUTH_READ_WRITE && slice_equal(pattern->text, SLICE("*"));
        TRY(append(out, star ? "%RW~" : before[pattern->access]));
        TRY(buf_append_slice(out, pattern->text));
    }
    return describe_places(selector, selector->keys.count > 0, out);
}

enum status auth_describe_channels(const struct auth_selector *selector, struct buf *out) {
    if (selector->all_channels)
        return append(out, "&*");
    for (uint32_t i = 0; i < selector->channels.count; i++) {
        TRY(append(out, i ? " &" : "&"));
        TRY(buf_append_slice(out, ((const struct auth_pattern *)selector->channels.items)[i].text));
    }
    return STATUS_OK;
}

/* Keys, channels and commands, with a space behind keys and channels. */
static enum status describe_selector(const struct auth_selector *selector, struct buf *out) {
    TRY(auth_describe_keys(selector, out));
    if (selector->all_keys || selector->keys.count || selector->places.count)
        TRY(append(out, " "));
    if (!selector->all_channels)
        TRY(append(out, "resetchannels "));
    TRY(auth_describe_channels(selector, out));
    if (selector->all_channels || selector->channels.count)
        TRY(append(out, " "));
    return auth_describe_commands(selector, out);
}

static enum status describe_selectors(const struct auth_user *user, struct buf *out) {
    TRY(describe_selector(auth_selector_at(user, 0), out));
    for (uint32_t i = 1; i < user->selectors.count; i++) {
        TRY(append(out, " ("));
        TRY(describe_selector(auth_selector_at(user, i), out));
        TRY(append(out, ")"));
    }
    return STATUS_OK;
}

/* A role has nothing else. */
enum status auth_role_describe(const struct auth_user *role, struct buf *out) { return describe_selectors(role, out); }

static enum status describe_word(const char *before, struct slice name, struct buf *out) {
    TRY(append(out, before));
    TRY(buf_append_slice(out, name));
    return append(out, " ");
}

enum status auth_user_describe(const struct auth_user *user, struct buf *out) {
    TRY(append(out, user->on ? "on " : "off "));
    if (user->nopass)
        TRY(append(out, "nopass "));
    if (user->sanitize != AUTH_SANITIZE_UNSAID)
        TRY(append(out, user->sanitize == AUTH_SANITIZE ? "sanitize-payload " : "skip-sanitize-payload "));
    for (uint32_t i = 0; i < user->passwords.count; i++) {
        TRY(append(out, "#"));
        TRY(buf_append_slice(out, ((const struct slice *)user->passwords.items)[i]));
        TRY(append(out, " "));
    }
    if (user->service.size)
        TRY(describe_word("service=", user->service, out));
    for (uint32_t i = 0; i < user->roles.count; i++)
        TRY(describe_word("role=", auth_role_at(user, i)->name, out));
    return describe_selectors(user, out);
}
