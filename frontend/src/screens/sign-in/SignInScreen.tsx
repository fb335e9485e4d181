import { Alert, Button, PasswordInput, Stack, Text, Title } from '@mantine/core';
import { useEffect, useState, type FormEvent } from 'react';
import { useTranslation } from 'react-i18next';

import { useDemoLogin } from '../../api/people';
import { ApiError } from '../../api/problem';
import type { DemoRole } from '../../api/types';
import { useAuth } from '../../app/auth';
import { LanguageSwitch } from '../../components/LanguageSwitch';
import { Problem } from '../../components/Problem';
import classes from './SignInScreen.module.css';

const ROLES = ['customer', 'agent', 'admin'] as const satisfies readonly DemoRole[];
const JWT = /^[\w-]+\.[\w-]+\.[\w-]+$/;

export function SignInScreen() {
  const { t } = useTranslation();
  const { expired } = useAuth();
  useEffect(() => {
    document.title = `${t('signIn.title')} · HelpDesk`;
  }, [t]);

  return (
    <main className={classes.page}>
      <div className={classes.card}>
        <div>
          <Title order={1}>HelpDesk</Title>
          <Text c="dimmed">{t('signIn.intro')}</Text>
        </div>
        {expired && (
          <Alert color="red" variant="light" role="alert">
            {t('signIn.expired')}
          </Alert>
        )}
        <DemoPeople />
        <TokenForm />
        <LanguageSwitch />
      </div>
    </main>
  );
}

function DemoPeople() {
  const { t } = useTranslation();
  const login = useDemoLogin();
  const noDemo = login.error instanceof ApiError && login.error.status === 404;

  return (
    <Stack gap="sm">
      <div>
        <Title order={2} size="h5">
          {t('signIn.demo')}
        </Title>
        <Text size="sm" c="dimmed">
          {t('signIn.demoHint')}
        </Text>
      </div>
      {ROLES.map((role) => (
        <div key={role} className={classes.person}>
          <Button
            fullWidth
            variant={role === 'customer' ? 'filled' : 'default'}
            loading={login.isPending && login.variables === role}
            disabled={login.isPending}
            onClick={() => login.mutate(role)}
            aria-describedby={`hint-${role}`}
          >
            {t(`signIn.as.${role}`)}
          </Button>
          <Text id={`hint-${role}`} size="xs" c="dimmed">
            {t(`signIn.hint.${role}`)}
          </Text>
        </div>
      ))}
      {noDemo && (
        <Alert color="red" variant="light" role="alert">
          {t('signIn.noDemo')}
        </Alert>
      )}
      {login.error && !noDemo && <Problem error={login.error} />}
    </Stack>
  );
}

function TokenForm() {
  const { t } = useTranslation();
  const { signIn } = useAuth();
  const [token, setToken] = useState('');
  const [bad, setBad] = useState(false);

  function submit(event: FormEvent): void {
    event.preventDefault();
    const pasted = token.trim();
    if (JWT.test(pasted)) signIn(pasted);
    else setBad(true);
  }

  return (
    <form onSubmit={submit} className={classes.token}>
      <Title order={2} size="h5">
        {t('signIn.token')}
      </Title>
      <PasswordInput
        label={t('signIn.tokenLabel')}
        description={t('signIn.tokenHint')}
        value={token}
        autoComplete="off"
        error={bad ? t('signIn.tokenBad') : undefined}
        onChange={(event) => {
          setToken(event.currentTarget.value);
          setBad(false);
        }}
      />
      <Button type="submit" variant="default">
        {t('signIn.tokenSubmit')}
      </Button>
    </form>
  );
}
