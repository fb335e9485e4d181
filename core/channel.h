/* Channels: the ways to a person. Sets of them are bit masks. */
#pragma once

#include "base/json.h"

enum hd_channel { HD_EMAIL, HD_PUSH, HD_SMS, HD_WEBHOOK, HD_INAPP, HD_CHANNEL_COUNT };

#define HD_CHANNEL_BIT(channel) (1u << (unsigned)(channel))
#define HD_ALL_CHANNELS ((1u << HD_CHANNEL_COUNT) - 1u)

const char *hd_channel_name(enum hd_channel channel);
int hd_channel_from_name(const char *name); /* -1 for a name that is none */

/* A JSON array of channel names → a set; 0 for NULL or anything else. Unknown names are passed over (schemas have refused them). */
unsigned hd_channels_from_json(const json_t *array);

/* The set as a JSON array of names, in the enum's order. */
void hd_channels_write(struct hd_json_writer *w, const char *name, unsigned channels);
