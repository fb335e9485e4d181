import { Button, Text } from '@mantine/core';
import { Link, Outlet } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';

import { useUnreadCount } from '../api/inbox';
import { useMe } from '../api/people';
import type { Me } from '../api/types';
import { LanguageSwitch } from '../components/LanguageSwitch';
import { Problem } from '../components/Problem';
import { LoadingLines } from '../components/LoadingLines';
import { SignInScreen } from '../screens/sign-in/SignInScreen';
import { useAuth } from './auth';
import { mayVisit, navigationFor } from './navigation';
import classes from './Shell.module.css';

/* The frame of every screen. Whoever isn't signed in sees the sign-in screen at any address, and is then where they wanted to be. */
export function Shell() {
  const { token, signOut } = useAuth();
  const { t } = useTranslation();
  const me = useMe(token);

  if (token === null) return <SignInScreen />;
  return (
    <div className={classes.shell}>
      <a className={classes.skip} href="#main">
        {t('nav.skip')}
      </a>
      <header className={classes.side}>
        <Text className={classes.brand}>HelpDesk</Text>
        {me.data && <Navigation me={me.data} />}
        <div className={classes.foot}>
          {me.data && <Person me={me.data} />}
          <LanguageSwitch />
          <Button variant="default" size="compact-sm" onClick={signOut}>
            {t('nav.signOut')}
          </Button>
        </div>
      </header>
      <main id="main" className={classes.main} tabIndex={-1}>
        {me.data && <Outlet />}
        {me.isPending && <LoadingLines />}
        {me.isError && <Problem error={me.error} onRetry={() => void me.refetch()} />}
      </main>
    </div>
  );
}

function Navigation({ me }: { me: Me }) {
  const { t } = useTranslation();
  const entries = navigationFor(me.role);
  const unread = useUnreadCount(mayVisit(me.role, '/inbox')).data ?? 0;

  return (
    <nav aria-label={t('nav.label')} className={classes.nav}>
      {entries.map(({ to, label, icon: Icon }) => (
        <Link key={to} to={to} className={classes.link} activeProps={{ className: classes.active, 'aria-current': 'page' }}>
          <Icon />
          <span>{t(label)}</span>
          {to === '/inbox' && unread > 0 && (
            <span className={classes.count} aria-label={t('nav.unread', { count: unread })}>
              {unread}
            </span>
          )}
        </Link>
      ))}
    </nav>
  );
}

function Person({ me }: { me: Me }) {
  const { t } = useTranslation();
  return (
    <div className={classes.person}>
      <Text size="sm" fw={600} truncate>
        {me.user?.name ?? me.userId}
      </Text>
      <Text size="xs" c="dimmed">
        {t(`role.${me.role}`)}
      </Text>
    </div>
  );
}
