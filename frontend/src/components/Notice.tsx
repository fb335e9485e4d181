import { Text, Title } from '@mantine/core';
import type { ReactNode } from 'react';

import classes from './components.module.css';

/* A screen, or a part of one, that has nothing to show, and says why. */
export function Notice({ title, text, children }: { title: string; text: string; children?: ReactNode }) {
  return (
    <div className={classes.notice} role="status">
      <Title order={2} size="h4">
        {title}
      </Title>
      <Text c="dimmed" size="sm">
        {text}
      </Text>
      {children}
    </div>
  );
}
