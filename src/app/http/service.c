#include "app/http/service.h"

#include "app/http/connection.h"

struct slice http_service_date(struct http_service *service) {
    int64_t now_s = service->unix_s();
    if (now_s != service->date_s) {
        http_date(now_s, service->date);
        service->date_s = now_s;
    }
    return slice_make(service->date, HTTP_DATE_SIZE);
}

void http_service_stop(struct http_service *service) {
    service->stopping = true;
    for (struct http_connection *connection = service->first; connection; connection = connection->next)
        http_connection_touch(connection);
}

void http_service_cut(struct http_service *service) {
    for (struct http_connection *connection = service->first; connection; connection = connection->next)
        http_connection_end(connection);
}
