#!/usr/bin/env python3
"""The costs in serverless/deploy.md are what their own arithmetic gives, and count what the template and docs/dynamodb.md have. Standard library only. --write puts the results into the document."""
import ast
import operator
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "serverless" / "deploy.md"
TEMPLATE = ROOT / "serverless" / "template.yaml"
OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}
problems = []


def rows(text):
    for line in text.splitlines():
        if line.startswith("|"):
            yield line, [cell.strip() for cell in line.strip().strip("|").split("|")]


def evaluate(node, names):
    if isinstance(node, ast.BinOp):
        return OPERATORS[type(node.op)](evaluate(node.left, names), evaluate(node.right, names))
    return names[node.id] if isinstance(node, ast.Name) else node.value


def money(value):
    return f"{value:,.2f}"


def compare(what, said, counted):
    if said != counted:
        problems.append(f"{what}: the document says {said or 'nothing'}, and it is {counted}")


def check_counts(names):
    template = TEMPLATE.read_text(encoding="utf-8")
    resources = re.split(r"^  (?=\w+:$)", template, flags=re.MULTILINE)
    alarms = [r for r in resources if "Type: AWS::CloudWatch::Alarm" in r]
    compare("alarm_metrics", names["alarm_metrics"], sum(max(1, r.count("MetricStat:")) for r in alarms))
    compare("polled_queues", names["polled_queues"], len(re.findall(r"^          Type: SQS$", template, flags=re.MULTILINE)))
    (units,) = re.findall(r"^\|[ |]+\*\*(\d+)\*\* \|$", (ROOT / "docs" / "dynamodb.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    compare("write_units", names["write_units"], int(units))
    compare("sweeps", names["sweeps"], 30 * 24 * 60 if "rate(1 minute)" in template else 0)


def main():
    text = DOCUMENT.read_text(encoding="utf-8")
    section = text.split("## What a month costs", 1)[1]
    names = {cells[0].strip("`"): float(cells[1]) for _, cells in rows(section) if re.fullmatch(r"`\w+`", cells[0])}
    check_counts(names)
    (sizes,) = [[int(c.replace(",", "")) for c in cells[2:]] for _, cells in rows(section) if cells[0] == "what" and cells[1] == "arithmetic"]
    totals, used = [0.0] * len(sizes), set()
    for line, cells in rows(section):
        formula = re.fullmatch(r"`(.+)`", cells[1])
        if formula and len(cells) == 2 + len(sizes):
            tree = ast.parse(formula.group(1), mode="eval").body
            used |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
            values = [evaluate(tree, {**names, "notifications": n, "events": n / 2}) for n in sizes]
            totals = [t + v for t, v in zip(totals, values)]
            results = [money(v) for v in values]
        elif cells[0] == "**together**":
            results = [f"**{money(t)}**" for t in totals]
        else:
            continue
        text = text.replace(line, "| " + " | ".join(cells[:2] + results) + " |")
        compare(cells[0], cells[2:], results)
    for name in names.keys() - used:
        problems.append(f"{name} is in no row of the month")
    if "--write" in sys.argv:
        DOCUMENT.write_text(text, encoding="utf-8")
        return 0
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"costs of a month: {', '.join('$' + money(t) for t in totals)}, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
