import { Alert, Button, Code, Stack, Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';

import { ApiError } from '../api/problem';
import { Notice } from './Notice';

/* What went wrong, in the server's words, with the correlation id that an administrator can search the logs for. */
export function Problem({ error, onRetry }: { error: Error; onRetry?: () => void }) {
  const { t } = useTranslation();
  const failure = error instanceof ApiError ? error : null;

  if (failure?.status === 403) return <Notice title={t('state.noPermission')} text={t('state.noPermissionHint')} />;
  return (
    <Alert color="red" variant="light" title={failure?.problem?.title ?? t('problem.title')} role="alert">
      <Stack gap="xs" align="flex-start">
        <Text size="sm">{detailOf(failure) ?? error.message}</Text>
        {failure?.correlationId && (
          <Text size="xs" c="dimmed">
            {t('problem.correlationId')}: <Code>{failure.correlationId}</Code>
          </Text>
        )}
        {onRetry && (
          <Button size="compact-sm" variant="default" onClick={onRetry}>
            {t('state.retry')}
          </Button>
        )}
      </Stack>
    </Alert>
  );

  function detailOf(from: ApiError | null): string | undefined {
    if (from === null) return undefined;
    if (from.status === 0) return t('problem.network');
    return from.problem?.detail ?? t('problem.status', { status: from.status });
  }
}
