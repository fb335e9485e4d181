#include "adapters/aws/xml.h"

#include <stdint.h>
#include <string.h>

#include "base/utf8.h"

enum { TEXT_MAX_BYTES = 1024 };

struct name {
    const char *text;
    size_t len;
};

struct reader {
    const char *at, *end;
    struct name open[HD_XML_DEPTH_MAX]; /* the elements around us, the root first */
    size_t depth;
    const char *path; /* what is looked for behind the elements that have been found */
    size_t found;     /* how many of the open elements are the path's */
    char text[TEXT_MAX_BYTES];
    size_t text_len;
};

enum step { ON, FOUND /* the whole of it */, BROKEN };

/* ---- small parts ---- */

static bool begins(const struct reader *xml, const char *what) {
    size_t len = strlen(what);
    return (size_t)(xml->end - xml->at) >= len && memcmp(xml->at, what, len) == 0;
}

/* Goes behind the next occurrence of what; false when there is none. */
static bool skip_behind(struct reader *xml, const char *what) {
    const char *found = memmem(xml->at, (size_t)(xml->end - xml->at), what, strlen(what));
    if (found)
        xml->at = found + strlen(what);
    return found != NULL;
}

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void skip_spaces(struct reader *xml) {
    while (xml->at < xml->end && is_space(*xml->at))
        xml->at++;
}

static struct name read_name(struct reader *xml) {
    struct name name = {.text = xml->at};
    while (xml->at < xml->end && !is_space(*xml->at) && !strchr("<>/=\"'&", *xml->at)) /* strchr finds NUL, too: it is no part of a name */
        xml->at++;
    name.len = (size_t)(xml->at - name.text);
    return name;
}

static bool same(struct name a, struct name b) {
    return a.len == b.len && memcmp(a.text, b.text, a.len) == 0;
}

/* ---- text ---- */

static bool wanted(const struct reader *xml) {
    return *xml->path == '\0' && xml->depth == xml->found;
}

/* A text over the limit ends there: such answers are read for people and for the names of errors. */
static void add(struct reader *xml, const char *text, size_t len) {
    size_t room = sizeof xml->text - xml->text_len;
    if (!wanted(xml))
        return;
    size_t take = len < room ? len : room;
    memcpy(xml->text + xml->text_len, text, take);
    xml->text_len += take;
}

static bool add_character(struct reader *xml, uint32_t code) {
    char utf8[4];
    size_t len = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const uint32_t leads[] = {0, 0, 0xc0, 0xe0, 0xf0};
    if (code == 0 || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
        return false;
    for (size_t i = len; i-- > 1; code >>= 6)
        utf8[i] = (char)(0x80 | (code & 63));
    utf8[0] = (char)(leads[len] | code);
    add(xml, utf8, len);
    return true;
}

/* "&#x1F525;", the name without its & and semicolon. */
static bool add_number(struct reader *xml, struct name name) {
    bool hexadecimal = name.len > 1 && name.text[1] == 'x';
    size_t i = hexadecimal ? 2 : 1;
    uint32_t code = 0;
    if (i == name.len)
        return false;
    for (; i < name.len && code <= 0x10ffff; i++) {
        char c = name.text[i];
        uint32_t digit = c >= '0' && c <= '9'                  ? (uint32_t)(c - '0')
                         : hexadecimal && c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
                         : hexadecimal && c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10)
                                                               : 99;
        if (digit == 99)
            return false;
        code = code * (hexadecimal ? 16 : 10) + digit;
    }
    return add_character(xml, code);
}

static bool read_entity(struct reader *xml) {
    static const struct {
        struct name name;
        const char *text;
    } entities[] = {{{"lt", 2}, "<"}, {{"gt", 2}, ">"}, {{"amp", 3}, "&"}, {{"quot", 4}, "\""}, {{"apos", 4}, "'"}};
    enum { ENTITY_MAX_BYTES = 16 };
    const char *start = xml->at + 1;
    size_t left = (size_t)(xml->end - start);
    const char *semicolon = memchr(start, ';', left < ENTITY_MAX_BYTES ? left : (size_t)ENTITY_MAX_BYTES);
    if (!semicolon)
        return false;
    struct name name = {start, (size_t)(semicolon - start)};
    xml->at = semicolon + 1;
    if (name.len > 0 && name.text[0] == '#')
        return add_number(xml, name);
    for (size_t i = 0; i < HD_ARRAY_LEN(entities); i++) {
        if (same(name, entities[i].name)) {
            add(xml, entities[i].text, 1);
            return true;
        }
    }
    return false;
}

