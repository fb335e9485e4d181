/* `serve --demo`: people to try the product with, and how to begin. */
#pragma once

#include <stdint.h>

#include "app/runtime.h"

/* Adds the demo people that are not there yet. */
int hd_demo_people(const struct runtime *runtime, struct hd_store *store, struct hd_error *err) HD_MUST_CHECK;
/* Prints, on standard output, where the page is and what to type. */
void hd_demo_welcome(const struct runtime *runtime, uint16_t port);
