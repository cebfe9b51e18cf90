#include "app/server/beside.h"

#include "app/server/secure.h"
#include "app/server/server.h"
#include "app/server/state.h"

struct tls_material *server_certificates(struct server *server, uint64_t *version) {
    return secure_newer(server, version);
}

bool server_is_guarded(const struct server *server) {
    return SETTING(server, protected_mode) && !SETTING(server, password_set);
}

uint64_t server_stop_ms(const struct server *server) { return 1000ull * SETTING(server, shutdown_timeout_s); }

void server_count_http(struct server *server, void (*counts)(void *context, struct cmd_http_counts *ret_counts),
                       void *context) {
    server->http_context = context;
    atomic_store_explicit(&server->http_counts, counts, memory_order_release);
}

void beside_api_http_counts(struct cmd_server *api, struct cmd_http_counts *ret_counts) {
    struct server *server = server_of(api);
    void (*counts)(void *, struct cmd_http_counts *) = atomic_load_explicit(&server->http_counts, memory_order_acquire);
    *ret_counts = (struct cmd_http_counts){0};
    if (counts)
        counts(server->http_context, ret_counts);
}
