// The workers in a process of their own; what they sent is told to the API's process, which shows it on /metrics.

import { Metrics } from '../peer-shared/metrics.mjs';
import { startWorkers } from './workers.mjs';

const REPORT_EVERY_MS = 50;
let metrics = new Metrics();
const workers = startWorkers((channel, ms) => metrics.notificationSent(channel, ms));
setInterval(() => {
  process.send(metrics);
  metrics = new Metrics();
}, REPORT_EVERY_MS);
process.on('SIGTERM', () => workers.stop().then(() => process.exit(0)));
process.on('disconnect', () => process.exit(0));
