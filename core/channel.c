#include "core/channel.h"

#include <assert.h>

#include "core/names.h"

static const char *const names[HD_CHANNEL_COUNT] = {
    [HD_EMAIL] = "email", [HD_PUSH] = "push", [HD_SMS] = "sms", [HD_WEBHOOK] = "webhook", [HD_INAPP] = "inapp",
};

const char *hd_channel_name(enum hd_channel channel) {
    assert(channel < HD_CHANNEL_COUNT);
    return names[channel];
}

int hd_channel_from_name(const char *name) {
    return hd_name_index(names, HD_CHANNEL_COUNT, name);
}

unsigned hd_channels_from_json(const json_t *array) {
    unsigned channels = 0;
    size_t count = json_array_size(array); /* 0 for what is no array */
    for (size_t i = 0; i < count; i++) {
        int channel = hd_channel_from_name(json_string_value(json_array_get(array, i)));
        if (channel >= 0)
            channels |= HD_CHANNEL_BIT(channel);
    }
    return channels;
}

void hd_channels_write(struct hd_json_writer *w, const char *name, unsigned channels) {
    hd_json_open_array(w, name);
    for (unsigned channel = 0; channel < HD_CHANNEL_COUNT; channel++) {
        if (channels & HD_CHANNEL_BIT(channel))
            hd_json_put_str(w, NULL, names[channel]);
    }
    hd_json_close_array(w);
}
