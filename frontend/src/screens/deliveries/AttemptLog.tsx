import { Table } from '@mantine/core';
import { useTranslation } from 'react-i18next';

import type { NotificationDetail } from '../../api/types';
import { Notice } from '../../components/Notice';
import { Time } from '../../components/Time';

export function AttemptLog({ attempts }: { attempts: NotificationDetail['attemptLog'] }) {
  const { t, i18n } = useTranslation();
  if (attempts.length === 0) return <Notice title={t('deliveries.logEmpty')} text={t('deliveries.logEmptyHint')} />;

  const milliseconds = new Intl.NumberFormat(i18n.language, { maximumFractionDigits: 1 });
  return (
    <Table.ScrollContainer minWidth={640} type="native">
      <Table verticalSpacing="sm" aria-label={t('deliveries.log')}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{t('deliveries.number')}</Table.Th>
            <Table.Th>{t('deliveries.at')}</Table.Th>
            <Table.Th>{t('deliveries.outcome')}</Table.Th>
            <Table.Th>{t('deliveries.provider')}</Table.Th>
            <Table.Th>{t('deliveries.detail')}</Table.Th>
            <Table.Th>{t('deliveries.duration')}</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {attempts.map((attempt) => (
            <Table.Tr key={attempt.number}>
              <Table.Td>{attempt.number}</Table.Td>
              <Table.Td>
                <Time value={attempt.at} seconds />
              </Table.Td>
              <Table.Td>{t(`outcome.${attempt.outcome}`)}</Table.Td>
              <Table.Td>{attempt.provider}</Table.Td>
              <Table.Td>{attempt.detail}</Table.Td>
              <Table.Td>{t('deliveries.ms', { value: milliseconds.format(attempt.durationMs) })}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}
