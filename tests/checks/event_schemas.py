#!/usr/bin/env python3
"""The event schemas and the shipped templates are complete and agree with each other. Standard library only.

Every event of v1 has a schema that names it and accepts its own examples (and refuses what it must); every (event, channel, locale) has its
template; parts are right, tags balance, partials exist, and both locales use the same parts and the same view.
"""
import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
EVENTS = ["TicketCreated", "TicketAssigned", "TicketUpdated", "TicketCommented", "TicketResolved", "TicketReopened", "TicketSLABreached", "Reminder"]
LOCALES = ["pt-BR", "en"]
PARTS = {"email": ["subject", "text", "html"], "inapp": ["title", "body"]}
HTML_MAX_BYTES = 2048  # of one message, its partials included

# The proposal's own example (section 5), with a time in the place of "ISO8601".
PROPOSAL = {
    "event": "TicketCreated", "eventId": "uuid", "occurredAt": "2025-01-15T13:45:00Z",
    "payload": {"ticketId": "tkt-001", "userId": "u-10", "title": "Erro X", "description": "...", "channels": ["email", "push"]},
}

problems = []


def check(holds, message):
    if not holds:
        problems.append(message)


# ---- a validator for the keywords that the event schemas use; any other is a problem, not a pass ----

ANNOTATIONS = {"$schema", "$id", "$defs", "title", "description", "examples"}
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool}
DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")


def same(a, b):
    return type(a) is type(b) and a == b


def validates(root, schema, value):
    if schema is False:
        return False
    object_, string, array = isinstance(value, dict), isinstance(value, str), isinstance(value, list)
    known = schema.get("properties", {})
    for keyword, want in schema.items():
        if keyword in ANNOTATIONS or keyword == "properties":
            good = True
        elif keyword == "$ref":
            good = validates(root, root["$defs"][want.removeprefix("#/$defs/")], value)
        elif keyword == "type":
            good = isinstance(value, TYPES[want])
        elif keyword == "const":
            good = same(value, want)
        elif keyword == "enum":
            good = any(same(value, w) for w in want)
        elif keyword == "required":
            good = not object_ or all(name in value for name in want)
        elif keyword == "anyOf":
            good = any(validates(root, s, value) for s in want)
        elif keyword == "additionalProperties":
            good = not object_ or all(validates(root, want, v) for k, v in value.items() if k not in known)
        elif keyword == "propertyNames":
            good = not object_ or all(validates(root, want, k) for k in value)
        elif keyword == "minProperties":
            good = not object_ or len(value) >= want
        elif keyword == "maxProperties":
            good = not object_ or len(value) <= want
        elif keyword == "items":
            good = not array or all(validates(root, want, v) for v in value)
        elif keyword == "maxItems":
            good = not array or len(value) <= want
        elif keyword == "uniqueItems":
            good = not array or not any(same(a, b) for i, a in enumerate(value) for b in value[:i])
        elif keyword == "minLength":
            good = not string or len(value) >= want
        elif keyword == "maxLength":
            good = not string or len(value) <= want
        elif keyword == "pattern":
            good = not string or re.search(re.sub(r"\$$", r"\\Z", want), value)
        elif keyword == "format":
            good = not string or want != "date-time" or DATE_TIME.fullmatch(value)
        else:
            raise KeyError(f"the check does not know the keyword {keyword}")
        if not good:
            return False
    return not object_ or all(validates(root, s, value[k]) for k, s in known.items() if k in value)


def changed(event, /, **members):
    return {**event, **members}


def refusals(example):
    """What every schema must refuse: (why, event)."""
    payload = example["payload"]
    yield "another event's name", changed(example, event="TicketClosed")
    yield "an unknown version", changed(example, schemaVersion=2)
    yield "a version that is true", changed(example, schemaVersion=True)
    yield "an extra envelope field", changed(example, extra=1)
    yield "a payload that is a list", changed(example, payload=[])
    yield "an id with a space", changed(example, eventId="a b")
    yield "an id with a newline behind it", changed(example, eventId="a\n")
    yield "an id of 129 characters", changed(example, eventId="x" * 129)
    yield "a time that is none", changed(example, occurredAt="yesterday")
    yield "a malformed traceparent", changed(example, traceparent="00-0-0-0")
    for name in ("event", "eventId", "occurredAt", "payload"):
        yield f"no {name}", {k: v for k, v in example.items() if k != name}
    for name in ("ticketId", "userId and agentId"):
        yield f"no {name}", changed(example, payload={k: v for k, v in payload.items() if k not in name.split(" and ")})
    for why, members in (
        ("a channel twice", {"channels": ["email", "email"]}),
        ("an unknown channel", {"channels": ["fax"]}),
        ("a title of 201 characters", {"title": "x" * 201}),
        ("65 fields", {f"x{i}": i for i in range(65)}),
    ):
        yield why, changed(example, payload=changed(payload, **members))


