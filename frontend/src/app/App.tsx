import { MantineProvider } from '@mantine/core';
import { QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';

import { queryClient } from '../api/queryClient';
import { AuthProvider } from './auth';
import { router } from './router';
import { theme } from './theme';

/* The page is served with `style-src 'self'`: no <style> element may be made. So Mantine takes its variables and classes from its static CSS, and parts that
 * make <style> elements stay out: AppShell, Grid, SimpleGrid, Flex with responsive props, responsive style props, and scroll locks (theme.ts). */
export function App() {
  return (
    <MantineProvider theme={theme} defaultColorScheme="auto" withCssVariables={false} withGlobalClasses={false}>
      <QueryClientProvider client={queryClient}>
        <AuthProvider>
          <RouterProvider router={router} />
        </AuthProvider>
      </QueryClientProvider>
    </MantineProvider>
  );
}
