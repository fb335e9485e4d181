// The few metrics that bench/run reads, under HelpDesk's names and in Prometheus' text form.

const BOUNDS_S = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60];

export class Metrics {
  sent = { email: 0, inapp: 0 };
  buckets = new Array(BOUNDS_S.length + 1).fill(0);
  sumS = 0;

  notificationSent(channel, ackToSentMs) {
    this.sent[channel]++;
    const seconds = ackToSentMs / 1000;
    this.sumS += seconds;
    let i = 0;
    while (i < BOUNDS_S.length && seconds > BOUNDS_S[i]) i++;
    this.buckets[i]++;
  }

  /** Adds what another process counted, so that one page shows all. */
  add(other) {
    this.sent.email += other.sent.email;
    this.sent.inapp += other.sent.inapp;
    this.sumS += other.sumS;
    other.buckets.forEach((n, i) => (this.buckets[i] += n));
  }

  print(backlog) {
    const lines = [];
    for (const [channel, n] of Object.entries(this.sent))
      lines.push(`helpdesk_notifications_total{channel="${channel}",outcome="sent"} ${n}`);
    for (const [queue, n] of Object.entries(backlog)) lines.push(`helpdesk_backlog{queue="${queue}"} ${n}`);
    let cumulative = 0;
    BOUNDS_S.forEach((bound, i) => lines.push(`helpdesk_ack_to_sent_seconds_bucket{le="${bound}"} ${(cumulative += this.buckets[i])}`));
    cumulative += this.buckets[BOUNDS_S.length];
    lines.push(`helpdesk_ack_to_sent_seconds_bucket{le="+Inf"} ${cumulative}`);
    lines.push(`helpdesk_ack_to_sent_seconds_sum ${this.sumS}`, `helpdesk_ack_to_sent_seconds_count ${cumulative}`);
    return `${lines.join('\n')}\n`;
  }
}
