/* A request on the caller's thread, from the first decision to the durable answer: for hosts whose threads may wait (a Lambda function, the commands, the threads of serve on AWS). */
#pragma once

#include "core/processor.h"
#include "producer/producer.h"

/* Decides, commits through ctx->store, decides again after a conflict; *ret_response is always filled, lives in arena (which is reset before each decision) and is true when it is given: durable before yes.
 * happened (may be NULL) is told of the changeset that was committed. */
void hd_request_answer(const struct hd_producer *producer, const struct hd_context *ctx, const struct hd_clock *clock,
                       const struct hd_request *request, struct hd_arena *arena, void *self,
                       void (*happened)(void *self, const struct hd_changeset *set), struct hd_response *ret_response);
