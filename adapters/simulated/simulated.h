/* The provider for a channel whose service is not set up: sends nothing, and succeeds. The message is recorded in full with the attempt, as any other, and shown by the API and the page. */
#pragma once

#include "core/provider.h"

int hd_simulated_new(struct hd_provider **ret_provider, struct hd_error *err) HD_MUST_CHECK;
