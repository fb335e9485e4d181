import type { Role } from '../api/types';
import { DeadLetterIcon, DeliveryIcon, InboxIcon, TicketIcon } from '../components/icons';

/* What the navigation offers to whom. It only spares people dead ends: what a role may do is decided by the server (x-roles in openapi.yaml). */
export const NAVIGATION = [
  { to: '/tickets', label: 'nav.tickets', icon: TicketIcon, roles: ['customer', 'agent', 'manager', 'admin'] },
  { to: '/inbox', label: 'nav.inbox', icon: InboxIcon, roles: ['customer', 'agent', 'manager', 'admin'] },
  { to: '/deliveries', label: 'nav.deliveries', icon: DeliveryIcon, roles: ['agent', 'manager', 'admin'] },
  { to: '/dead-letters', label: 'nav.deadLetters', icon: DeadLetterIcon, roles: ['manager', 'admin'] },
] as const satisfies readonly { to: string; label: string; icon: unknown; roles: readonly Role[] }[];

export function navigationFor(role: Role) {
  return NAVIGATION.filter((entry) => (entry.roles as readonly Role[]).includes(role));
}

export function mayVisit(role: Role, to: (typeof NAVIGATION)[number]['to']): boolean {
  return navigationFor(role).some((entry) => entry.to === to);
}
