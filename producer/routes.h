/* The one table of routes: what there is, who may call it, what it takes, and the use case that decides. schemas/openapi.yaml says the same for readers;
 * routes_test.c holds the two together. Internal to producer/. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

enum { HD_ROUTES_MAX = 64, HD_ROUTE_QUERY_MAX = 8 };

enum hd_body_kind {
    HD_BODY_NONE, /* what comes is not looked at */
    HD_BODY_JSON, /* must come, and be valid by the schema in the API description */
};

struct hd_call;

struct hd_route {
    const char *method; /* GET answers HEAD, too */
    const char *path;   /* "/tickets/{id}": {id} is one segment that is not empty; {path} is all the rest */
    const char *operation;
    unsigned roles; /* set of 1 << enum hd_role; 0: anybody, without a token */
    enum hd_body_kind body;
    bool at_once;                          /* reads no store: a host whose store may keep it waiting need not wait for these */
    bool adds_work;                        /* answered with 503 while the queues are full */
    const char *query[HD_ROUTE_QUERY_MAX]; /* the parameters that it reads; another is refused, where there are any */
    int (*decide)(struct hd_call *call, struct hd_error *err);
};

/* Routes of one path stand together, a path without {…} before those that match it, too. */
extern const struct hd_route hd_routes[];
extern const size_t hd_route_count;

struct hd_route_match {
    const struct hd_route *route; /* NULL: none has this method */
    const struct hd_route *first; /* the first route of the path; NULL: there is no such path */
    const char *rest;             /* what stands at {…}, still encoded; NULL when there is none */
    size_t rest_len;
};

struct hd_route_match hd_route_find(const char *method, const char *path);
/* "GET, HEAD, POST": the methods of the path that first is of, in out. */
void hd_route_methods(const struct hd_route *first, char *out, size_t out_bytes);

/* ---- the use cases ---- */

int hd_create_ticket(struct hd_call *call, struct hd_error *err);
int hd_list_tickets(struct hd_call *call, struct hd_error *err);
int hd_get_ticket(struct hd_call *call, struct hd_error *err);
int hd_list_ticket_notifications(struct hd_call *call, struct hd_error *err);
int hd_publish_events(struct hd_call *call, struct hd_error *err);
int hd_get_event(struct hd_call *call, struct hd_error *err);
int hd_create_user(struct hd_call *call, struct hd_error *err);
int hd_list_users(struct hd_call *call, struct hd_error *err);
int hd_list_notifications(struct hd_call *call, struct hd_error *err);
int hd_get_notification(struct hd_call *call, struct hd_error *err);
int hd_list_dead_letters(struct hd_call *call, struct hd_error *err);
int hd_redrive_dead_letters(struct hd_call *call, struct hd_error *err);
int hd_redrive_dead_letter(struct hd_call *call, struct hd_error *err);
int hd_delete_dead_letter(struct hd_call *call, struct hd_error *err);
int hd_list_inbox(struct hd_call *call, struct hd_error *err);
int hd_read_inbox(struct hd_call *call, struct hd_error *err);
int hd_who_am_i(struct hd_call *call, struct hd_error *err);
int hd_demo_login(struct hd_call *call, struct hd_error *err);
int hd_get_openapi(struct hd_call *call, struct hd_error *err);
int hd_healthz(struct hd_call *call, struct hd_error *err);
int hd_readyz(struct hd_call *call, struct hd_error *err);
int hd_show_metrics(struct hd_call *call, struct hd_error *err);
int hd_go_to_page(struct hd_call *call, struct hd_error *err);
int hd_get_page(struct hd_call *call, struct hd_error *err);
