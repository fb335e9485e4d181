/* libFuzzer: the first byte chooses how, the rest is what a server says. "Sent" comes only of an answer to the message, the texts are whole, and it doesn't matter in what pieces the bytes come. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/transfer/smtp_dialog.h"
#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds, const char *what) {
    if (!holds) {
        fprintf(stderr, "does not hold: %s\n", what);
        abort();
    }
}

/* Feeds all in pieces of this size, sending at once what is to be sent. */
static int talk(struct hd_smtp_dialog *dialog, const char *data, size_t size, size_t piece, bool sends) {
    struct hd_error err;
    int r = 0;
    for (size_t at = 0; r == 0 && at < size && !dialog->ended; at += piece) {
        if (sends)
            dialog->out_sent = dialog->out.len;
        r = hd_smtp_dialog_feed(dialog, data + at, size - at < piece ? size - at : piece, &err);
    }
    return r;
}

static void check(const struct hd_smtp_dialog *dialog, int r) {
    must(r == 0 || r == HD_ERR_MALFORMED, "a server can do nothing worse than not speak SMTP");
    must(!(dialog->ended && r < 0), "what has ended is no error");
    if (!dialog->ended)
        return;
    must(dialog->code >= 200 && dialog->code <= 599, "an end has a code");
    must(dialog->code >= 400 || dialog->stage == HD_SMTP_MESSAGE, "a yes is one to the message");
    must(hd_utf8_valid_prefix(dialog->text, strlen(dialog->text)) == strlen(dialog->text), "the text is UTF-8");
    for (const char *c = dialog->text; *c; c++)
        must((unsigned char)*c >= ' ' && *c != 0x7f, "the text is printable");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    const char *said = (const char *)data + 1;
    size_t len = size - 1;
    struct hd_transfer mail = {.mail_from = "a@b.org", .mail_to = "c@d.org", .body = ".x\n.\r\n", .body_bytes = 6};
    struct hd_smtp_abilities abilities = {.pipelining = data[0] & 1, .size = data[0] & 2};
    HD_CLEANUP(hd_smtp_dialog_free) struct hd_smtp_dialog bytewise = {0};
    HD_CLEANUP(hd_smtp_dialog_free) struct hd_smtp_dialog hasty = {0};
    hd_smtp_dialog_begin(&bytewise, &mail, &abilities, data[0] & 4);
    hd_smtp_dialog_begin(&hasty, &mail, &abilities, data[0] & 4);
    int r = talk(&bytewise, said, len, 1, true);
    check(&bytewise, r);
    check(&hasty, talk(&hasty, said, len, (data[0] >> 4) + 1u, data[0] & 8));
    return 0;
}
