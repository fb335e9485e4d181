/* HTTP transfers: libcurl does all the work. Private to this folder. */
#pragma once

#include "adapters/transfer/task.h"

enum { HD_HTTP_BODY_MAX_BYTES = 64 * 1024 /* of an answer; the connection is closed on a longer one */ };

/* Sets up task->easy, which is new or reset. HD_ERR_INVALID: something in the transfer can't stand in a request. HD_ERR_NO_MEMORY. errors: CURL_ERROR_SIZE bytes. */
int hd_http_task_prepare(struct hd_task *task, char *errors, struct hd_error *err) HD_MUST_CHECK;
/* Fills task->result. */
void hd_http_task_conclude(struct hd_task *task, CURLcode code, const char *errors);
