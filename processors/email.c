/* E-mail: renders the notification and hands it to the e-mail provider (SMTP, or simulated). */
#include "processors/delivery.h"
#include "processors/processors.h"

static const struct hd_provider *provider_of(const struct hd_context *ctx) {
    return ctx->providers[HD_EMAIL];
}

static int conclude_with(const struct hd_context *ctx, struct hd_work *work, struct delivery *delivery,
                         const struct hd_transfer_result *result, struct hd_error *err) {
    const struct hd_provider *provider = provider_of(ctx);
    struct hd_outcome outcome = {0};
    provider->ops->conclude(provider, result, &outcome);
    struct verdict verdict = {
        .outcome = outcome.kind,
        .provider = provider->ops->name,
        .detail = outcome.detail[0] ? hd_arena_strdup(work->arena, outcome.detail) : NULL,
        .retry_after_ms = outcome.retry_after_ms,
        .duration_ms = result->duration_ms,
    };
    return hd_delivery_conclude(ctx, work, delivery, &verdict, err);
}

/* A message that cannot be made into a transfer: no retry can mend a bad address, and only a person can mend a setting. */
static int conclude_unprepared(const struct hd_context *ctx, struct hd_work *work, struct delivery *delivery, const struct hd_error *why,
                               struct hd_error *err) {
    struct verdict verdict = {
        .outcome = why->code == HD_ERR_CONFIGURATION ? HD_OUTCOME_CONFIGURATION : HD_OUTCOME_PERMANENT,
        .provider = provider_of(ctx)->ops->name,
        .detail = hd_arena_strdup(work->arena, why->detail),
    };
    return hd_delivery_conclude(ctx, work, delivery, &verdict, err);
}

static int begin(const struct hd_context *ctx, struct hd_work *work, struct hd_error *err) {
    struct delivery *delivery = NULL;
    int r = hd_delivery_begin(ctx, work, HD_EMAIL, &delivery, err);
    if (r || !delivery)
        return r;
    const struct hd_provider *provider = provider_of(ctx);
    struct hd_error why = {0};
    struct hd_transfer transfer = {0};
    r = provider->ops->prepare(provider, delivery->rendered, work->arena, &transfer, &why);
    if (r == HD_ERR_INVALID || r == HD_ERR_CONFIGURATION)
        return conclude_unprepared(ctx, work, delivery, &why, err);
    if (r)
        return hd_error_set(err, why.code, "%s", why.detail);
    if (transfer.kind == HD_TRANSFER_NONE)
        return conclude_with(ctx, work, delivery, &(struct hd_transfer_result){0}, err);
    work->transfer = transfer;
    return hd_delivery_hand_over(ctx, work, delivery, err);
}

static int conclude(const struct hd_context *ctx, struct hd_work *work, const struct hd_transfer_result *result, struct hd_error *err) {
    struct delivery *delivery = work->state;
    bool ours = true;
    int r = delivery->concluded_before ? hd_delivery_still_ours(ctx, work, delivery, &ours, err) : 0;
    delivery->concluded_before = true;
    return r || !ours ? r : conclude_with(ctx, work, delivery, result, err);
}

const struct hd_processor hd_email_processor = {.name = "email", .queue = HD_QUEUE_EMAIL, .begin = begin, .conclude = conclude};
