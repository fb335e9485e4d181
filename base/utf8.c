#include "base/utf8.h"

#include <stdint.h>
#include <string.h>

/* The length of the valid character at text, 0 when there is none. */
static size_t character_len(const unsigned char *text, size_t len) {
    unsigned char lead = text[0];
    if (lead < 0x80)
        return 1;
    size_t need = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || need > len)
        return 0;
    /* Only the second byte's range depends on the lead: that is what shuts out overlong forms, surrogates and too large ones. */
    unsigned char low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    unsigned char high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (text[1] < low || text[1] > high)
        return 0;
    for (size_t i = 2; i < need; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    return need;
}

size_t hd_utf8_valid_prefix(const char *text, size_t len) {
    size_t at = 0;
    while (at < len) {
        uint64_t word;
        if (len - at >= sizeof(word)) {
            memcpy(&word, text + at, sizeof(word));
            if ((word & 0x8080808080808080U) == 0) {
                at += sizeof(word);
                continue;
            }
        }
        size_t n = character_len((const unsigned char *)text + at, len - at);
        if (n == 0)
            break;
        at += n;
    }
    return at;
}

void hd_utf8_scrub(char *text, size_t len) {
    for (size_t at = hd_utf8_valid_prefix(text, len); at < len; at += hd_utf8_valid_prefix(text + at, len - at))
        text[at++] = '?';
}
