/* A real SMTP server that counts: how often each Message-ID was accepted. Made for many mails: they are not parsed. */
import { SMTPServer } from 'smtp-server';

/* delayMs(): how long it thinks about a mail before it accepts it. refuses(): whether it knows nobody (550) at the moment. */
export async function startSink({ delayMs = () => 0, refuses = () => false } = {}) {
  const seen = new Map();
  const underWay = new Set(); // sessions that send a mail, or wait for its answer
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS', 'AUTH'],
    disableReverseLookup: true,
    logger: false,
    onRcptTo: (address, session, done) => done(refuses() ? Object.assign(new Error('5.1.1 nobody here'), { responseCode: 550 }) : null),
    onClose: ({ id }) => underWay.delete(id),
    onData(stream, session, done) {
      const chunks = [];
      underWay.add(session.id);
      stream.on('data', (chunk) => chunks.push(chunk));
      stream.once('end', () => {
        const head = Buffer.concat(chunks).toString('latin1').split('\r\n\r\n', 1)[0];
        const id = /^Message-ID:\s*<([^>]+)>/im.exec(head)?.[1] ?? 'none';
        setTimeout(() => {
          underWay.delete(session.id);
          seen.set(id, (seen.get(id) ?? 0) + 1); // accepted from here on, whether or not anybody hears it
          done();
        }, delayMs());
      });
    },
  });
  server.on('error', () => {}); // a client that is killed is what this is about
  await new Promise((done, failed) => server.server.once('error', failed).listen(0, '127.0.0.1', done));
  return {
    url: `smtp://127.0.0.1:${server.server.address().port}`,
    seen,
    underWay: () => underWay.size,
    close: () => new Promise((done) => server.close(done)),
  };
}