def check_schemas():
    folder = ROOT / "schemas" / "events"
    found = sorted(p.name for p in folder.iterdir() if p.name.endswith(".v1.json"))
    check(found == sorted(f"{e}.v1.json" for e in EVENTS), f"schemas/events holds {found}")
    for event in EVENTS:
        path = folder / f"{event}.v1.json"
        if not path.exists():
            continue
        schema = json.loads(path.read_text(encoding="utf-8"))
        check(schema["properties"]["event"].get("const") == event, f"{path.name}: the event's const is not the file's name")
        check(schema["properties"]["schemaVersion"].get("const") == 1, f"{path.name}: the version's const is not the file's")
        check(schema.get("title") and schema.get("description"), f"{path.name}: no title or description")
        check(schema.get("examples"), f"{path.name}: no example")
        for example in schema.get("examples", []):
            check(validates(schema, schema, example), f"{path.name}: refuses its own example")
            open_payload = changed(example, payload=changed(example["payload"], anythingElse={"a": [1]}), correlationId="c-1",
                                   schemaVersion=1, traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
            check(validates(schema, schema, open_payload), f"{path.name}: refuses extra payload fields or the optional envelope ones")
            for why, event_ in refusals(example):
                check(not validates(schema, schema, event_), f"{path.name}: accepts {why}")
        if event == "TicketCreated":
            check(validates(schema, schema, PROPOSAL), "TicketCreated.v1.json: refuses the proposal's example")
        if event == "TicketUpdated":
            for fields in ({}, {"status": {"old": "open"}}, {"status": "open"}):
                broken = changed(example, payload=changed(example["payload"], changedFields=fields))
                check(not validates(schema, schema, broken), f"{path.name}: accepts changedFields {fields}")


# ---- templates ----

def parts_of(name, text):
    parts, current = {}, None
    for line in text.splitlines(keepends=True):
        if line.startswith("=== "):
            current = line[4:].strip()
            check(current not in parts, f"{name}: the part {current} stands twice")
            parts[current] = ""
        elif current is None:
            problems.append(f"{name}: something stands before the first part")
            break
        else:
            parts[current] += line
    return parts


TAG = re.compile(r"\{\{\{?\s*([#^/>&!]?)\s*([^{}\s]*)\s*\}?\}\}")


def tags(name, text):
    """The names that a text uses, with their sigils; sections must balance."""
    used, open_ = set(), []
    check(text.count("{{") == len(TAG.findall(text)), f"{name}: a malformed tag")
    for sigil, word in TAG.findall(text):
        if sigil in "#^" and sigil:
            open_.append(word)
        elif sigil == "/":
            check(open_ and open_.pop() == word, f"{name}: {{{{/{word}}}}} closes what is not open")
        used.add((">" if sigil == ">" else "") + word)
    check(not open_, f"{name}: {open_} left open")
    check("{{{" not in text and not any(s == "&" for s, _ in TAG.findall(text)), f"{name}: unescaped output")
    return used


def check_partials():
    """name → locale → text"""
    partials = {}
    for path in sorted((ROOT / "templates" / "partials").iterdir()):
        match = re.fullmatch(r"([a-z-]+)\.([A-Za-z-]+)\.mustache", path.name)
        check(match, f"templates/partials/{path.name}: not <name>.<locale>.mustache")
        if match:
            partials.setdefault(match[1], {})[match[2]] = path.read_text(encoding="utf-8")
    for name, texts in partials.items():
        check(sorted(texts) == sorted(LOCALES), f"partial {name}: locales {sorted(texts)}")
        check(len({frozenset(tags(f"partial {name}", t)) for t in texts.values()}) == 1, f"partial {name}: the locales use different names")
    return partials


def check_templates(partials):
    wanted = {(c, e) for c in PARTS for e in EVENTS} | {("inapp", "DeadLetter")}
    found = {(c, p.name) for c in PARTS for p in (ROOT / "templates" / c).iterdir()}
    check(found == {(c, f"{e}.{loc}.mustache") for c, e in wanted for loc in LOCALES},
          f"templates missing or not expected: {sorted(found ^ {(c, f'{e}.{loc}.mustache') for c, e in wanted for loc in LOCALES})}")
    for channel, event in sorted(wanted):
        used = {}
        for locale in LOCALES:
            name = f"templates/{channel}/{event}.{locale}.mustache"
            if not (ROOT / name).exists():
                continue
            parts = parts_of(name, (ROOT / name).read_text(encoding="utf-8"))
            check(list(parts) == PARTS[channel], f"{name}: parts {list(parts)}")
            used[locale] = {part: tags(f"{name}, {part}", text) for part, text in parts.items()}
            for part, text in parts.items():
                check(text.strip(), f"{name}: {part} is empty")
                for partial in re.findall(r"\{\{>\s*(\S+?)\s*\}\}", text):
                    check(locale in partials.get(partial, {}), f"{name}: no partial {partial} in {locale}")
            for part in ("subject", "title"):
                check(parts.get(part, "").strip().count("\n") == 0, f"{name}: {part} has more than one line")
            html = re.sub(r"\{\{>\s*(\S+?)\s*\}\}", lambda m: partials.get(m[1], {}).get(locale, ""), parts.get("html", ""))
            check(not re.search(r"<(img|script|link|style|iframe)\b|src=|https?:", html), f"{name}: html loads something")
            sent = TAG.sub("", html).encode()
            check(len(sent) <= HTML_MAX_BYTES, f"{name}: {len(sent)} bytes of html")
        check(len(used) < 2 or used[LOCALES[0]] == used[LOCALES[1]], f"{channel}/{event}: the locales use different names")


def check_labels():
    labels = [json.loads((ROOT / "templates" / f"labels.{loc}.json").read_text(encoding="utf-8")) for loc in LOCALES]
    check([{k: sorted(v) for k, v in l.items()} for l in labels][1:] == [{k: sorted(v) for k, v in l.items()} for l in labels][:-1],
          "labels: the locales label different values")


def main():
    check_schemas()
    check_templates(check_partials())
    check_labels()
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"event schemas and templates: {len(EVENTS)} events, {len(LOCALES)} locales, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
