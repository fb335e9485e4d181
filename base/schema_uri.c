#include "base/schema_uri.h"

#include <stdbool.h>
#include <string.h>

/* A piece of a URI; text is NULL when the piece (with its delimiter) is absent, which is not the same as empty. */
struct piece {
    const char *text;
    size_t len;
};

struct parts {
    struct piece scheme, authority, path, query, fragment;
};

static size_t scheme_length(const char *uri) {
    size_t len = strcspn(uri, ":/?#");
    return len > 0 && uri[len] == ':' ? len : 0;
}

/* RFC 3986 appendix B. */
static struct parts split(const char *uri) {
    struct parts parts = {0};
    size_t scheme = scheme_length(uri);
    if (scheme > 0) {
        parts.scheme = (struct piece){uri, scheme};
        uri += scheme + 1;
    }
    if (uri[0] == '/' && uri[1] == '/') {
        parts.authority = (struct piece){uri + 2, strcspn(uri + 2, "/?#")};
        uri += 2 + parts.authority.len;
    }
    parts.path = (struct piece){uri, strcspn(uri, "?#")};
    uri += parts.path.len;
    if (*uri == '?') {
        parts.query = (struct piece){uri + 1, strcspn(uri + 1, "#")};
        uri += 1 + parts.query.len;
    }
    if (*uri == '#')
        parts.fragment = (struct piece){uri + 1, strlen(uri + 1)};
    return parts;
}

static char *append(char *to, struct piece piece) {
    if (piece.len > 0)
        memcpy(to, piece.text, piece.len);
    return to + piece.len;
}

static char *append_delimited(char *to, const char *before, struct piece piece, const char *behind) {
    if (!piece.text)
        return to;
    to = append(to, (struct piece){before, strlen(before)});
    to = append(to, piece);
    return append(to, (struct piece){behind, strlen(behind)});
}

/* RFC 3986 §5.2.4 for a path of len bytes, in place; gives the new length. */
static size_t remove_dot_segments(char *path, size_t len) {
    size_t in = 0, out = 0;
    while (in < len) {
        size_t segment = in + (path[in] == '/');
        size_t end = segment;
        while (end < len && path[end] != '/')
            end++;
        bool one_dot = end - segment == 1 && path[segment] == '.';
        bool two_dots = end - segment == 2 && memcmp(path + segment, "..", 2) == 0;
        if (!one_dot && !two_dots) {
            memmove(path + out, path + in, end - in);
            out += end - in;
        } else {
            while (two_dots && out > 0 && path[--out] != '/')
                ;
            if (end == len && path[in] == '/')
                path[out++] = '/'; /* a dot segment at the end leaves its slash */
        }
        in = end;
    }
    return out;
}

/* RFC 3986 §5.2.3: the reference's path in the folder of the base's. */
static char *merge_paths(char *to, const struct parts *base, struct piece path) {
    char *start = to;
    if (base->authority.text && base->path.len == 0) {
        *to++ = '/';
    } else {
        size_t folder = base->path.len;
        while (folder > 0 && base->path.text[folder - 1] != '/')
            folder--;
        to = append(to, (struct piece){base->path.text, folder});
    }
    to = append(to, path);
    return start + remove_dot_segments(start, (size_t)(to - start));
}

char *hd_uri_resolve(struct hd_arena *arena, const char *base_text, const char *reference_text) {
    char *result = hd_arena_alloc(arena, strlen(base_text) + strlen(reference_text) + sizeof "://?#/");
    if (!result)
        return NULL;
    struct parts base = split(base_text), reference = split(reference_text);
    bool own_authority = reference.scheme.text || reference.authority.text;
    struct piece authority = own_authority ? reference.authority : base.authority;
    struct piece query = reference.query;
    char *to = append_delimited(result, "", reference.scheme.text ? reference.scheme : base.scheme, ":");
    to = append_delimited(to, "//", authority, "");
    if (own_authority || (reference.path.len > 0 && reference.path.text[0] == '/')) {
        char *path = to;
        to = append(to, reference.path);
        to = path + remove_dot_segments(path, (size_t)(to - path));
    } else if (reference.path.len > 0) {
        to = merge_paths(to, &base, reference.path);
    } else {
        to = append(to, base.path);
        if (!query.text)
            query = base.query;
    }
    to = append_delimited(to, "?", query, "");
    to = append_delimited(to, "#", reference.fragment, "");
    *to = '\0';
    return result;
}

char *hd_uri_cut_fragment(char *text) {
    char *fragment = text + strcspn(text, "#");
    if (*fragment == '#')
        *fragment++ = '\0';
    return fragment;
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
        return (c | 0x20) - 'a' + 10;
    return -1;
}

ptrdiff_t hd_uri_percent_decode(char *text) {
    char *out = text;
    for (const char *in = text; *in; in++) {
        if (*in != '%') {
            *out++ = *in;
            continue;
        }
        int high = hex_digit(in[1]);
        int low = high < 0 ? -1 : hex_digit(in[2]);
        if (low < 0)
            return -1;
        *out++ = (char)(high << 4 | low);
        in += 2;
    }
    *out = '\0';
    return out - text;
}
