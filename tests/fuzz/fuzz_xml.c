/* libFuzzer: an answer of SNS. What is found is whole text within its room; what is not found leaves the room alone; looking for the parent finds no less. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/aws/xml.h"
#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds, const char *what) {
    if (!holds) {
        fprintf(stderr, "does not hold: %s\n", what);
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const paths[] = {"ErrorResponse/Error/Code", "ErrorResponse/Error/Message",
                                        "PublishResponse/PublishResult/MessageId", "a", "a/b"};
    const char *xml = (const char *)data;
    for (size_t i = 0; i < HD_ARRAY_LEN(paths); i++) {
        char whole[2048], room[17];
        memset(room, '#', sizeof room);
        bool found = hd_xml_text(xml, size, paths[i], whole, sizeof whole);
        must(hd_xml_text(xml, size, paths[i], room, 8) == found, "whether it is there does not depend on the room");
        must(room[8] == '#' && (found || room[0] == '#'), "nothing is written behind the room, and nothing when there is nothing");
        if (!found)
            continue;
        must(hd_utf8_valid_prefix(whole, strlen(whole)) == strlen(whole), "the text is UTF-8");
        must(hd_utf8_valid_prefix(room, strlen(room)) == strlen(room), "the cut text is UTF-8");
        must(strlen(room) < 8 && strncmp(room, whole, strlen(room)) == 0, "a cut text is the text's beginning");
    }
    return 0;
}
