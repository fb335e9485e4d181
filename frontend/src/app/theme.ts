import { createTheme, Modal } from '@mantine/core';

/* Colours, sizes and fonts are static CSS (theme.css): variables made here would need a <style> element, which the Content-Security-Policy forbids. */
export const theme = createTheme({
  cursorType: 'pointer',
  components: {
    // A scroll lock is a <style> element, too.
    Modal: Modal.extend({ defaultProps: { lockScroll: false, centered: true } }),
  },
});
