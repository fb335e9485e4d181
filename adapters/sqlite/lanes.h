/* Lanes as rows know them: the port's two, and each of them delayed. */
#pragma once

#include <stdbool.h>

#include "core/queue.h"

enum { LANE_COUNT = 2 * HD_LANE_COUNT };

static inline bool lane_is_delayed(int lane) {
    return lane >= HD_LANE_COUNT;
}
static inline int lane_with_delay(enum hd_lane lane) {
    return (int)lane + HD_LANE_COUNT;
}
static inline enum hd_lane lane_without_delay(int lane) {
    return (enum hd_lane)(lane % HD_LANE_COUNT);
}

/* Urgent ones first; and what was delayed before what is new, because it has waited. */
static const int lane_order[LANE_COUNT] = {HD_LANE_URGENT, HD_LANE_COUNT + HD_LANE_URGENT, HD_LANE_COUNT + HD_LANE_NORMAL, HD_LANE_NORMAL};
