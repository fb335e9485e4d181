import { Text, Title } from '@mantine/core';
import { useEffect, type ReactNode } from 'react';

import classes from './components.module.css';

interface Props {
  title: string;
  intro?: ReactNode;
  back?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
}

/* The head of a screen and what is below it. The title names the tab, too. */
export function Screen({ title, intro, back, actions, children }: Props) {
  useEffect(() => {
    document.title = `${title} · HelpDesk`;
  }, [title]);

  return (
    <div className={classes.screen}>
      <div className={classes.head}>
        <div className={classes.headText}>
          {back}
          <Title order={1} size="h2" className={classes.wrap}>
            {title}
          </Title>
          {intro && (
            <Text c="dimmed" size="sm" component="div">
              {intro}
            </Text>
          )}
        </div>
        {actions && <div className={classes.actions}>{actions}</div>}
      </div>
      {children}
    </div>
  );
}

export function Card({ title, children }: { title?: string; children: ReactNode }) {
  return (
    <section className={classes.card} aria-label={title}>
      {title && (
        <Title order={2} size="h5" className={classes.cardTitle}>
          {title}
        </Title>
      )}
      {children}
    </section>
  );
}
