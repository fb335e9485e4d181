/* Changesets that no single transaction takes: more than 100 actions, or 4 MB. Private to this folder. */
#pragma once

#include "adapters/aws/outbox.h"
#include "adapters/aws/transaction.h"

/* Whether a set of that plan, with that many items of the outbox in it, is one transaction. */
bool hd_plan_fits(const struct hd_plan *plan);

/* Commits it step by step. plan: of the whole set, without items of the outbox. What the steps have written into the outbox is joined to it, whatever the result is. */
int hd_steps_commit(struct hd_aws_store *s, const struct hd_plan *plan, struct hd_outbox *outbox, struct hd_commit_result *ret_result,
                    struct hd_error *err) HD_MUST_CHECK;
