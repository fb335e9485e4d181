"""Mail by SES and SMS by SNS, through the real providers and the real dispatcher, to moto; what has arrived is read by Python's own e-mail package. Run by scripts/with-emulators:
providers_test.py SEND, where SEND is the program of tests/aws/send.c."""
import email
import email.policy
import json
import os
import subprocess
import sys
import unittest
import urllib.request

import boto3

SEND = sys.argv.pop()
ENDPOINT = os.environ["AWS_ENDPOINT_URL"]
MESSAGE = {
    "notificationId": "01980000-0000-7000-8000-000000000001",
    "ticketId": "tkt-001",
    "event": "TicketCreated",
    "mailFrom": '"Atenção, \\"HelpDesk\\"" <desk@example.org>',
    "toAddress": "ana@example.org",
    "toName": "Ana Conceição",
    "subject": "[tkt-001] Impressora parada: não há conexão à rede, e ninguém na recepção consegue imprimir 🔥",
    "text": "Olá, Ana!\n\nA impressora parou.\n.\nFrom here on: =3D\n" + "não " * 60 + "\n",
    "html": "<p>Olá, <b>Ana</b>!</p>\n<p>“A impressora parou.”</p>\n",
    "dateMs": 1784548800000,
}


def send(provider, environment=None, **changes):
    done = subprocess.run([SEND, provider], input=json.dumps({**MESSAGE, **changes}), capture_output=True, text=True, check=False,
                          env={**os.environ, **(environment or {})})
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return json.loads(done.stdout)


def get(path):
    with urllib.request.urlopen(ENDPOINT + path) as answer:
        return json.load(answer)


def sent_mails():
    return get("/moto-api/data.json")["ses"]["RawMessage"]


class Mail(unittest.TestCase):
    def setUp(self):
        boto3.client("sesv2").create_email_identity(EmailIdentity="desk@example.org")
        self.before = len(sent_mails())

    def tearDown(self):
        boto3.client("sesv2").delete_email_identity(EmailIdentity="desk@example.org")

    def test_a_mail_is_read_as_it_was_meant(self):
        outcome = send("ses")
        mails = sent_mails()
        self.assertEqual(outcome, {"outcome": "sent", "detail": mails[-1]["id"]})
        self.assertEqual(len(mails), self.before + 1)
        self.assertEqual(mails[-1]["source"], "desk@example.org")
        self.assertEqual(mails[-1]["destinations"][0], "ana@example.org")
        mail = email.message_from_string(mails[-1]["raw_data"], policy=email.policy.default)
        self.assertEqual(mail.defects, [])
        self.assertEqual(mail["Subject"], MESSAGE["subject"])
        self.assertEqual([(a.display_name, a.addr_spec) for a in mail["From"].addresses], [('Atenção, "HelpDesk"', "desk@example.org")])
        self.assertEqual([(a.display_name, a.addr_spec) for a in mail["To"].addresses], [("Ana Conceição", "ana@example.org")])
        self.assertEqual(mail["Message-ID"], f"<{MESSAGE['notificationId']}@example.org>")
        self.assertEqual(mail["References"], "<ticket-tkt-001@example.org>")
        self.assertEqual(mail["Date"].datetime.timestamp() * 1000, MESSAGE["dateMs"])
        self.assertEqual(mail.get_body(("plain",)).get_content().replace("\r\n", "\n"), MESSAGE["text"])
        self.assertEqual(mail.get_body(("html",)).get_content().replace("\r\n", "\n"), MESSAGE["html"])

    def test_a_sender_that_ses_does_not_know_is_refused(self):
        outcome = send("ses", mailFrom="Other <other@example.org>")
        self.assertIn(outcome["outcome"], ("permanent", "configuration"))
        self.assertIn("MessageRejected", outcome["detail"])
        self.assertEqual(len(sent_mails()), self.before)

    def test_the_same_mail_again_is_another_one(self):
        ids = [send("ses")["detail"] for _ in range(2)]
        self.assertNotEqual(ids[0], ids[1])
        mails = sent_mails()[-2:]
        self.assertEqual(mails[0]["raw_data"], mails[1]["raw_data"])

    def test_without_an_answer_it_is_to_be_tried_again(self):
        outcome = send("ses", environment={"AWS_ENDPOINT_URL_SES": "http://127.0.0.1:1"})
        self.assertEqual(outcome["outcome"], "retry")


class Sms(unittest.TestCase):
    def test_a_message_is_read_as_it_was_meant(self):
        text = "Olá, Ana: 100% & mais?\nA impressora parou = “não” + 🔥"
        outcome = send("sns", toAddress="+5511987654321", text=text, senderId="HelpDesk")
        self.assertEqual(outcome["outcome"], "sent")
        messages = {sms["message_id"]: sms for sms in get("/moto-api/data.json")["sns"]["SMS"]}
        self.assertEqual(messages[outcome["detail"]]["phone_number"], "+5511987654321")
        self.assertEqual(messages[outcome["detail"]]["message"], text)

    def test_without_an_answer_it_is_to_be_tried_again(self):
        outcome = send("sns", toAddress="+5511987654321", environment={"AWS_ENDPOINT_URL_SNS": "http://127.0.0.1:1"})
        self.assertEqual(outcome["outcome"], "retry")


unittest.main(verbosity=2)
