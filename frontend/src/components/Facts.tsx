import type { ReactNode } from 'react';

import classes from './components.module.css';

/* Names and values side by side, or below each other when `wide`. A value that is null is left out with its name. */
export function Facts({ facts, wide = false }: { facts: [name: string, value: ReactNode][]; wide?: boolean }) {
  return (
    <dl className={classes.facts} data-wide={wide}>
      {facts
        .filter(([, value]) => value !== null)
        .map(([name, value]) => (
          <div key={name} className={classes.fact}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}
