import type { ReactNode } from 'react';

/* Drawn for this page: 24 units, one stroke. They stand beside a text always, so they are hidden from screen readers. */
function Icon({ children }: { children: ReactNode }) {
  return (
    <svg
      width="18"
      height="18"
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.8"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      {children}
    </svg>
  );
}

export function TicketIcon() {
  return (
    <Icon>
      <path d="M4 6h16v4a2 2 0 0 0 0 4v4H4v-4a2 2 0 0 0 0-4z" />
      <path d="M14 6v12" strokeDasharray="2 3" />
    </Icon>
  );
}

export function InboxIcon() {
  return (
    <Icon>
      <path d="M4 13 6 5h12l2 8v6H4z" />
      <path d="M4 13h5a3 3 0 0 0 6 0h5" />
    </Icon>
  );
}

export function DeliveryIcon() {
  return (
    <Icon>
      <path d="M21 4 3 11l7 3 3 7z" />
      <path d="m10 14 5-5" />
    </Icon>
  );
}

export function DeadLetterIcon() {
  return (
    <Icon>
      <path d="M3 6h18v12H3z" />
      <path d="m3 7 9 6 9-6" />
      <path d="m4 20 16-16" />
    </Icon>
  );
}
