import { Alert, Button, Code, Group, Table, Text, TextInput, NativeSelect } from '@mantine/core';
import { useState, type FormEvent } from 'react';
import { useTranslation } from 'react-i18next';

import { newKey } from '../../api/client';
import { useDeadLetters, useDeleteDeadLetter, useRedriveAll, useRedriveOne } from '../../api/deadLetters';
import { itemsOf } from '../../api/pages';
import { QUEUES, type DeadLetter, type DeadLetterFilter } from '../../api/types';
import { ConfirmDialog } from '../../components/ConfirmDialog';
import { PagedList } from '../../components/PagedList';
import { Problem } from '../../components/Problem';
import { Card, Screen } from '../../components/Screen';
import { TextLink } from '../../components/TextLink';
import { Time } from '../../components/Time';
import classes from './DeadLettersScreen.module.css';

interface Props {
  filter: DeadLetterFilter;
  onFilter: (filter: DeadLetterFilter) => void;
}

export function DeadLettersScreen({ filter, onFilter }: Props) {
  const { t } = useTranslation();
  const deadLetters = useDeadLetters(filter);
  const redriveOne = useRedriveOne();
  const redriveAll = useRedriveAll();
  const remove = useDeleteDeadLetter();
  const [asked, setAsked] = useState<DeadLetter | 'all' | null>(null);

  const filtered = filter.queue !== undefined || filter.reason !== undefined;
  const failure = redriveOne.error ?? redriveAll.error ?? remove.error;
  const some = itemsOf(deadLetters.data).length > 0;

  /* One result at a time is on the screen: that of what was done last. */
  function forgetResults(): void {
    redriveOne.reset();
    redriveAll.reset();
    remove.reset();
  }

  return (
    <Screen
      title={t('deadLetters.title')}
      intro={t('deadLetters.intro')}
      actions={
        some && (
          <Button variant="default" loading={redriveAll.isPending} onClick={() => setAsked('all')}>
            {filtered ? t('deadLetters.redriveMatching') : t('deadLetters.redriveAll')}
          </Button>
        )
      }
    >
      <Filters key={`${filter.queue ?? ''} ${filter.reason ?? ''}`} filter={filter} onFilter={onFilter} />
      <Redriven result={redriveAll.data ?? redriveOne.data} />
      {failure && <Problem error={failure} />}
      <Card>
        <PagedList query={deadLetters} empty={{ title: t('deadLetters.empty'), text: t('deadLetters.emptyHint') }}>
          {(items) => (
            <DeadLetterTable
              deadLetters={items}
              busy={redriveOne.isPending ? redriveOne.variables.id : null}
              onRedrive={(id) => {
                forgetResults();
                redriveOne.mutate({ id, key: newKey() });
              }}
              onDelete={setAsked}
            />
          )}
        </PagedList>
      </Card>
      <ConfirmDialog
        opened={asked === 'all'}
        title={t('deadLetters.confirmAllTitle')}
        text={t('deadLetters.confirmAllText')}
        confirm={t('deadLetters.redrive')}
        cancel={t('deadLetters.cancel')}
        onClose={() => setAsked(null)}
        onConfirm={() => {
          forgetResults();
          redriveAll.mutate({ filter, key: newKey() });
          setAsked(null);
        }}
      />
      <DeleteDialog
        deadLetter={asked === 'all' ? null : asked}
        onClose={() => setAsked(null)}
        onConfirm={(id) => {
          forgetResults();
          remove.mutate(id);
          setAsked(null);
        }}
      />
    </Screen>
  );
}

function Filters({ filter, onFilter }: Props) {
  const { t } = useTranslation();

  function submit(event: FormEvent<HTMLFormElement>): void {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const word = (name: string) => (form.get(name) as string).trim() || undefined;
    onFilter({ ...filter, reason: word('reason') });
  }

  return (
    <form className={classes.filters} onSubmit={submit} aria-label={t('deadLetters.filters')}>
      <NativeSelect
        label={t('deadLetters.queue')}
        value={filter.queue ?? ''}
        data={[{ value: '', label: t('deadLetters.all') }, ...QUEUES]}
        onChange={(event) => onFilter({ ...filter, queue: QUEUES.find((queue) => queue === event.currentTarget.value) })}
      />
      <TextInput label={t('deadLetters.reason')} name="reason" maxLength={64} defaultValue={filter.reason ?? ''} />
      <Button type="submit" variant="default">
        {t('deadLetters.apply')}
      </Button>
    </form>
  );
}

