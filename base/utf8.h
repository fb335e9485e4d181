/* UTF-8 checking (RFC 3629: no overlong forms, no surrogates, nothing over U+10FFFF). Thread-safe: no state. */
#pragma once

#include <stddef.h>

/* The length of the longest prefix of text that is whole, valid characters; len when all of it is. Also what cuts a text at a
 * character's boundary. NUL bytes count as characters. */
size_t hd_utf8_valid_prefix(const char *text, size_t len);

/* Puts '?' in the place of each byte that belongs to no valid character. */
void hd_utf8_scrub(char *text, size_t len);
