import { useTranslation } from 'react-i18next';

/* A time of the API in the reader's language and time zone; the exact one on hover. */
export function Time({ value, seconds = false }: { value: string; seconds?: boolean }) {
  const { i18n } = useTranslation();
  const format = new Intl.DateTimeFormat(i18n.language, { dateStyle: 'medium', timeStyle: seconds ? 'medium' : 'short' });
  return (
    <time dateTime={value} title={value}>
      {format.format(new Date(value))}
    </time>
  );
}
