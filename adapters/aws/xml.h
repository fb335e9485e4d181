/* Answers of the AWS Query protocol (SNS): the text of one element of a small XML document. Does no I/O; thread-safe: no state. Private to this folder.
 *
 * As much of XML 1.0 as such answers hold: elements (as they are named, prefixes included), attributes (skipped), text, CDATA, the five named entities and those by number, comments and
 * processing instructions (skipped). A document type (<!DOCTYPE …>) is refused, and with it all that it could define. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/attributes.h"

enum { HD_XML_DEPTH_MAX = 16 };

/* The text of the first element at path ("ErrorResponse/Error/Code"), without its children's: valid UTF-8 without NUL, cut at a character where ret_text is full (ret_bytes, with the NUL), and
 * at 1 KiB. False, and ret_text left alone: there is none, or what stands before its end is no XML or deeper than HD_XML_DEPTH_MAX. What stands behind it is not looked at. */
bool hd_xml_text(const char *xml, size_t len, const char *path, char *ret_text, size_t ret_bytes) HD_MUST_CHECK;
