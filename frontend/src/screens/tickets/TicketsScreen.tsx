import { Button, Table } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';

import { useTickets } from '../../api/tickets';
import type { Ticket } from '../../api/types';
import { PagedList } from '../../components/PagedList';
import { Card, Screen } from '../../components/Screen';
import { PriorityMark, TicketStatus } from '../../components/Status';
import { TextLink } from '../../components/TextLink';
import { Time } from '../../components/Time';

export function TicketsScreen() {
  const { t } = useTranslation();
  const tickets = useTickets();

  return (
    <Screen
      title={t('tickets.title')}
      actions={<Button renderRoot={(props) => <Link to="/tickets/new" {...props} />}>{t('tickets.open')}</Button>}
    >
      <Card>
        <PagedList query={tickets} empty={{ title: t('tickets.empty'), text: t('tickets.emptyHint') }}>
          {(items) => <TicketTable tickets={items} />}
        </PagedList>
      </Card>
    </Screen>
  );
}

function TicketTable({ tickets }: { tickets: Ticket[] }) {
  const { t } = useTranslation();
  return (
    <Table.ScrollContainer minWidth={560} type="native">
      <Table verticalSpacing="sm" aria-label={t('tickets.title')}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{t('tickets.subject')}</Table.Th>
            <Table.Th>{t('tickets.status')}</Table.Th>
            <Table.Th>{t('tickets.priority')}</Table.Th>
            <Table.Th>{t('tickets.created')}</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {tickets.map((ticket) => (
            <Table.Tr key={ticket.ticketId}>
              <Table.Td>
                <TextLink to="/tickets/$ticketId" params={{ ticketId: ticket.ticketId }}>
                  {ticket.title}
                </TextLink>
              </Table.Td>
              <Table.Td>
                <TicketStatus status={ticket.status} />
              </Table.Td>
              <Table.Td>
                <PriorityMark priority={ticket.priority} />
              </Table.Td>
              <Table.Td>
                <Time value={ticket.createdAt} />
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}
