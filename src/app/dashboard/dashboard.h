/* app/dashboard/dashboard.h: the pages that the server itself serves, in front of whoever answers the rest.
 *
 *     GET /  GET /assets/app-1A2B3C4D.js ...  --> from the program's memory, to anybody: there is no data in them
 *     everything else                          --> `next`
 *
 * The pages are made by `./dev dashboard` and are then in the program (files.h). A program that was built without them says at `/` how to build them.
 *
 * Threads: that of HTTP.
 * Memory:  none of its own.
 */
#ifndef STRATA_APP_DASHBOARD_DASHBOARD_H
#define STRATA_APP_DASHBOARD_DASHBOARD_H

#include "app/dashboard/files.h"
#include "app/http/exchange.h"

struct dashboard {
    struct http_handler next;
    const struct dashboard_file *files; /* dashboard_files; tests have others */
    uint32_t file_count;
};

/* `dashboard` stays where it is for as long as the handler is used. */
struct http_handler dashboard_handler(struct dashboard *dashboard);

#endif
