import { useTranslation } from 'react-i18next';

/* An event's name for people. Types that this page does not know yet are shown as they are. */
export function EventName({ event }: { event: string }) {
  const { t } = useTranslation();
  return <>{t(`event.${event}` as 'event.TicketCreated', { defaultValue: event })}</>;
}
