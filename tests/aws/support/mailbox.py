"""An SMTP server for tests: keeps what it accepts, and refuses for the moment while `refuses` is set."""
import email
import email.policy
import socketserver
import threading


class Mailbox:
    def __init__(self):
        self.mails, self.refuses, self.refused = [], False, 0
        mailbox = self

        class Session(socketserver.StreamRequestHandler):
            def say(self, text):
                self.wfile.write(text.encode() + b"\r\n")

            def handle(self):
                self.say("220 mailbox ESMTP")
                to = []
                for line in self.rfile:
                    command = line.decode().strip()
                    verb = command.split(":")[0].split(" ")[0].upper()
                    if verb == "QUIT":
                        self.say("221 bye")
                        return
                    if verb == "RCPT":
                        to.append(command.split(":", 1)[1].strip().strip("<>"))
                    if verb == "DATA":
                        self.say("354 go on")
                        self.take(to)
                        to = []
                    elif verb == "EHLO":
                        self.say("250-mailbox\r\n250 8BITMIME")
                    else:
                        self.say("250 fine")

            def take(self, to):
                data = b"".join(line[1:] if line.startswith(b"..") else line for line in iter(self.rfile.readline, b".\r\n"))
                if mailbox.refuses:
                    mailbox.refused += 1
                    self.say("451 not now")
                    return
                mailbox.mails.append((to, email.message_from_bytes(data, policy=email.policy.default)))
                self.say("250 taken")

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = daemon_threads = True

        self.server = Server(("127.0.0.1", 0), Session)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"smtp://127.0.0.1:{self.server.server_address[1]}"

    def to(self, address):
        return [mail for to, mail in self.mails if address in to]

    def close(self):
        self.server.shutdown()
        self.server.server_close()
