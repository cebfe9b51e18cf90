/* app/cmd/ruled_fixture.h: commands under the rules of a manifest, which nobody applies to what is written. For tests only.
 *
 * Threads: one.
 */
#ifndef STRATA_APP_CMD_RULED_FIXTURE_H
#define STRATA_APP_CMD_RULED_FIXTURE_H

#include "app/cmd/cmd_fixture.h"
#include "app/cmd/server_api.h"
#include "app/rules/manifest_yaml.h"

struct ruled_fixture {
    struct cmd_server server; /* first: commands hand in its address */
    struct rules *rules;
    uint32_t broken; /* times that it was told of a rule that was broken, */
    unsigned broken_why;
};

static inline const struct rules *ruled_fixture_now(struct cmd_server *server, struct cmd_client *client,
                                                    struct slice *ret_text) {
    (void)client, (void)ret_text;
    return ((struct ruled_fixture *)server)->rules;
}

static inline void ruled_fixture_broken(struct cmd_server *server, unsigned why, struct slice class,
                                        struct slice service, const char *text) {
    struct ruled_fixture *ruled = (struct ruled_fixture *)server;
    (void)service;
    assert_true(class.size > 0 && text[0]);
    ruled->broken++;
    ruled->broken_why = why;
}

static inline void ruled_fixture_tell(void *context, const struct manifest_problem *problem) {
    (void)context;
    if (problem->severity == MANIFEST_ERROR)
        fail_msg("line %u: %s", problem->place.line, problem->message);
}

/* Opens `f` as well. `asked`: of enum cmd_ask. */
static inline void ruled_fixture_open(struct ruled_fixture *ruled, struct cmd_fixture *f, const char *manifest,
                                      uint32_t asked) {
    static const struct cmd_server_api api = {.rules_now = ruled_fixture_now, .rules_broken = ruled_fixture_broken};
    const struct manifest_sink sink = {.tell = ruled_fixture_tell};
    *ruled = (struct ruled_fixture){.server = {.api = &api}};
    assert_int_equal(manifest_compile(slice_from_string(manifest), &memory_libc, &sink, &ruled->rules), STATUS_OK);
    cmd_fixture_open(f);
    f->env.server = &ruled->server;
    f->env.asked = asked;
    f->env.ownership = CMD_OWNERSHIP_ENFORCE;
}

static inline void ruled_fixture_close(struct ruled_fixture *ruled, struct cmd_fixture *f) {
    cmd_fixture_close(f);
    rules_free(ruled->rules);
}

#endif
