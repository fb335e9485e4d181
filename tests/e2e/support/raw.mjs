/* HTTP by hand, over a socket: for requests that no client library would send. */
import { connect } from 'node:net';

/* Connects and sends the pieces; gives the answers that came until the server closed, until `count` answers were there, or until timeoutMs. An answer: {status, headers, body}.
 * halfClose: nothing more will be sent. */
export function exchange(port, pieces, { count = 1, timeoutMs = 10_000, halfClose = false } = {}) {
  return new Promise((done) => {
    const socket = connect(port, '127.0.0.1');
    let bytes = Buffer.alloc(0);
    let timedOut = false;
    const end = (how) => {
      clearTimeout(timer);
      socket.destroy();
      done({ answers: parse(bytes), how, timedOut });
    };
    const timer = setTimeout(() => {
      timedOut = true;
      end('timeout');
    }, timeoutMs);
    socket.on('error', () => {}); // the server may close while we are still sending
    socket.on('close', () => end('closed'));
    socket.on('data', (chunk) => {
      bytes = Buffer.concat([bytes, chunk]);
      if (parse(bytes).length >= count) end('answered');
    });
    socket.on('connect', async () => {
      for (const piece of [].concat(pieces)) {
        if (socket.destroyed) return;
        if (!socket.write(piece)) await new Promise((resume) => socket.once('drain', resume).once('close', resume));
      }
      if (halfClose) socket.end();
    });
  });
}

/* The whole answers at the beginning of what came. */
function parse(bytes) {
  const answers = [];
  for (let rest = bytes; ; ) {
    const end = rest.indexOf('\r\n\r\n');
    if (end < 0) return answers;
    const [line, ...lines] = rest.subarray(0, end).toString('latin1').split('\r\n');
    const status = Number(line.split(' ')[1]);
    const headers = Object.fromEntries(lines.map((each) => [each.slice(0, each.indexOf(':')).toLowerCase(), each.slice(each.indexOf(':') + 1).trim()]));
    const length = Number(headers['content-length'] ?? 0);
    if (rest.length < end + 4 + length) return answers;
    if (status >= 200) answers.push({ status, headers, body: rest.subarray(end + 4, end + 4 + length).toString('utf8') });
    rest = rest.subarray(end + 4 + length);
  }
}
