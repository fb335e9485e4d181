import { Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';

import { useTicket, useTicketNotifications } from '../../api/tickets';
import type { Ticket } from '../../api/types';
import { DeliveryTable } from '../../components/DeliveryTable';
import { Facts } from '../../components/Facts';
import { Loaded } from '../../components/Loaded';
import { PagedList } from '../../components/PagedList';
import { Card, Screen } from '../../components/Screen';
import { PriorityMark, TicketStatus } from '../../components/Status';
import { TextLink } from '../../components/TextLink';
import { Time } from '../../components/Time';
import classes from './tickets.module.css';

export function TicketScreen({ ticketId }: { ticketId: string }) {
  const { t } = useTranslation();
  const ticket = useTicket(ticketId);

  return (
    <Screen title={ticket.data?.title ?? t('tickets.title')} back={<TextLink to="/tickets">← {t('tickets.back')}</TextLink>}>
      <Loaded query={ticket}>
        {(loaded) => (
          <>
            <TicketCard ticket={loaded} />
            <TicketNotifications ticketId={ticketId} />
          </>
        )}
      </Loaded>
    </Screen>
  );
}

function TicketCard({ ticket }: { ticket: Ticket }) {
  const { t } = useTranslation();
  return (
    <Card>
      {ticket.description === '' ? (
        <Text c="dimmed">{t('tickets.noDescription')}</Text>
      ) : (
        <Text className={classes.description}>{ticket.description}</Text>
      )}
      <div className={classes.facts}>
        <Facts
          facts={[
            [t('tickets.status'), <TicketStatus key="status" status={ticket.status} />],
            [t('tickets.priority'), <PriorityMark key="priority" priority={ticket.priority} />],
            [t('tickets.owner'), ticket.ownerId],
            [t('tickets.agent'), ticket.assignedAgentId ?? t('tickets.nobody')],
            [t('tickets.team'), ticket.team],
            [t('tickets.tags'), ticket.tags.length > 0 ? ticket.tags.join(', ') : null],
            [t('tickets.created'), <Time key="created" value={ticket.createdAt} />],
            [t('tickets.updated'), <Time key="updated" value={ticket.updatedAt} />],
          ]}
        />
      </div>
    </Card>
  );
}

function TicketNotifications({ ticketId }: { ticketId: string }) {
  const { t } = useTranslation();
  const notifications = useTicketNotifications(ticketId);
  return (
    <Card title={t('tickets.notifications')}>
      <PagedList
        query={notifications}
        empty={{ title: t('tickets.notificationsEmpty'), text: t('tickets.notificationsEmptyHint') }}
      >
        {(items) => <DeliveryTable notifications={items} label={t('tickets.notifications')} />}
      </PagedList>
    </Card>
  );
}
