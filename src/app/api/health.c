/* app/api/health.c: whether the process lives and serves, its metrics, and the description of these routes. */
#include "app/api/api_inner.h"
#include "app/api/handlers.h"
#include "app/api/openapi.h"
#include "app/server/inside.h"
#include "base/version.h"

void api_livez(struct api_call *call) { api_answer(call, 200, "text/plain; charset=utf-8", SLICE("ok\n")); }

static const char *reason_of(const struct server_health *health) {
    return health->stopping ? "stopping" : health->loading ? "loading" : health->log_refuses ? "log" : NULL;
}

void api_readyz(struct api_call *call) {
    struct server_health health;
    server_health(call->api->server, &health);
    const char *reason = reason_of(&health);
    if (reason) {
        api_field(call, "retry-after", SLICE("1"));
        api_answer(call, 503, "text/plain; charset=utf-8", slice_from_string(reason));
    } else {
        api_answer(call, 200, "text/plain; charset=utf-8", SLICE("ok\n"));
    }
}

static void put_check(struct json_out *out, const char *name, bool good, const char *what) {
    json_put_name(out, name);
    json_put_open(out, '{');
    json_put_name(out, "status");
    json_put_text(out, good ? "pass" : "fail");
    if (!good) {
        json_put_name(out, "output");
        json_put_text(out, what);
    }
    json_put_close(out, '}');
}

void api_health(struct api_call *call) {
    struct server_health health;
    struct json_out *out = &call->json;
    server_health(call->api->server, &health);
    bool good = !reason_of(&health);
    json_put_open(out, '{');
    json_put_name(out, "status");
    json_put_text(out, good ? "pass" : "fail");
    json_put_name(out, "uptime_ms");
    json_put_number(out, (int64_t)health.uptime_ms);
    json_put_name(out, "checks");
    json_put_open(out, '{');
    put_check(out, "loaded", !health.loading, "what was kept is still being loaded");
    put_check(out, "log", !health.log_refuses, "the log cannot be written, so writes are refused");
    put_check(out, "running", !health.stopping, "the server stops");
    json_put_close(out, '}');
    json_put_close(out, '}');
    api_answer_json(call, good ? 200 : 503);
}

/* Collectors say which forms they read; one that only knows the older says so. */
static bool wants_older_metrics(const struct api_call *call) {
    return api_accepts(call, "text/plain") && !api_accepts(call, "application/openmetrics-text");
}

static void got_metrics(struct api_call *call, const struct resp_value *replies, uint32_t count) {
    (void)count;
    const char *type = wants_older_metrics(call) ? "text/plain; version=0.0.4; charset=utf-8"
                                                 : "application/openmetrics-text; version=1.0.0; charset=utf-8";
    if (resp_type_is_error(replies[0].type) && slice_starts_with(replies[0].text, SLICE("ERR unknown command")))
        api_problem(call, 404, "NOTFOUND", "This server has no metrics.");
    else if (!api_failed(call, &replies[0]))
        api_answer(call, 200, type, replies[0].text);
}

void api_metrics(struct api_call *call) {
    struct slice names;
    api_word_text(call, "METRICS");
    if (api_query_get(call, "names", &names))
        api_word(call, names);
    if (wants_older_metrics(call))
        api_word_text(call, "PROMETHEUS");
    api_command_end(call);
    api_go(call, got_metrics);
}

void api_openapi(struct api_call *call) {
    api_field(call, "cache-control", SLICE("max-age=3600"));
    api_answer(call, 200, "application/openapi+json;version=3.1", slice_make(openapi_document, openapi_document_size));
}
