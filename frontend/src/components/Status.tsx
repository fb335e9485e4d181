import { useTranslation } from 'react-i18next';

import type { NotificationStatus, Priority, Ticket } from '../api/types';
import classes from './components.module.css';

type Tone = 'good' | 'busy' | 'quiet' | 'bad';

const NOTIFICATION_TONES: Record<NotificationStatus, Tone> = {
  pending: 'busy',
  deferred: 'quiet',
  sending: 'busy',
  sent: 'good',
  suppressed: 'quiet',
  expired: 'bad',
  dead: 'bad',
};
const TICKET_TONES: Record<Ticket['status'], Tone> = { open: 'busy', in_progress: 'busy', resolved: 'good', closed: 'quiet' };
const PRIORITY_TONES: Record<Priority, Tone> = { low: 'quiet', normal: 'quiet', high: 'busy', urgent: 'bad' };

/* The word says it, the dot only helps the eye: colour alone carries nothing. */
function Dot({ tone, word, value }: { tone: Tone; word: string; value: string }) {
  return (
    <span className={classes.status} data-tone={tone} data-value={value}>
      {word}
    </span>
  );
}

export function DeliveryStatus({ status }: { status: NotificationStatus }) {
  const { t } = useTranslation();
  return <Dot tone={NOTIFICATION_TONES[status]} word={t(`status.${status}`)} value={status} />;
}

export function TicketStatus({ status }: { status: Ticket['status'] }) {
  const { t } = useTranslation();
  return <Dot tone={TICKET_TONES[status]} word={t(`ticketStatus.${status}`)} value={status} />;
}

export function PriorityMark({ priority }: { priority: Priority }) {
  const { t } = useTranslation();
  return <Dot tone={PRIORITY_TONES[priority]} word={t(`priority.${priority}`)} value={priority} />;
}
