import { zodResolver } from '@hookform/resolvers/zod';
import { Button, Checkbox, Group, NativeSelect, Textarea, TextInput } from '@mantine/core';
import { Link, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { Controller, useForm, type FieldError } from 'react-hook-form';
import { useTranslation } from 'react-i18next';

import { newKey } from '../../api/client';
import { useMe } from '../../api/people';
import { useOpenTicket } from '../../api/tickets';
import { DELIVERING_CHANNELS, PRIORITIES } from '../../api/types';
import { useAuth } from '../../app/auth';
import { Problem } from '../../components/Problem';
import { Card, Screen } from '../../components/Screen';
import { TextLink } from '../../components/TextLink';
import { emptyTicketForm, showAtFields, ticketForm, toTicket, type TicketForm } from './ticketForm';
import classes from './tickets.module.css';

const FIELDS = ['title', 'description', 'priority', 'channels', 'tags', 'ownerId'] as const satisfies readonly (keyof TicketForm)[];

export function NewTicketScreen() {
  const { t } = useTranslation();
  return (
    <Screen title={t('ticketForm.title')} back={<TextLink to="/tickets">← {t('tickets.back')}</TextLink>}>
      <Card>
        <NewTicketForm />
      </Card>
    </Screen>
  );
}

function NewTicketForm() {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const me = useMe(useAuth().token);
  const open = useOpenTicket();
  const [unplaced, setUnplaced] = useState<Error | null>(null);
  const { register, control, handleSubmit, setError, formState } = useForm<TicketForm>({
    resolver: zodResolver(ticketForm),
    defaultValues: emptyTicketForm,
  });

  const submit = handleSubmit((form) => {
    setUnplaced(null);
    open.mutate(
      { ticket: toTicket(form), key: newKey() },
      {
        onSuccess: ({ ticketId }) => void navigate({ to: '/tickets/$ticketId', params: { ticketId } }),
        onError: (error) => {
          if (!showAtFields(error, FIELDS, setError)) setUnplaced(error);
        },
      },
    );
  });

  /* Our own messages are keys, the server's are sentences already. */
  function say(error: FieldError | undefined): string | undefined {
    if (error?.message === undefined || error.type === 'server') return error?.message;
    return t(`ticketForm.error.${error.message}` as 'ticketForm.error.titleRequired');
  }

  return (
    <form onSubmit={(event) => void submit(event)} className={classes.form} noValidate>
      <TextInput label={t('ticketForm.subject')} required error={say(formState.errors.title)} {...register('title')} />
      <Textarea
        label={t('ticketForm.description')}
        description={t('ticketForm.descriptionHint')}
        rows={6}
        error={say(formState.errors.description)}
        {...register('description')}
      />
      <NativeSelect
        label={t('ticketForm.priority')}
        data={PRIORITIES.map((priority) => ({ value: priority, label: t(`priority.${priority}`) }))}
        error={say(formState.errors.priority)}
        {...register('priority')}
      />
      <Controller
        name="channels"
        control={control}
        render={({ field, fieldState }) => (
          <Checkbox.Group
            label={t('ticketForm.channels')}
            description={t('ticketForm.channelsHint')}
            value={field.value}
            onChange={field.onChange}
            error={say(fieldState.error)}
          >
            <Group mt="xs">
              {DELIVERING_CHANNELS.map((channel) => (
                <Checkbox key={channel} value={channel} label={t(`channel.${channel}`)} />
              ))}
            </Group>
          </Checkbox.Group>
        )}
      />
      <TextInput
        label={t('ticketForm.tags')}
        description={t('ticketForm.tagsHint')}
        error={say(formState.errors.tags)}
        {...register('tags')}
      />
      {me.data && me.data.role !== 'customer' && (
        <TextInput
          label={t('ticketForm.owner')}
          description={t('ticketForm.ownerHint')}
          error={say(formState.errors.ownerId)}
          {...register('ownerId')}
        />
      )}
      {unplaced && <Problem error={unplaced} />}
      <Group>
        <Button type="submit" loading={open.isPending}>
          {t('ticketForm.submit')}
        </Button>
        <Button variant="subtle" renderRoot={(props) => <Link to="/tickets" {...props} />}>
          {t('ticketForm.cancel')}
        </Button>
      </Group>
    </form>
  );
}
