/* The API in this process, for one request at a time: the commands are a host of the same routes as the server, with the same checks and the same answers. */
#pragma once

#include "app/runtime.h"
#include "producer/producer.h"

struct local_host;

/* Opens the store of the settings, and signs in as `user` with a role. */
int hd_local_host_open(const struct hd_settings *settings, const char *user, enum hd_role role, struct local_host **ret_host,
                       struct hd_error *err) HD_MUST_CHECK;
void hd_local_host_close(struct local_host *host); /* takes NULL */

/* Decides and commits. The answer lives until the next request, or the close. body NULL: none. */
int hd_local_host_request(struct local_host *host, const char *method, const char *path, const char *query, const char *body,
                          size_t body_bytes, struct hd_response *ret_response, struct hd_error *err) HD_MUST_CHECK;
