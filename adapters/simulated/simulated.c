#include "adapters/simulated/simulated.h"

#include <stdlib.h>

static int prepare(const struct hd_provider *provider, const struct hd_rendered *message, struct hd_arena *arena,
                   struct hd_transfer *ret_transfer, struct hd_error *err) {
    (void)provider;
    (void)message;
    (void)arena;
    (void)err;
    *ret_transfer = (struct hd_transfer){.kind = HD_TRANSFER_NONE};
    return 0;
}

static void conclude(const struct hd_provider *provider, const struct hd_transfer_result *result, struct hd_outcome *ret_outcome) {
    (void)provider;
    (void)result;
    *ret_outcome = (struct hd_outcome){.kind = HD_OUTCOME_SENT};
}

static void close_provider(struct hd_provider *provider) {
    free(provider);
}

static const struct hd_provider_ops ops = {.name = "simulated", .prepare = prepare, .conclude = conclude, .close = close_provider};

int hd_simulated_new(struct hd_provider **ret_provider, struct hd_error *err) {
    struct hd_provider *provider = malloc(sizeof *provider);
    if (!provider)
        return hd_error_set(err, HD_ERR_NO_MEMORY, "no memory for a provider");
    provider->ops = &ops;
    *ret_provider = provider;
    return 0;
}
