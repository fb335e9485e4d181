/* The functions, one table (function.c): a name (_HANDLER), what it starts with, and what it does with an event. All are the same program.
 *
 * A new channel's function is one line there: its name, its processor. The template gives it queues, and the event source. */
#pragma once

#include "host/messages.h"
#include "serverless/invocation.h"
#include "serverless/measures.h"

struct hd_function;

/* The function of that name; NULL: there is none. */
const struct hd_function *hd_function_find(const char *name);
const char *hd_function_name(const struct hd_function *function);

/* A function that has started: the parts that it needs, and no others. Belongs to one thread. */
struct hd_started;

/* Asks nobody anything: a cold start is local work. The settings must outlive it. */
int hd_function_start(const struct hd_function *function, const struct hd_settings *settings, struct hd_started **ret_started,
                      struct hd_error *err) HD_MUST_CHECK;
void hd_function_stop(struct hd_started *started); /* takes NULL */

/* Handles one event. *ret_answer is JSON text that lives until the next call. An error is the whole invocation's: Lambda brings the event again, by its source's rules.
 * What happened is counted in measures, whatever is returned. */
int hd_function_handle(struct hd_started *started, const struct hd_invocation *invocation, struct hd_measures *measures,
                       const struct hd_buffer **ret_answer, struct hd_error *err) HD_MUST_CHECK;
