/* A real SMTP server on a free port of this machine. It takes every mail, parsed, but for the addresses that refuse(address) names: those get a 550. */
import { simpleParser } from 'mailparser';
import { SMTPServer } from 'smtp-server';

export async function startMailbox() {
  const refused = new Set();
  const mails = [];
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS', 'AUTH'],
    logger: false,
    onRcptTo({ address }, _session, done) {
      if (!refused.has(address)) return done();
      return done(Object.assign(new Error('5.1.1 no such mailbox here'), { responseCode: 550 }));
    },
    onData(stream, session, done) {
      simpleParser(stream).then((mail) => {
        mails.push({ to: session.envelope.rcptTo.map(({ address }) => address), mail });
        done();
      }, done);
    },
  });
  // A client that goes away in the middle is no failure of the test by itself.
  server.on('error', () => {});
  await new Promise((done, failed) => server.server.once('error', failed).listen(0, '127.0.0.1', done));
  return {
    url: `smtp://127.0.0.1:${server.server.address().port}`,
    mails,
    refuse: (address) => refused.add(address),
    accept: (address) => refused.delete(address),
    close: () => new Promise((done) => server.close(done)),
  };
}
