#include "app/cmd/cmd.h"
#include "app/cmd/scan.h"
#include "core/auth/auth.h"

enum { MULTI_CHUNK_SIZE = 4096 };

void cmd_client_init(struct cmd_client *client, uint64_t id, const struct memory *memory) {
    *client = (struct cmd_client){.id = id, .protocol = 2};
    listener_init(&client->listener, memory);
    buf_init(&client->name, memory);
    buf_init(&client->lib_name, memory);
    buf_init(&client->lib_version, memory);
    buf_init(&client->service, memory);
    buf_init(&client->multi, memory);
    buf_init(&client->watched, memory);
    arena_init(&client->multi_arena, memory, MULTI_CHUNK_SIZE);
}

void cmd_client_fini(struct cmd_client *client, struct cmd_env *env, struct actor *actor) {
    cmd_unwatch_all(client, env);
    cmd_multi_drop(client, env, actor);
    scan_client_ends(client);
    auth_user_unref(client->user);
    client->user = NULL;
    listener_fini(&client->listener);
    arena_fini(&client->multi_arena);
    buf_fini(&client->watched);
    buf_fini(&client->multi);
    buf_fini(&client->lib_version);
    buf_fini(&client->service);
    buf_fini(&client->lib_name);
    buf_fini(&client->name);
}
