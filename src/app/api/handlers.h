/* app/api/handlers.h: what answers each route; the table is made of spec/http.yaml (tools/gen_http.py).
 *
 * Threads: that of HTTP.
 */
#ifndef STRATA_APP_API_HANDLERS_H
#define STRATA_APP_API_HANDLERS_H

struct api_call;

void api_livez(struct api_call *call);
void api_readyz(struct api_call *call);
void api_health(struct api_call *call);
void api_metrics(struct api_call *call);
void api_openapi(struct api_call *call);

void api_key_list(struct api_call *call);
void api_key_batch(struct api_call *call);
void api_key_get(struct api_call *call);
void api_key_put(struct api_call *call);
void api_key_patch(struct api_call *call);
void api_key_delete(struct api_call *call);
void api_key_purge(struct api_call *call);

void api_purge(struct api_call *call); /* of any other path */
void api_invalidate(struct api_call *call);
void api_tag_get(struct api_call *call);
void api_tag_purge(struct api_call *call);
void api_explain(struct api_call *call);
void api_events_get(struct api_call *call);

void api_stats(struct api_call *call);
void api_info(struct api_call *call);
void api_classes(struct api_call *call);
void api_rules_get(struct api_call *call);
void api_rules_put(struct api_call *call);
void api_stores(struct api_call *call);
void api_store(struct api_call *call);
void api_clients(struct api_call *call);
void api_slowlog(struct api_call *call);
void api_config_get(struct api_call *call);
void api_config_patch(struct api_call *call);
void api_snapshot_begin(struct api_call *call);
void api_snapshots(struct api_call *call);
void api_command_post(struct api_call *call);

#endif
