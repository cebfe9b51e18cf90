/* app/dashboard/files.h: the files of the dashboard, as they were bundled. tools/embed_dashboard.py makes the table of what is in build/dashboard. */
#ifndef STRATA_APP_DASHBOARD_FILES_H
#define STRATA_APP_DASHBOARD_FILES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

struct dashboard_file {
    const char *path; /* "/assets/app-1A2B3C4D.js" */
    const char *type;
    const char *etag, *zipped_etag; /* with their quotes; made of the bytes */
    struct slice bytes, zipped;     /* as it is, and by gzip; `zipped` is empty where that gains nothing */
    bool lasting;                   /* its name changes with its bytes: browsers may keep it for good */
};

extern const struct dashboard_file dashboard_files[];
extern const uint32_t dashboard_file_count; /* 0: the program was built without them */

#endif
