/* core/auth/refusals.c: what was refused, newest first. */
#include "core/auth/users.h"

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
