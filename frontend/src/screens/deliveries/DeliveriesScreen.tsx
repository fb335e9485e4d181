import { NativeSelect } from '@mantine/core';
import { useTranslation } from 'react-i18next';

import { useNotifications } from '../../api/notifications';
import { CHANNELS, NOTIFICATION_STATUSES, type NotificationFilter } from '../../api/types';
import { DeliveryTable } from '../../components/DeliveryTable';
import { PagedList } from '../../components/PagedList';
import { Card, Screen } from '../../components/Screen';
import classes from './deliveries.module.css';

interface Props {
  filter: NotificationFilter;
  onFilter: (filter: NotificationFilter) => void;
}

export function DeliveriesScreen({ filter, onFilter }: Props) {
  const { t } = useTranslation();
  const notifications = useNotifications(filter);
  const all = { value: '', label: t('deliveries.all') };

  return (
    <Screen title={t('deliveries.title')} intro={t('deliveries.intro')}>
      <div className={classes.filters} role="group" aria-label={t('deliveries.filters')}>
        <NativeSelect
          label={t('deliveries.status')}
          value={filter.status ?? ''}
          data={[all, ...NOTIFICATION_STATUSES.map((status) => ({ value: status, label: t(`status.${status}`) }))]}
          onChange={(event) =>
            onFilter({ ...filter, status: NOTIFICATION_STATUSES.find((status) => status === event.currentTarget.value) })
          }
        />
        <NativeSelect
          label={t('deliveries.channel')}
          value={filter.channel ?? ''}
          data={[all, ...CHANNELS.map((channel) => ({ value: channel, label: t(`channel.${channel}`) }))]}
          onChange={(event) => onFilter({ ...filter, channel: CHANNELS.find((channel) => channel === event.currentTarget.value) })}
        />
      </div>
      <Card>
        <PagedList query={notifications} empty={{ title: t('deliveries.empty'), text: t('deliveries.emptyHint') }}>
          {(items) => <DeliveryTable notifications={items} label={t('deliveries.title')} />}
        </PagedList>
      </Card>
    </Screen>
  );
}
