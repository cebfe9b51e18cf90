#include "app/dashboard/dashboard.h"

#include "core/http/http_text.h"

enum { FIELDS_MAX = 16 };

/* Nothing but the page's own files runs or is loaded, no page of others may show it in a frame, and no script may make markup of text. */
static const char policy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types "
    "'none'";

static const char absent[] =
    "This server was built without the dashboard. Its pages are made by `./dev dashboard`, which needs nodejs and npm; "
    "then `./dev build` takes them into the program.\n"
    "The API stands under /v1: /openapi.json describes it.\n";

struct fields {
    struct http_field each[FIELDS_MAX];
    uint32_t count;
};

static void add(struct fields *fields, const char *name, const char *value) {
    fields->each[fields->count++] = (struct http_field){slice_from_string(name), slice_from_string(value)};
}

static void add_habits(struct fields *fields) {
    add(fields, "content-security-policy", policy);
    add(fields, "cross-origin-opener-policy", "same-origin");
    add(fields, "cross-origin-resource-policy", "same-origin");
    add(fields, "permissions-policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()");
    add(fields, "x-frame-options", "DENY");
    add(fields, "x-content-type-options", "nosniff");
    add(fields, "referrer-policy", "no-referrer");
}

/* "gzip", "gzip;q=0.5", "*" ; what has q=0 is not wanted. */
static bool takes_gzip(const struct http_request *request) {
    struct slice list, member;
    if (!http_field_get(request, "accept-encoding", &list))
        return false;
    while (http_list_next(&list, &member)) {
        const uint8_t *end = memchr(member.data, ';', member.size);
        size_t size = end ? (size_t)(end - member.data) : member.size;
        struct slice weight = http_trim(slice_part(member, size + 1, SIZE_MAX));
        struct slice name = http_trim(slice_part(member, 0, size));
        bool refused = slice_starts_with(weight, SLICE("q=0")) && !slice_starts_with(weight, SLICE("q=0."));
        if (slice_equal_nocase(name, SLICE("gzip")))
            return !refused;
    }
    return false;
}

static bool has_copy(const struct http_request *request, const char *etag) {
    struct slice list, member;
    if (!http_field_get(request, "if-none-match", &list))
        return false;
    while (http_list_next(&list, &member)) {
        bool weak = slice_starts_with(member, SLICE("W/"));
        if (slice_equal(weak ? slice_part(member, 2, SIZE_MAX) : member, slice_from_string(etag)) ||
            slice_equal(member, SLICE("*")))
            return true;
    }
    return false;
}

static void answer(struct http_exchange *exchange, const struct http_request *request,
                   const struct dashboard_file *file) {
    struct fields fields = {.count = 0};
    bool zip = file->zipped.size > 0 && takes_gzip(request);
    const char *etag = zip ? file->zipped_etag : file->etag;
    add_habits(&fields);
    add(&fields, "content-type", file->type);
    add(&fields, "etag", etag);
    add(&fields, "cache-control", file->lasting ? "public, max-age=31536000, immutable" : "no-cache");
    if (file->zipped.size > 0)
        add(&fields, "vary", "Accept-Encoding");
    if (has_copy(request, etag)) {
        http_respond(exchange, 304, fields.each, fields.count, SLICE(""));
        return;
    }
    if (zip)
        add(&fields, "content-encoding", "gzip");
    http_respond(exchange, 200, fields.each, fields.count, zip ? file->zipped : file->bytes);
}

static void answer_absent(struct http_exchange *exchange) {
    struct fields fields = {.count = 0};
    add_habits(&fields);
    add(&fields, "content-type", "text/plain; charset=utf-8");
    http_respond(exchange, 404, fields.each, fields.count, slice_from_string(absent));
}

static const struct dashboard_file *find(const struct dashboard *dashboard, struct slice path) {
    for (uint32_t i = 0; i < dashboard->file_count; i++)
        if (slice_equal(path, slice_from_string(dashboard->files[i].path)))
            return &dashboard->files[i];
    return NULL;
}

static void begin(void *context, struct http_exchange *exchange, const struct http_request *request) {
    const struct dashboard *dashboard = context;
    bool reads = slice_equal(request->method, SLICE("GET")) || slice_equal(request->method, SLICE("HEAD"));
    const struct dashboard_file *file = reads ? find(dashboard, request->path) : NULL;
    if (file)
        answer(exchange, request, file);
    else if (reads && slice_equal(request->path, SLICE("/")))
        answer_absent(exchange);
    else
        dashboard->next.begin(dashboard->next.context, exchange, request);
}

/* Only exchanges of `next` live longer than `begin`. */
static void gone(void *context, struct http_exchange *exchange) {
    const struct dashboard *dashboard = context;
    dashboard->next.gone(dashboard->next.context, exchange);
}

static void room(void *context, struct http_exchange *exchange) {
    const struct dashboard *dashboard = context;
    dashboard->next.room(dashboard->next.context, exchange);
}

struct http_handler dashboard_handler(struct dashboard *dashboard) {
    return (struct http_handler){.context = dashboard, .begin = begin, .gone = gone, .room = room};
}
