import { useTranslation } from 'react-i18next';

import { Notice } from '../components/Notice';

export function NotFound() {
  const { t } = useTranslation();
  return <Notice title={t('notFound.title')} text={t('notFound.text')} />;
}
