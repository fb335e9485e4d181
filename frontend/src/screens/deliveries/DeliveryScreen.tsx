import { useTranslation } from 'react-i18next';

import { useNotification } from '../../api/notifications';
import { useMe } from '../../api/people';
import type { NotificationDetail } from '../../api/types';
import { useAuth } from '../../app/auth';
import { mayVisit } from '../../app/navigation';
import { EventName } from '../../components/EventName';
import { Facts } from '../../components/Facts';
import { Loaded } from '../../components/Loaded';
import { Notice } from '../../components/Notice';
import { Card, Screen } from '../../components/Screen';
import { DeliveryStatus } from '../../components/Status';
import { TextLink } from '../../components/TextLink';
import { Time } from '../../components/Time';
import { AttemptLog } from './AttemptLog';
import { MailPreview } from './MailPreview';

export function DeliveryScreen({ notificationId }: { notificationId: string }) {
  const { t } = useTranslation();
  const notification = useNotification(notificationId);

  return (
    <Screen
      title={notification.data ? `${t(`channel.${notification.data.channel}`)} → ${notification.data.target}` : t('deliveries.title')}
      back={<Back ticketId={notification.data?.ticketId} />}
    >
      <Loaded query={notification}>{(loaded) => <Delivery notification={loaded} />}</Loaded>
    </Screen>
  );
}

/* To where most come from: the list, or the ticket for those who have no list. */
function Back({ ticketId }: { ticketId: string | undefined }) {
  const { t } = useTranslation();
  const me = useMe(useAuth().token);
  if (me.data && mayVisit(me.data.role, '/deliveries')) return <TextLink to="/deliveries">← {t('deliveries.back')}</TextLink>;
  if (ticketId === undefined) return null;
  return (
    <TextLink to="/tickets/$ticketId" params={{ ticketId }}>
      ← {t('deliveries.backToTicket')}
    </TextLink>
  );
}

function Delivery({ notification }: { notification: NotificationDetail }) {
  const { t } = useTranslation();
  return (
    <>
      <Card>
        <Facts
          facts={[
            [t('deliveries.status'), <DeliveryStatus key="status" status={notification.status} />],
            [t('deliveries.event'), <EventName key="event" event={notification.event} />],
            [t('deliveries.ticket'), <TicketLink key="ticket" ticketId={notification.ticketId} />],
            [t('deliveries.reason'), notification.reason],
            [t('deliveries.sent'), notification.sentAt && <Time key="sent" value={notification.sentAt} seconds />],
            [t('deliveries.nextAttempt'), notification.nextAttemptAt && <Time key="next" value={notification.nextAttemptAt} seconds />],
            [t('deliveries.created'), <Time key="created" value={notification.createdAt} seconds />],
            [t('deliveries.id'), notification.notificationId],
            [t('deliveries.eventId'), notification.eventId],
            [t('deliveries.correlationId'), notification.correlationId],
          ]}
        />
      </Card>
      <Card title={t('deliveries.message')}>
        <Message message={notification.message} />
      </Card>
      <Card title={t('deliveries.log')}>
        <AttemptLog attempts={notification.attemptLog} />
      </Card>
    </>
  );
}

function TicketLink({ ticketId }: { ticketId: string }) {
  return (
    <TextLink to="/tickets/$ticketId" params={{ ticketId }}>
      {ticketId}
    </TextLink>
  );
}

function Message({ message }: { message: NotificationDetail['message'] }) {
  const { t } = useTranslation();
  if (message === null) return <Notice title={t('deliveries.messageEmpty')} text={t('deliveries.messageEmptyHint')} />;
  if ('html' in message) return <MailPreview mail={message} />;
  return (
    <Facts
      wide
      facts={[
        [t('deliveries.subject'), message.title],
        [t('deliveries.text'), message.body],
      ]}
    />
  );
}