static bool read_cdata(struct reader *xml) {
    xml->at += strlen("<![CDATA[");
    const char *start = xml->at;
    if (!skip_behind(xml, "]]>"))
        return false;
    add(xml, start, (size_t)(xml->at - strlen("]]>") - start));
    return true;
}

static void read_run(struct reader *xml) {
    const char *start = xml->at;
    while (xml->at < xml->end && *xml->at != '<' && *xml->at != '&')
        xml->at++;
    add(xml, start, (size_t)(xml->at - start));
}

/* ---- elements ---- */

static bool open_element(struct reader *xml, struct name name) {
    if (xml->depth == HD_XML_DEPTH_MAX)
        return false;
    struct name next = {xml->path, strcspn(xml->path, "/")};
    if (xml->depth == xml->found && next.len > 0 && same(name, next)) {
        xml->found++;
        xml->path += next.len + (next.text[next.len] == '/');
    }
    xml->open[xml->depth++] = name;
    return true;
}

/* A wanted element ends the search; one on the way to it that did not hold it gives its part of the path back. */
static enum step close_element(struct reader *xml) {
    if (wanted(xml))
        return FOUND;
    struct name name = xml->open[--xml->depth];
    if (xml->found > xml->depth) {
        xml->found--;
        xml->path -= name.len + 1;
    }
    return ON;
}

static bool skip_attributes(struct reader *xml) {
    for (;;) {
        skip_spaces(xml);
        if (xml->at == xml->end)
            return false;
        if (*xml->at == '>' || *xml->at == '/')
            return true;
        if (read_name(xml).len == 0)
            return false;
        skip_spaces(xml);
        if (!begins(xml, "="))
            return false;
        xml->at++;
        skip_spaces(xml);
        if (!begins(xml, "\"") && !begins(xml, "'"))
            return false;
        char quote[2] = {*xml->at++, '\0'};
        if (!skip_behind(xml, quote))
            return false;
    }
}

static enum step read_start(struct reader *xml) {
    xml->at++;
    struct name name = read_name(xml);
    if (name.len == 0 || !skip_attributes(xml) || !open_element(xml, name))
        return BROKEN;
    bool empty = *xml->at == '/';
    xml->at += empty;
    if (!begins(xml, ">"))
        return BROKEN;
    xml->at++;
    return empty ? close_element(xml) : ON;
}

static enum step read_end(struct reader *xml) {
    xml->at += strlen("</");
    struct name name = read_name(xml);
    skip_spaces(xml);
    if (xml->depth == 0 || !same(name, xml->open[xml->depth - 1]) || !begins(xml, ">"))
        return BROKEN;
    xml->at++;
    return close_element(xml);
}

static enum step next(struct reader *xml) {
    if (*xml->at == '&')
        return read_entity(xml) ? ON : BROKEN;
    if (*xml->at != '<') {
        read_run(xml);
        return ON;
    }
    if (begins(xml, "<?"))
        return skip_behind(xml, "?>") ? ON : BROKEN;
    if (begins(xml, "<!--"))
        return skip_behind(xml, "-->") ? ON : BROKEN;
    if (begins(xml, "<![CDATA["))
        return read_cdata(xml) ? ON : BROKEN;
    if (begins(xml, "<!"))
        return BROKEN;
    return begins(xml, "</") ? read_end(xml) : read_start(xml);
}

bool hd_xml_text(const char *xml, size_t len, const char *path, char *ret_text, size_t ret_bytes) {
    struct reader reader = {.at = xml, .end = xml + len, .path = path};
    enum step step = ON;
    while (step == ON && reader.at < reader.end)
        step = next(&reader);
    if (step != FOUND)
        return false;
    for (size_t i = 0; i < reader.text_len; i++)
        reader.text[i] = reader.text[i] == '\0' ? '?' : reader.text[i];
    hd_utf8_scrub(reader.text, reader.text_len);
    size_t take = hd_utf8_valid_prefix(reader.text, reader.text_len < ret_bytes ? reader.text_len : ret_bytes - 1);
    memcpy(ret_text, reader.text, take);
    ret_text[take] = '\0';
    return true;
}
