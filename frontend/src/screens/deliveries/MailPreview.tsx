import { Tabs } from '@mantine/core';
import { useMemo, type SyntheticEvent } from 'react';
import { useTranslation } from 'react-i18next';

import type { EmailMessage } from '../../api/types';
import { Facts } from '../../components/Facts';
import classes from './deliveries.module.css';
import { dress, inert } from './mailHtml';

export function MailPreview({ mail }: { mail: EmailMessage }) {
  const { t } = useTranslation();
  return (
    <div className={classes.mail}>
      <Facts
        wide
        facts={[
          [t('deliveries.subject'), mail.subject],
          [t('deliveries.to'), mail.to],
        ]}
      />
      <Tabs defaultValue="html" keepMounted={false}>
        <Tabs.List mb="md">
          <Tabs.Tab value="html">{t('deliveries.html')}</Tabs.Tab>
          <Tabs.Tab value="text">{t('deliveries.text')}</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="html">
          <MailFrame html={mail.html} />
        </Tabs.Panel>
        <Tabs.Panel value="text">
          <pre className={classes.plain}>{mail.text}</pre>
        </Tabs.Panel>
      </Tabs>
    </div>
  );
}

/* The mail in a frame of its own: sandboxed without scripts, and under the page's Content-Security-Policy, which a srcdoc inherits.
 * `allow-same-origin` lets us reach in to put the styles on (mailHtml.ts); as nothing in there may run, it gives the mail nothing. */
function MailFrame({ html }: { html: string }) {
  const { t } = useTranslation();
  const source = useMemo(() => inert(html), [html]);

  function loaded(event: SyntheticEvent<HTMLIFrameElement>): void {
    const frame = event.currentTarget;
    const page = frame.contentDocument;
    if (page === null) return;
    dress(page);
    frame.style.height = `${page.documentElement.scrollHeight + 2}px`;
  }

  return <iframe className={classes.frame} title={t('deliveries.preview')} sandbox="allow-same-origin" srcDoc={source} onLoad={loaded} />;
}
