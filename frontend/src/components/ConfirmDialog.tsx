import { Button, Group, Modal, Stack, Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';

interface Props {
  opened: boolean;
  title: string;
  text: string;
  confirm: string;
  cancel: string;
  dangerous?: boolean;
  onConfirm: () => void;
  onClose: () => void;
}

/* Asks before something is done. The focus starts on the way out, so that a stray Enter does nothing. */
export function ConfirmDialog({ opened, title, text, confirm, cancel, dangerous = false, onConfirm, onClose }: Props) {
  const { t } = useTranslation();
  return (
    <Modal opened={opened} onClose={onClose} title={title} closeButtonProps={{ 'aria-label': t('state.close') }}>
      <Stack>
        <Text size="sm">{text}</Text>
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose} data-autofocus>
            {cancel}
          </Button>
          <Button color={dangerous ? 'red' : undefined} onClick={onConfirm}>
            {confirm}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
