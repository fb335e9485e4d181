import { Table } from '@mantine/core';
import { useTranslation } from 'react-i18next';

import type { Notification } from '../api/types';
import { EventName } from './EventName';
import { DeliveryStatus } from './Status';
import { TextLink } from './TextLink';
import { Time } from './Time';

/* Notifications as rows; the event's name leads to the delivery. */
export function DeliveryTable({ notifications, label }: { notifications: Notification[]; label: string }) {
  const { t } = useTranslation();
  return (
    <Table.ScrollContainer minWidth={640} type="native">
      <Table verticalSpacing="sm" aria-label={label}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{t('deliveries.event')}</Table.Th>
            <Table.Th>{t('deliveries.target')}</Table.Th>
            <Table.Th>{t('deliveries.channel')}</Table.Th>
            <Table.Th>{t('deliveries.status')}</Table.Th>
            <Table.Th>{t('deliveries.attempts')}</Table.Th>
            <Table.Th>{t('deliveries.created')}</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {notifications.map((notification) => (
            <Table.Tr key={notification.notificationId} data-channel={notification.channel}>
              <Table.Td>
                <TextLink to="/deliveries/$notificationId" params={{ notificationId: notification.notificationId }}>
                  <EventName event={notification.event} />
                </TextLink>
              </Table.Td>
              <Table.Td>{notification.target}</Table.Td>
              <Table.Td>{t(`channel.${notification.channel}`)}</Table.Td>
              <Table.Td>
                <DeliveryStatus status={notification.status} />
              </Table.Td>
              <Table.Td>{notification.attempts}</Table.Td>
              <Table.Td>
                <Time value={notification.createdAt} seconds />
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}
