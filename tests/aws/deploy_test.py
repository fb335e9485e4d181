#!/usr/bin/env python3
"""serverless/deploy.md, followed literally: its commands are run one block after the other in one shell, with the AWS CLI on moto, and our functions behind the address of the API. Only what needs an account or
installs something is left out: `sam` here records what it was told. Runs under scripts/with-emulators --sam."""
import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent / "support"))
from http_api import HttpApi  # noqa: E402
from lambda_service import Lambda, binary  # noqa: E402
from samcli.cli.types import CfnParameterOverridesType  # noqa: E402
from stack import ROOT, Stack, client  # noqa: E402

STACK = "helpdesk"
SAM = '#!/bin/sh\nprintf "%s\\0" "$@" "" >>"$SAM_LOG"\n'


class Shell:
    """One that runs blocks, each to its end, and stops at the first command that fails."""

    def __init__(self, environment):
        self.process = subprocess.Popen(["bash", "-eu", "-o", "pipefail"], cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def run(self, block):
        with tempfile.NamedTemporaryFile("w", suffix=".sh") as script:
            script.write(block)
            script.flush()
            self.process.stdin.write(f"source {script.name} </dev/null\necho end-of-block\n")
            self.process.stdin.flush()
            lines = []
            for line in self.process.stdout:
                if line.endswith("end-of-block\n"):  # what is before it had no line end
                    return [*lines, line.removesuffix("end-of-block\n")]
                lines.append(line.rstrip("\n"))
        raise AssertionError(f"the shell has stopped in:\n{block}\n" + "\n".join(lines))

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


class Deploy(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.api = HttpApi()
        cls.stack = Stack(STACK, {"Stage": "prod"}, called_by_moto=False)
        cls.stack.make_people()
        cls.stack.put_outputs({"Url": cls.api.url})
        cls.lambdas = cls.api.lambdas = Lambda(cls.stack, binary(), os.environ["AWS_ENDPOINT_URL"])
        cls.folder = tempfile.TemporaryDirectory()
        for name, text in (("sam", SAM), ("aws", f'#!/bin/sh\nexec "{os.environ["HELPDESK_AWS_CLI"]}" "$@"\n')):
            path = Path(cls.folder.name) / name
            path.write_text(text)
            path.chmod(0o755)
        environment = {n: v for n, v in os.environ.items() if not n.startswith("HELPDESK_")}
        environment.update(PATH=f"{cls.folder.name}:{environment['PATH']}", SAM_LOG=f"{cls.folder.name}/sam.log", HOME=cls.folder.name)
        cls.shell = Shell(environment)

    @classmethod
    def tearDownClass(cls):
        cls.shell.close()
        cls.lambdas.stop()
        cls.api.close()
        cls.folder.cleanup()

    @staticmethod
    def blocks():
        """(what it is for, text) of each block of commands, in their order."""
        text = (ROOT / "serverless" / "deploy.md").read_text()
        found = re.findall(r"^```sh(?: (\w+))?\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
        return [(kind or "all", block) for kind, block in found if "sudo " not in block]

    def follow(self, block):
        # The path is the one of whoever builds elsewhere; the tools are those of the test.
        block = block.replace("build/helpdesk", os.environ["HELPDESK_BINARY"]).replace('export PATH="$HOME', 'NO_PATH="$HOME')
        output = self.shell.run(block)
        self.lambdas.run()
        return output

    def sam_calls(self):
        calls = Path(self.folder.name, "sam.log").read_text().split("\0\0")
        return [call.split("\0") for call in calls if call]

    def test_from_nothing_to_the_first_ticket_and_back_to_nothing(self):
        blocks = self.blocks()
        said = {}
        # Whoever removes it does so last, wherever it stands.
        for block in [b for k, b in blocks if k in ("all", "commands")] + [b for k, b in blocks if k == "removal"]:
            said[block] = self.follow(block)
        output = {key: lines for block, lines in said.items() for key in ("sts get-caller-identity", "/readyz", "/notifications\"") if key in block}
        self.assertIn('"Account": "123456789012"', "\n".join(output["sts get-caller-identity"]))
        self.assertEqual(output["/readyz"], ['{"status":"ok"}'])
        self.assertEqual(sorted(line for line in output['/notifications"'] if line), ["email sent", "inapp sent"])
        deploy, delete = self.sam_calls()
        overrides = CfnParameterOverridesType().convert(tuple(deploy[deploy.index("--parameter-overrides") + 1:]), None, None)
        self.assertEqual(overrides, {"Stage": "prod", "EmailProvider": "simulated", "MailFrom": "HelpDesk <helpdesk@localhost>", "MailIdentity": "localhost"})
        self.assertEqual(deploy[deploy.index("--template-file") + 1], "serverless/template.yaml")
        self.assertLessEqual(set(overrides), set(self.stack.template["Parameters"]))
        self.assertEqual(delete[:3], ["delete", "--stack-name", STACK])
        self.assertEqual(client("dynamodb").list_tables()["TableNames"], [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