function Redriven({ result }: { result: { redriven: number; more: boolean } | undefined }) {
  const { t } = useTranslation();
  if (result === undefined) return null;
  return (
    <Alert variant="light" role="status">
      {t('deadLetters.redriven', { count: result.redriven })} {result.more && t('deadLetters.more')}
    </Alert>
  );
}

interface TableProps {
  deadLetters: DeadLetter[];
  busy: string | null;
  onRedrive: (id: string) => void;
  onDelete: (deadLetter: DeadLetter) => void;
}

function DeadLetterTable({ deadLetters, busy, onRedrive, onDelete }: TableProps) {
  const { t } = useTranslation();
  return (
    <Table.ScrollContainer minWidth={760} type="native">
      <Table verticalSpacing="sm" aria-label={t('deadLetters.title')}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{t('deadLetters.about')}</Table.Th>
            <Table.Th>{t('deadLetters.queue')}</Table.Th>
            <Table.Th>{t('deadLetters.reason')}</Table.Th>
            <Table.Th>{t('deadLetters.attempts')}</Table.Th>
            <Table.Th>{t('deadLetters.created')}</Table.Th>
            <Table.Th>{t('deadLetters.actions')}</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {deadLetters.map((deadLetter) => (
            <Table.Tr key={deadLetter.deadLetterId}>
              <Table.Td>
                <About deadLetter={deadLetter} />
              </Table.Td>
              <Table.Td>{deadLetter.queue}</Table.Td>
              <Table.Td className={classes.reason}>
                {deadLetter.reason}
                {deadLetter.detail !== null && (
                  <Text size="xs" c="dimmed">
                    {deadLetter.detail}
                  </Text>
                )}
              </Table.Td>
              <Table.Td>{deadLetter.attempts}</Table.Td>
              <Table.Td>
                <Time value={deadLetter.createdAt} />
              </Table.Td>
              <Table.Td>
                <Group gap="xs" wrap="nowrap">
                  <Button
                    size="compact-sm"
                    variant="default"
                    loading={busy === deadLetter.deadLetterId}
                    onClick={() => onRedrive(deadLetter.deadLetterId)}
                  >
                    {t('deadLetters.redrive')}
                  </Button>
                  <Button size="compact-sm" variant="subtle" color="red" onClick={() => onDelete(deadLetter)}>
                    {t('deadLetters.delete')}
                  </Button>
                </Group>
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}

function About({ deadLetter }: { deadLetter: DeadLetter }) {
  const { t } = useTranslation();
  if (deadLetter.body !== null) {
    return (
      <>
        <Text size="sm">{t('deadLetters.body')}</Text>
        <Code className={classes.body}>{deadLetter.body}</Code>
      </>
    );
  }
  const words = [deadLetter.channel && t(`channel.${deadLetter.channel}`), deadLetter.target].filter(Boolean).join(' → ');
  if (deadLetter.notificationId === null) return <>{words || deadLetter.eventId}</>;
  return (
    <TextLink to="/deliveries/$notificationId" params={{ notificationId: deadLetter.notificationId }}>
      {words || deadLetter.notificationId}
    </TextLink>
  );
}

interface DeleteProps {
  deadLetter: DeadLetter | null;
  onConfirm: (id: string) => void;
  onClose: () => void;
}

function DeleteDialog({ deadLetter, onConfirm, onClose }: DeleteProps) {
  const { t } = useTranslation();
  const target = deadLetter?.target ?? null;
  return (
    <ConfirmDialog
      opened={deadLetter !== null}
      dangerous
      title={t('deadLetters.deleteTitle')}
      text={target === null ? t('deadLetters.deleteTextUnreadable') : t('deadLetters.deleteText', { target })}
      confirm={t('deadLetters.deleteConfirm')}
      cancel={t('deadLetters.cancel')}
      onClose={onClose}
      onConfirm={() => {
        if (deadLetter !== null) onConfirm(deadLetter.deadLetterId);
      }}
    />
  );
}
